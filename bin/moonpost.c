/* The door of every sub-command. */
#include <stdio.h>

int main(void)
{
	puts("moonpost " MOONPOST_VERSION);
	return 0;
}
