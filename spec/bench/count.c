/* Whole sessions in this process (machines.h), to count their instructions:
 *
 *   valgrind --tool=callgrind --toggle-collect=counted build/release/count smtp|pop3|hello
 *
 * The session runs once before, so that what happens once in a process is not counted.  The bounds
 * are in spec/bench/count_spec.lua. */
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "machines.h"

void counted(void (*session)(void));

enum { RETRIEVED = 10 };

static struct machine *greet(bool mail)
{
	return machines_greet(mail, &machines_policy);
}

static void hello(void)
{
	machines_quit(greet(true));
}

static void send_mail(void)
{
	struct machine *m = greet(true);
	unsigned before = machines_delivered;

	machines_say(m, SLICE("MAIL FROM:<bench@client.example>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"));
	machines_say(m, buf_slice(&machines_message));
	if (machines_delivered != before + 1)
		die("the message was not delivered");
	machines_quit(m);
}

static void fetch(void)
{
	struct machine *m = greet(false);

	machines_say(m, SLICE("USER alice@example.test\r\nPASS secret\r\n"));
	machines_say(m, SLICE("UIDL\r\nLIST\r\n"));
	for (unsigned i = 1; i <= RETRIEVED; i++) {
		char line[32];

		snprintf(line, sizeof(line), "RETR %u\r\n", i);
		machines_say(m, slice_from(line));
	}
	machines_quit(m);
}

__attribute__((noinline)) void counted(void (*session)(void))
{
	session();
}

int main(int argc, char **argv)
{
	static const struct { const char *name; void (*session)(void); } sessions[] = {
		{ "hello", hello }, { "smtp", send_mail }, { "pop3", fetch },
	};

	machines_prepare();
	for (size_t i = 0; i < COUNT_OF(sessions); i++)
		if (argc == 2 && strcmp(argv[1], sessions[i].name) == 0) {
			sessions[i].session();
			counted(sessions[i].session);
			return 0;
		}
	fputs("usage: count hello|smtp|pop3\n", stderr);
	return 64;
}
