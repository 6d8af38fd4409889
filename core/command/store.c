/* The store: store check, backup, compact. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "command/access.h"
#include "command/groups.h"
#include "server/store_process.h"
#include "store/maintain.h"

struct task { struct command_call *call; cJSON *problems; };

static void progress(void *owner, const char *what, uint64_t done, uint64_t total)
{
	struct task *t = owner;

	command_progress(t->call, what, done, total);
}

static void problem(void *owner, const char *text)
{
	struct task *t = owner;

	if (t->call->json)
		cJSON_AddItemToArray(t->problems, cJSON_CreateString(text));
	else
		printf("%s\n", text);
}

static int fail(struct access *a, enum status st, char *error)
{
	int code = st == ST_BUSY ? COMMAND_BUSY : st == ST_NOTFOUND ? COMMAND_FAILED : COMMAND_IO;

	command_fail(a->call, code, "%s", error ? error : status_text(st));
	free(error);
	return code;
}

static int check(struct access *a)
{
	struct task t = { a->call, cJSON_CreateArray() };
	struct maintain_report r = { 0 };
	char *error = NULL;
	enum status st = maintain_check(&a->config->store, progress, problem, &t, &r, &error);

	if (st != ST_OK) {
		cJSON_Delete(t.problems);
		return fail(a, st, error);
	}
	if (a->call->json) {
		const struct { const char *name; uint64_t value; } members[] = {
			{ "mailboxes", r.mailboxes }, { "rows", r.rows }, { "messages", r.messages },
			{ "octets", r.octets }, { "files", r.files }, { "entries", r.entries },
		};
		cJSON *o = cJSON_CreateObject();
		char *text;

		cJSON_AddBoolToObject(o, "ok", r.problems == 0);
		for (unsigned i = 0; i < COUNT_OF(members); i++)
			cJSON_AddNumberToObject(o, members[i].name, (double)members[i].value);
		cJSON_AddItemToObject(o, "problems", t.problems);
		text = cJSON_Print(o);
		puts(text);
		free(text);
		cJSON_Delete(o);
	} else {
		cJSON_Delete(t.problems);
	}
	command_say(a->call, "checked: mailboxes %llu, entries %llu, messages %llu (%s), files %llu, "
	            "dictionary entries %llu; problems %llu",
	            (unsigned long long)r.mailboxes, (unsigned long long)r.rows,
	            (unsigned long long)r.messages, command_format_size(r.octets),
	            (unsigned long long)r.files, (unsigned long long)r.entries,
	            (unsigned long long)r.problems);
	return r.problems ? COMMAND_FAILED : COMMAND_OK;
}

static int backup(struct access *a)
{
	struct task t = { a->call, NULL };
	char *error = NULL;
	enum status st = maintain_backup(&a->config->store, a->call->argv[0], progress, &t, &error);

	if (st != ST_OK)
		return fail(a, st, error);
	command_say(a->call, "the store is copied to %s", a->call->argv[0]);
	return COMMAND_OK;
}

static int compact(struct access *a)
{
	struct task t = { a->call, NULL };
	uint64_t before = 0, after = 0;
	char *error = NULL;
	enum status st;

	if (server_store_process_alive(&a->config->store))
		return command_fail(a->call, COMMAND_BUSY, "the server runs; compacting needs the store alone: "
		                    "`moonpost stop` first");
	st = maintain_compact(&a->config->store, progress, &t, &before, &after, &error);
	if (st != ST_OK)
		return fail(a, st, error);
	if (a->call->json)
		printf("{\"before\":%llu,\"after\":%llu}\n", (unsigned long long)before,
		       (unsigned long long)after);
	command_say(a->call, "the store had %s and has %s now", command_format_size(before),
	            command_format_size(after));
	return COMMAND_OK;
}

static int with_config(struct command_call *call, int (*fn)(struct access *a))
{
	struct access a;
	int code = access_config(&a, call);

	if (code == COMMAND_OK)
		code = fn(&a);
	access_close(&a);
	return code;
}

int command_store_check(struct command_call *call)
{
	return with_config(call, check);
}

int command_store_backup(struct command_call *call)
{
	return with_config(call, backup);
}

int command_store_compact(struct command_call *call)
{
	return with_config(call, compact);
}
