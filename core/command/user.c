/* Accounts: user add, list, password, remove, disable, enable. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "command/access.h"
#include "command/groups.h"
#include "command/password.h"
#include "command/table.h"
#include "server/directory.h"

static int read_quotas(struct command_call *call, struct store_user *u)
{
	const char *octets = command_option(call, "quota"), *count = command_option(call, "messages");

	if (octets && !command_parse_size(octets, &u->quota_octets))
		return command_fail(call, COMMAND_USAGE, "\"%s\" is not a size; write 500M or 2G", octets);
	if (count && slice_to_u64(slice_from(count), &u->quota_messages) != ST_OK)
		return command_fail(call, COMMAND_USAGE, "\"%s\" is not a number of messages", count);
	return COMMAND_OK;
}

/* A user whose domain nobody knows could sign in and never get mail. */
static void warn_domain(struct access *a, const char *name)
{
	const char *domain = strchr(name, '@') + 1;

	if (!server_directory_local(a->config, a->store, slice_from(domain)))
		command_warn(a->call, "note: %s is no local domain yet, so no mail will come; "
		             "`moonpost domain add %s` makes it one", domain, domain);
}

static int put(struct access *a, const struct store_user *u, bool create)
{
	enum status st;

	a->outcome = ST_AGAIN;
	store_user_put(a->store, u, create, access_done, a);
	st = access_wait(a);
	return st == ST_OK ? COMMAND_OK : access_fail(a, st, arena_printf(&a->arena, "user %s", u->name));
}

static int add(struct access *a, const char *name)
{
	struct command_call *call = a->call;
	struct store_user u = { .name = (char *)name, .created = clock_wall() }, old;
	char *password;
	int code = read_quotas(call, &u);

	if (code != COMMAND_OK)
		return code;
	if (store_user_get(a->store, slice_from(name), &a->arena, &old) == ST_OK)
		return command_fail(call, COMMAND_FAILED, "user %s is there already; `moonpost user password "
		                    "%s` changes the password", name, name);
	password = password_read(call, name);
	if (!password)
		return COMMAND_USAGE;
	code = password_set(call, &u, password, command_option(call, "keep-plain") != NULL, &a->arena) ?
	       put(a, &u, true) : COMMAND_SYSTEM;
	password_free(password);
	if (code == COMMAND_OK) {
		warn_domain(a, name);
		command_say(call, "user %s added", name);
	}
	return code;
}

static int change_password(struct access *a, const char *name)
{
	struct store_user u;
	enum status st = store_user_get(a->store, slice_from(name), &a->arena, &u);
	char *password;
	int code;

	if (st != ST_OK)
		return access_fail(a, st, arena_printf(&a->arena, "user %s", name));
	password = password_read(a->call, name);
	if (!password)
		return COMMAND_USAGE;
	u.password = NULL;
	code = password_set(a->call, &u, password, command_option(a->call, "keep-plain") != NULL,
	                    &a->arena) ? put(a, &u, false) : COMMAND_SYSTEM;
	password_free(password);
	if (code == COMMAND_OK)
		command_say(a->call, "the password of %s is changed", name);
	return code;
}

static int remove_user(struct access *a, const char *name)
{
	enum status st;

	a->outcome = ST_AGAIN;
	store_user_remove(a->store, slice_from(name), access_done, a);
	st = access_wait(a);
	if (st != ST_OK)
		return access_fail(a, st, arena_printf(&a->arena, "user %s", name));
	if (command_option(a->call, "purge")) {
		a->outcome = ST_AGAIN;
		store_mailbox_remove(a->store, slice_from(name), access_done, a);
		st = access_wait(a);
		if (st != ST_OK && st != ST_NOTFOUND)
			return access_fail(a, st, arena_printf(&a->arena, "mailbox %s", name));
	}
	command_say(a->call, "user %s removed%s", name, command_option(a->call, "purge") ?
	            " with all mail" : "; the mailbox stays (moonpost mailbox purge)");
	return COMMAND_OK;
}

static int set_disabled(struct access *a, const char *name, bool disabled)
{
	struct store_user u;
	enum status st = store_user_get(a->store, slice_from(name), &a->arena, &u);
	int code;

	if (st != ST_OK)
		return access_fail(a, st, arena_printf(&a->arena, "user %s", name));
	u.disabled = disabled;
	code = put(a, &u, false);
	if (code == COMMAND_OK)
		command_say(a->call, "user %s %s", name, disabled ?
		            "disabled: cannot sign in and gets no mail" : "enabled");
	return code;
}

static int disable(struct access *a, const char *name)
{
	return set_disabled(a, name, true);
}

static int enable(struct access *a, const char *name)
{
	return set_disabled(a, name, false);
}

/* Open, do it for each name, close; the first failure is the exit code. */
static int for_each(struct command_call *call, int (*fn)(struct access *a, const char *name))
{
	struct access a;
	int code = access_open(&a, call), one;

	for (int i = 0; code == COMMAND_OK && i < call->argc; i++) {
		const char *name = access_name(&a, call->argv[i]);

		one = name ? fn(&a, name) : COMMAND_USAGE;
		if (code == COMMAND_OK)
			code = one;
	}
	access_close(&a);
	return code;
}

int command_user_add(struct command_call *call)
{
	return for_each(call, add);
}

int command_user_password(struct command_call *call)
{
	return for_each(call, change_password);
}

int command_user_remove(struct command_call *call)
{
	return for_each(call, remove_user);
}

int command_user_disable(struct command_call *call)
{
	return for_each(call, disable);
}

int command_user_enable(struct command_call *call)
{
	return for_each(call, enable);
}

static bool in_domain(const char *name, const char *domain)
{
	const char *at = strrchr(name, '@');

	return !domain || (at && slice_ieq(slice_from(at + 1), slice_from(domain)));
}

static void list_user(struct table *t, const struct store_user *u, const char *from)
{
	table_text(t, u->name);
	table_size(t, u->quota_octets, "default");
	table_number(t, u->quota_messages);
	table_bool(t, u->disabled);
	table_text(t, from);
	table_time(t, u->created);
	table_end_row(t);
}

int command_user_list(struct command_call *call)
{
	static const char *const columns[] = { "user", "quota", "messages", "disabled", "from",
	                                       "created", NULL };
	const char *domain = command_option(call, "domain");
	struct access a;
	struct table *t;
	struct store_user u;
	char *cursor;
	enum status st = ST_END;
	int code = access_open(&a, call);

	if (code != COMMAND_OK) {
		access_close(&a);
		return code;
	}
	t = table_new(call, columns);
	for (unsigned i = 0; i < a.config->user_count; i++) {
		const struct config_user *c = &a.config->users[i];
		struct store_user one = { .name = (char *)c->name, .quota_octets = c->quota_octets,
		                          .quota_messages = c->quota_messages };

		if (in_domain(c->name, domain))
			list_user(t, &one, "configuration");
	}
	cursor = NULL;
	while ((st = store_user_next(a.store, &cursor, &a.arena, &u)) == ST_OK) {
		if (in_domain(u.name, domain))
			list_user(t, &u, "store");
		arena_reset(&a.arena);
	}
	table_print(t, "there are no users; `moonpost user add NAME` makes one");
	if (st != ST_END)
		code = access_fail(&a, st, "the list of users");
	access_close(&a);
	return code;
}
