/* Quotas of mailboxes: quota show, set. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "command/access.h"
#include "command/groups.h"
#include "command/table.h"

static void show_one(struct access *a, struct table *t, const struct store_mailbox *m)
{
	const struct store_settings *s = &a->config->store;
	uint64_t octets = m->quota_octets ? m->quota_octets : s->default_quota_octets;
	uint64_t count = m->quota_messages ? m->quota_messages : s->default_quota_messages;
	char used[16] = "";

	if (octets)
		snprintf(used, sizeof(used), "%.0f %%", (double)m->octets * 100 / (double)octets);
	table_text(t, m->name);
	table_size(t, m->octets, NULL);
	table_size(t, octets, "none");
	table_text(t, used);
	table_number(t, m->count);
	table_number(t, count);
	table_end_row(t);
}

static enum status show_all(struct access *a, struct table *t)
{
	char *cursor = NULL;
	struct store_mailbox m;
	enum status st;

	while ((st = store_mailbox_next(a->store, &cursor, &a->arena, &m)) == ST_OK) {
		show_one(a, t, &m);
		arena_reset(&a->arena);
	}
	return st == ST_END ? ST_OK : st;
}

static enum status show_named(struct access *a, struct table *t, const char *name)
{
	struct store_mailbox m;
	struct store_user u;
	enum status st = store_mailbox_get(a->store, slice_from(name), &a->arena, &m);

	/* A user without mail yet has no mailbox: its quota is there all the same. */
	if (st == ST_NOTFOUND) {
		st = store_user_get(a->store, slice_from(name), &a->arena, &u);
		m = (struct store_mailbox){ .name = (char *)name };
		if (st == ST_OK) {
			m.quota_octets = u.quota_octets;
			m.quota_messages = u.quota_messages;
		}
	}
	if (st == ST_OK)
		show_one(a, t, &m);
	return st;
}

int command_quota_show(struct command_call *call)
{
	static const char *const columns[] = { "mailbox", "octets", "quota", "used", "messages",
	                                       "messages_quota", NULL };
	struct access a;
	struct table *t;
	int code = access_open(&a, call);

	if (code == COMMAND_OK) {
		const char *what = "the list of mailboxes";
		enum status st = ST_OK;

		t = table_new(call, columns);
		if (call->argc == 0)
			st = show_all(&a, t);
		for (int i = 0; i < call->argc && st == ST_OK; i++) {
			const char *name = access_name(&a, call->argv[i]);

			if (!name) {
				code = COMMAND_USAGE;
				break;
			}
			what = arena_printf(&a.arena, "mailbox %s", name);
			st = show_named(&a, t, name);
		}
		table_print(t, "there are no mailboxes yet");
		if (st != ST_OK)
			code = access_fail(&a, st, what);
	}
	access_close(&a);
	return code;
}

static int set(struct access *a)
{
	struct command_call *call = a->call;
	const char *name = access_name(a, call->argv[0]), *messages = command_option(call, "messages");
	uint64_t octets = 0, count = 0;
	enum status st;

	if (!name)
		return COMMAND_USAGE;
	if (strcmp(call->argv[1], "default") != 0 && !command_parse_size(call->argv[1], &octets))
		return command_fail(call, COMMAND_USAGE, "\"%s\" is not a size; write 500M, 2G or default",
		                    call->argv[1]);
	if (messages && slice_to_u64(slice_from(messages), &count) != ST_OK)
		return command_fail(call, COMMAND_USAGE, "\"%s\" is not a number of messages", messages);
	a->outcome = ST_AGAIN;
	store_mailbox_quota(a->store, slice_from(name), octets, count, access_done, a);
	st = access_wait(a);
	if (st != ST_OK)
		return access_fail(a, st, arena_printf(&a->arena, "mailbox %s", name));
	command_say(call, "quota of %s: %s, %s messages", name,
	            octets ? command_format_size(octets) : "the default",
	            count ? messages : "the default number of");
	return COMMAND_OK;
}

int command_quota_set(struct command_call *call)
{
	return access_run(call, set);
}
