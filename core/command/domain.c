/* Local domains: domain add, list, remove. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "command/access.h"
#include "command/groups.h"
#include "command/table.h"
#include "mail/address.h"

/* Lower case; NULL after a complaint. */
static char *domain_name(struct access *a, const char *argument)
{
	char *name = arena_strdup(&a->arena, slice_from(argument));

	for (char *c = name; *c; c++)
		*c = ascii_lower(*c);
	if (address_check_domain(slice_from(name), true) == ST_OK && *name != '[')
		return name;
	command_fail(a->call, COMMAND_USAGE, "\"%s\" is not a domain name", argument);
	return NULL;
}

static int add(struct access *a)
{
	struct command_call *call = a->call;
	const char *catch_all = command_option(call, "catch-all");
	struct store_domain d = { .name = domain_name(a, call->argv[0]) };
	enum status st;

	if (!d.name)
		return COMMAND_USAGE;
	if (catch_all && !(d.catch_all = (char *)access_name(a, catch_all)))
		return COMMAND_USAGE;
	a->outcome = ST_AGAIN;
	store_domain_put(a->store, &d, access_done, a);
	st = access_wait(a);
	if (st != ST_OK)
		return access_fail(a, st, arena_printf(&a->arena, "domain %s", d.name));
	if (d.catch_all)
		command_say(call, "domain %s is local; what has no mailbox goes to %s", d.name, d.catch_all);
	else
		command_say(call, "domain %s is local", d.name);
	return COMMAND_OK;
}

int command_domain_add(struct command_call *call)
{
	return access_run(call, add);
}

static int remove_domain(struct access *a)
{
	const char *name = domain_name(a, a->call->argv[0]);
	enum status st;

	if (!name)
		return COMMAND_USAGE;
	for (const char **d = a->config->domains; d && *d; d++)
		if (slice_ieq(slice_from(*d), slice_from(name)))
			return command_fail(a->call, COMMAND_FAILED, "domain %s stands in the configuration; take "
			                    "it out of `domains` in %s and reload", name, a->call->config);
	a->outcome = ST_AGAIN;
	store_domain_remove(a->store, slice_from(name), access_done, a);
	st = access_wait(a);
	if (st != ST_OK)
		return access_fail(a, st, arena_printf(&a->arena, "domain %s", name));
	command_say(a->call, "domain %s is not local any more; its users and mailboxes stay", name);
	return COMMAND_OK;
}

int command_domain_remove(struct command_call *call)
{
	return access_run(call, remove_domain);
}

static const char *configured_catch_all(const struct config *c, const char *domain)
{
	for (unsigned i = 0; i < c->catch_all_count; i++)
		if (slice_ieq(slice_from(c->catch_all[i].domain), slice_from(domain)))
			return c->catch_all[i].target;
	return NULL;
}

int command_domain_list(struct command_call *call)
{
	static const char *const columns[] = { "domain", "catch_all", "from", NULL };
	struct access a;
	struct table *t;
	struct store_domain d;
	char *cursor;
	enum status st;
	int code = access_open(&a, call);

	if (code != COMMAND_OK) {
		access_close(&a);
		return code;
	}
	t = table_new(call, columns);
	for (const char **name = a.config->domains; name && *name; name++) {
		table_text(t, *name);
		table_text(t, configured_catch_all(a.config, *name));
		table_text(t, "configuration");
		table_end_row(t);
	}
	cursor = NULL;
	while ((st = store_domain_next(a.store, &cursor, &a.arena, &d)) == ST_OK) {
		table_text(t, d.name);
		table_text(t, d.catch_all);
		table_text(t, "store");
		table_end_row(t);
	}
	table_print(t, "there are no local domains; `moonpost domain add NAME` makes one");
	if (st != ST_END)
		code = access_fail(&a, st, "the list of domains");
	access_close(&a);
	return code;
}
