/* Mailboxes: mailbox list, show, purge. */
#include <stdlib.h>

#include "base/mem.h"
#include "command/access.h"
#include "command/drop.h"
#include "command/groups.h"
#include "command/table.h"
#include "mail/header.h"

int command_mailbox_list(struct command_call *call)
{
	static const char *const columns[] = { "mailbox", "messages", "octets", "uidvalidity", "uidnext",
	                                       NULL };
	struct access a;
	struct table *t;
	struct store_mailbox m;
	char *cursor;
	enum status st;
	int code = access_open(&a, call);

	if (code != COMMAND_OK) {
		access_close(&a);
		return code;
	}
	t = table_new(call, columns);
	cursor = NULL;
	while ((st = store_mailbox_next(a.store, &cursor, &a.arena, &m)) == ST_OK) {
		table_text(t, m.name);
		table_number(t, m.count);
		table_size(t, m.octets, NULL);
		table_number(t, m.uidvalidity);
		table_number(t, m.uidnext);
		table_end_row(t);
		arena_reset(&a.arena);
	}
	table_print(t, "there are no mailboxes yet");
	if (st != ST_END)
		code = access_fail(&a, st, "the list of mailboxes");
	access_close(&a);
	return code;
}

/* A header field's value on one line, without what could confuse a terminal. */
static const char *field(struct access *a, struct slice header, struct slice name)
{
	struct header_field f;
	enum status st;

	while ((st = header_next(&header, &f)) != ST_END && st != ST_AGAIN)
		if (st == ST_OK && slice_ieq(f.name, name)) {
			char *text = arena_strdup(&a->arena, slice_trim(f.value)), *to = text;

			for (const char *c = text; *c; c++)
				if ((unsigned char)*c >= 0x20 && *c != 0x7f)
					*to++ = *c;
			*to = '\0';
			return text;
		}
	return NULL;
}

static enum status show_messages(struct access *a, struct table *t, struct maildrop *m)
{
	struct buf head;
	char uidl[UIDL_SIZE];
	enum status st = ST_OK;

	buf_init(&head, 0);
	for (unsigned i = 0; i < m->count && st == ST_OK; i++) {
		buf_reset(&head);
		st = drop_read(a, m, i, 0, &head);
		if (st != ST_OK)
			break;
		maildrop_uidl(m, i, uidl);
		table_number(t, i + 1);
		table_text(t, uidl);
		table_number(t, m->entries[i].octets);
		table_text(t, field(a, buf_slice(&head), SLICE("Date")));
		table_text(t, field(a, buf_slice(&head), SLICE("From")));
		table_text(t, field(a, buf_slice(&head), SLICE("Subject")));
		table_end_row(t);
		arena_reset(&a->arena);
	}
	buf_free(&head);
	return st;
}

static int show(struct access *a)
{
	static const char *const columns[] = { "number", "uidl", "octets", "date", "from", "subject",
	                                       NULL };
	const char *argument = access_name(a, a->call->argv[0]);
	char *name = argument ? mem_strdup(argument) : NULL;
	struct maildrop *m = NULL;
	struct table *t;
	enum status st;
	int code = COMMAND_USAGE;

	if (name)
		m = drop_open(a, name, &code);
	if (m) {
		t = table_new(a->call, columns);
		st = show_messages(a, t, m);
		table_print(t, "the mailbox is empty");
		code = st == ST_OK ? COMMAND_OK : access_fail(a, st, name);
		m->ops->close(m);
	}
	free(name);
	return code;
}

int command_mailbox_show(struct command_call *call)
{
	return access_run(call, show);
}

static int purge(struct access *a)
{
	struct command_call *call = a->call;
	const char *name = access_name(a, call->argv[0]);
	bool whole = command_option(call, "remove") != NULL;
	struct store_mailbox box;
	struct maildrop *m;
	enum status st;
	int code = COMMAND_OK;

	if (!name)
		return COMMAND_USAGE;
	st = store_mailbox_get(a->store, slice_from(name), &a->arena, &box);
	if (st != ST_OK)
		return access_fail(a, st, arena_printf(&a->arena, "mailbox %s", name));
	if (!command_option(call, "yes") &&
	    !access_confirm(a, arena_printf(&a->arena, "Delete all %llu messages of %s for good?",
	                                    (unsigned long long)box.count, name)))
		return command_fail(call, COMMAND_FAILED, "nothing is deleted; say --yes to delete the %llu "
		                    "messages of %s", (unsigned long long)box.count, name);
	m = drop_open(a, name, &code);
	if (!m)
		return code;
	st = drop_empty(a, m);
	m->ops->close(m);
	if (st == ST_OK && whole) {
		a->outcome = ST_AGAIN;
		store_mailbox_remove(a->store, slice_from(name), access_done, a);
		st = access_wait(a);
	}
	if (st != ST_OK)
		return access_fail(a, st, arena_printf(&a->arena, "mailbox %s", name));
	command_say(call, "mailbox %s is %s", name, whole ? "removed" : "empty");
	return COMMAND_OK;
}

int command_mailbox_purge(struct command_call *call)
{
	return access_run(call, purge);
}
