/* What a Lua hook costs a session: dialogues of 100 RCPTs in this process (machines.h), asked through
 * core/script as a worker asks.
 *
 *   hook CONFIGURATION-WITHOUT CONFIGURATION-WITH ROUNDS RCPTS
 *
 * The second configuration has one plugin that listens to accept_recipient and answers at once.
 * Prints a line per round: CPU nanoseconds per RCPT without it, with it, and those of its function
 * called alone with arguments that are there already.  spec/bench/hook.lua makes sense of them. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <lauxlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "machines.h"
#include "net/loop.h"
#include "script/plugin.h"
#include "script/state.h"

enum { RECIPIENTS = 100 };            /* of one transaction */

static unsigned   rcpts;              /* of one measurement */
static struct buf envelope;           /* one pipelined group */

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct script *load(const char *file, struct loop *loop)
{
	char *error = NULL;
	struct config *config = config_load(file, &error);
	struct script_setup setup = { .loop = loop, .config = config, .next_policy = &machines_policy };
	struct script *s = config ? script_new(&setup, &error) : NULL;

	if (!s)
		die("%s", error);
	return s;
}

static void dialogue(struct script *s)
{
	struct machine *m = machines_greet(true, script_policy(s));

	for (unsigned i = 0; i < 10; i++)
		machines_say(m, buf_slice(&envelope));
	script_session_closed(s, &m->facts);
	machines_quit(m);
}

/* CPU nanoseconds per RCPT. */
static double dialogues(struct script *s)
{
	uint64_t calls = s->numbers.calls, asked = list_empty(&s->listeners[HOOK_ACCEPT_RECIPIENT]) ? 0 : rcpts;
	double began = cpu_ns();

	for (unsigned n = 0; n < rcpts; n += 10 * RECIPIENTS)
		dialogue(s);
	double took = cpu_ns() - began;

	if (s->numbers.calls - calls != asked || s->numbers.errors)
		die("the hook was not called for each RCPT, or failed");
	return took / rcpts;
}

/* The plugin's function with a recipient that is made once; runs protected. */
static int alone(lua_State *L)
{
	struct script *s = script_of(L);
	struct list *first = s->listeners[HOOK_ACCEPT_RECIPIENT].next;
	double *took = lua_touserdata(L, 1);

	lua_rawgeti(L, LUA_REGISTRYINDEX, CONTAINER_OF(first, struct listener, link)->fn);
	lua_createtable(L, 0, 5);
	for (const char *const *field = (const char *const[]){ "address", "alice@example.test", "localpart",
	     "alice", "detail", "", "domain", "example.test", NULL }; *field; field += 2) {
		lua_pushstring(L, field[1]);
		lua_setfield(L, -2, field[0]);
	}
	lua_pushinteger(L, 0);
	lua_setfield(L, -2, "size");
	double began = cpu_ns();

	for (unsigned n = 0; n < rcpts; n++) {
		lua_pushvalue(L, 2);
		lua_pushnil(L);
		lua_pushvalue(L, 3);
		lua_call(L, 2, 2);
		lua_settop(L, 3);
	}
	*took = (cpu_ns() - began) / rcpts;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fputs("usage: hook CONFIGURATION-WITHOUT CONFIGURATION-WITH ROUNDS RCPTS\n", stderr);
		return 64;
	}
	rcpts = (unsigned)atoi(argv[4]) / (10 * RECIPIENTS) * (10 * RECIPIENTS);
	(void)buf_append(&envelope, SLICE("MAIL FROM:<bench@client.example>\r\n"));
	for (unsigned i = 0; i < RECIPIENTS; i++)
		(void)buf_printf(&envelope, "RCPT TO:<alice%u@example.test>\r\n", i);
	(void)buf_append(&envelope, SLICE("RSET\r\n"));
	machines_prepare();
	struct loop *loop = loop_new();
	struct script *without = load(argv[1], loop), *with = load(argv[2], loop);

	/* The first round warms caches and pools. */
	for (int round = 0; round <= atoi(argv[3]); round++) {
		double took = 0, a = dialogues(without), b = dialogues(with);

		if (!script_protect(with, alone, &took, 60000, NULL))
			die("the function failed when called alone");
		if (round)
			printf("%.1f %.1f %.1f\n", a, b, took);
	}
	return 0;
}
