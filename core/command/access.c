/* A command's way to the store. */
#include "command/access.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "server/store_process.h"

int access_config(struct access *a, struct command_call *call)
{
	char *errors = NULL;
	struct slice rest, line;

	*a = (struct access){ .call = call, .listen_fd = -1, .alive_fd = -1 };
	arena_init(&a->arena);
	log_set_level(LOG_LEVEL_WARN);
	a->config = config_load(call->config, &errors);
	if (a->config)
		return COMMAND_OK;
	rest = slice_from(errors ? errors : "the configuration cannot be loaded");
	while (slice_cut(&rest, '\n', &line) == ST_OK)
		if (line.len)
			command_warn(call, "%.*s", SLICE_ARG(line));
	free(errors);
	return COMMAND_CONFIG;
}

static int start_own_store(struct access *a, const struct privilege *p)
{
	char *error = NULL;
	int alive[2];

	a->listen_fd = server_store_process_open(a->config, p, &error);
	if (a->listen_fd < 0 || pipe(alive) < 0) {
		command_fail(a->call, COMMAND_SYSTEM, "%s", error ? error : strerror(errno));
		free(error);
		return COMMAND_SYSTEM;
	}
	a->child = fork();
	if (a->child == 0) {
		signal(SIGINT, SIG_IGN);      /* ends when we do, and commits what it has before */
		close(alive[1]);
		log_set_process("store");
		server_privilege_drop(p);
		exit(store_run(&a->config->store, a->listen_fd, alive[0]));
	}
	close(alive[0]);
	a->alive_fd = alive[1];
	if (a->child > 0)
		return COMMAND_OK;
	a->child = 0;
	return command_fail(a->call, COMMAND_SYSTEM, "cannot fork: %s", strerror(errno));
}

int access_open(struct access *a, struct command_call *call)
{
	struct privilege p;
	char *error = NULL;
	int code = access_config(a, call);

	if (code != COMMAND_OK)
		return code;
	if (!server_privilege_find(a->config->user, a->config->group, &p, &error)) {
		command_fail(call, COMMAND_CONFIG, "%s", error);
		free(error);
		return COMMAND_CONFIG;
	}
	if (!server_store_process_alive(&a->config->store)) {
		code = start_own_store(a, &p);
		if (code != COMMAND_OK)
			return code;
	}
	a->loop = loop_new();
	a->pool = work_pool_new(a->loop, 2, "command");
	a->store = store_client_new(a->loop, a->pool, &a->config->store, &error);
	if (a->store)
		return COMMAND_OK;
	command_fail(call, COMMAND_IO, "%s", error ? error : "the store cannot be opened");
	free(error);
	return COMMAND_IO;
}

void access_close(struct access *a)
{
	if (a->store)
		store_client_free(a->store);
	if (a->pool)
		work_pool_free(a->pool);
	if (a->loop)
		loop_free(a->loop);
	if (a->alive_fd >= 0)
		close(a->alive_fd);
	if (a->child)
		(void)waitpid(a->child, NULL, 0);
	if (a->listen_fd >= 0)
		server_store_process_close(&a->config->store, a->listen_fd);
	arena_reset(&a->arena);
	if (a->config)
		config_free(a->config);
	*a = (struct access){ .listen_fd = -1, .alive_fd = -1 };
}

void access_done(void *access, enum status st)
{
	struct access *a = access;

	a->outcome = st;
	if (a->waiting)
		loop_stop(a->loop);
	a->waiting = false;
}

enum status access_wait(struct access *a)
{
	if (a->outcome == ST_AGAIN) {
		a->waiting = true;
		loop_run(a->loop);
	}
	return a->outcome;
}

int access_fail(struct access *a, enum status st, const char *what)
{
	static const struct { enum status st; int code; const char *text; } rows[] = {
		{ ST_NOTFOUND, COMMAND_FAILED, "there is no %s" },
		{ ST_EXISTS,   COMMAND_FAILED, "%s is there already" },
		{ ST_BUSY,     COMMAND_BUSY,   "%s is in use by a POP3 session, try again later" },
		{ ST_QUOTA,    COMMAND_FAILED, "%s is over its quota" },
		{ ST_NOSPACE,  COMMAND_IO,     "%s: the disk is full" },
		{ ST_TEMPFAIL, COMMAND_BUSY,   "%s: the store process does not answer, try again" },
	};

	for (unsigned i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].st == st) {
			char *text = mem_strdup(rows[i].text), *at = strstr(text, "%s");

			*at = '\0';
			command_fail(a->call, rows[i].code, "%s%s%s", text, what, at + 2);
			free(text);
			return rows[i].code;
		}
	return command_fail(a->call, COMMAND_IO, "%s: %s", what, status_text(st));
}

const char *access_name(struct access *a, const char *argument)
{
	const struct config *c = a->config;
	const char *domain = c->default_domain ? c->default_domain :
	                     c->domains && c->domains[0] ? c->domains[0] : NULL;
	struct address_parts parts;
	const char *full = argument;

	if (!strchr(argument, '@')) {
		if (!domain) {
			command_fail(a->call, COMMAND_USAGE, "\"%s\" has no domain and the configuration has no "
			             "default_domain; write it as %s@example.org", argument, argument);
			return NULL;
		}
		full = arena_printf(&a->arena, "%s@%s", argument, domain);
	}
	if (address_parse_mailbox(slice_from(full), ADDRESS_UTF8, &a->arena, &parts) != ST_OK) {
		command_fail(a->call, COMMAND_USAGE, "\"%s\" is not a mail address", full);
		return NULL;
	}
	return arena_strdup(&a->arena, address_canonical(&parts, &a->arena));
}

bool access_confirm(struct access *a, const char *text)
{
	char answer[16] = "";

	(void)a;
	if (!isatty(STDIN_FILENO))
		return false;
	fprintf(stderr, "%s [y/N] ", text);
	return fgets(answer, sizeof(answer), stdin) && ascii_lower(answer[0]) == 'y';
}

int access_run(struct command_call *call, int (*fn)(struct access *a))
{
	struct access a;
	int code = access_open(&a, call);

	if (code == COMMAND_OK)
		code = fn(&a);
	access_close(&a);
	return code;
}
