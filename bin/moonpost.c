/* The door of every sub-command.  What there is stands in core/command/commands.c. */
#include "base/mem.h"
#include "command/command.h"
#include "server/title.h"

int main(int argc, char **argv)
{
	char **copy = mem_array((size_t)argc + 1, sizeof(*copy));
	int code;

	for (int i = 0; i < argc; i++)
		copy[i] = mem_strdup(argv[i]);
	server_title_init(argc, argv);    /* the words of argv itself become the process title */
	code = command_main(argc, copy);
	return code;
}
