/* Aliases: alias add, list, remove. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "command/access.h"
#include "command/groups.h"
#include "command/table.h"
#include "mail/address.h"
#include "server/directory.h"

/* "@example.org" stands for every address of the domain that has no mailbox. */
static const char *alias_name(struct access *a, const char *argument)
{
	char *name;

	if (argument[0] != '@')
		return access_name(a, argument);
	name = arena_strdup(&a->arena, slice_from(argument));
	for (char *c = name; *c; c++)
		*c = ascii_lower(*c);
	if (address_check_domain(slice_from(name + 1), true) == ST_OK)
		return name;
	command_fail(a->call, COMMAND_USAGE, "\"%s\" is not @ and a domain", argument);
	return NULL;
}

static int add(struct access *a)
{
	struct command_call *call = a->call;
	struct store_alias alias = { .target_count = (unsigned)call->argc - 1 };
	enum status st;

	alias.address = (char *)alias_name(a, call->argv[0]);
	if (!alias.address)
		return COMMAND_USAGE;
	alias.targets = arena_alloc(&a->arena, (alias.target_count + 1) * sizeof(char *));
	for (unsigned i = 0; i < alias.target_count; i++) {
		const char *target = access_name(a, call->argv[i + 1]);

		if (!target)
			return COMMAND_USAGE;
		if (!server_directory_local(a->config, a->store, slice_from(strchr(target, '@') + 1)))
			return command_fail(call, COMMAND_FAILED, "%s is not in a local domain, and relaying to "
			                    "other servers is not supported", target);
		alias.targets[i] = (char *)target;
	}
	a->outcome = ST_AGAIN;
	store_alias_put(a->store, &alias, access_done, a);
	st = access_wait(a);
	if (st != ST_OK)
		return access_fail(a, st, arena_printf(&a->arena, "alias %s", alias.address));
	command_say(call, "mail for %s goes to %u address%s", alias.address, alias.target_count,
	            alias.target_count == 1 ? "" : "es");
	return COMMAND_OK;
}

int command_alias_add(struct command_call *call)
{
	return access_run(call, add);
}

static int remove_alias(struct access *a)
{
	const char *name = alias_name(a, a->call->argv[0]);
	enum status st;

	if (!name)
		return COMMAND_USAGE;
	a->outcome = ST_AGAIN;
	store_alias_remove(a->store, slice_from(name), access_done, a);
	st = access_wait(a);
	if (st != ST_OK)
		return access_fail(a, st, arena_printf(&a->arena, "alias %s", name));
	command_say(a->call, "alias %s removed", name);
	return COMMAND_OK;
}

int command_alias_remove(struct command_call *call)
{
	return access_run(call, remove_alias);
}

static void list_alias(struct table *t, const char *address, const char *const *targets,
                       unsigned count, const char *from)
{
	table_text(t, address);
	table_text(t, from);
	table_list(t, targets, count);
	table_end_row(t);
}

int command_alias_list(struct command_call *call)
{
	static const char *const columns[] = { "alias", "from", "targets", NULL };
	struct access a;
	struct table *t;
	struct store_alias alias;
	char *cursor;
	enum status st;
	int code = access_open(&a, call);

	if (code != COMMAND_OK) {
		access_close(&a);
		return code;
	}
	t = table_new(call, columns);
	for (unsigned i = 0; i < a.config->alias_count; i++) {
		const struct config_alias *c = &a.config->aliases[i];
		unsigned count = 0;

		while (c->targets[count])
			count++;
		list_alias(t, c->address, c->targets, count, "configuration");
	}
	cursor = NULL;
	while ((st = store_alias_next(a.store, &cursor, &a.arena, &alias)) == ST_OK)
		list_alias(t, alias.address, (const char *const *)alias.targets, alias.target_count, "store");
	table_print(t, "there are no aliases; `moonpost alias add ADDRESS TARGET` makes one");
	if (st != ST_END)
		code = access_fail(&a, st, "the list of aliases");
	access_close(&a);
	return code;
}
