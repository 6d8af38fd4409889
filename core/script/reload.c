/* New code of plugins in a running worker.
 *
 * The file is compiled and run with a ledger of its own; if that fails nothing has changed.  Then the
 * ledgers are swapped between two events.  The old code serves what is suspended in it and the
 * mailboxes that are open with it; when it is idle, or lua.reload_wall is over, what still waits in
 * it is ended, its on_stop is called and its Lua let go.  Its structures in C stay until the script's
 * end: a closure that somebody kept may still point to them.  plugin:state tables and the numbers
 * of its hooks belong to all generations of a plugin. */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "script/breaker.h"
#include "script/every.h"
#include "script/ledger.h"
#include "script/lifecycle.h"
#include "script/mailbox.h"
#include "script/observer.h"
#include "script/plugin.h"
#include "script/policy.h"
#include "script/state.h"

enum { LOOK_MS = 100 };

/* ---- the old code ---- */

static bool has_open_mailboxes(const struct plugin *p)
{
	LIST_EACH(&p->script->drops, link)
		if (CONTAINER_OF(link, struct drop, link)->backend->plugin == p)
			return true;
	return false;
}

static void end_calls(struct plugin *p)
{
	struct list *link = p->script->calls.next;

	while (link != &p->script->calls) {
		struct call *c = CONTAINER_OF(link, struct call, link);

		link = link->next;
		if (c->plugin != p || c->parent)
			continue;
		call_expire(c, "the plugin was reloaded and this call of its old code did not end "
		            "(lua.reload_wall)");
		link = p->script->calls.next;         /* whatever the end of a call has ended as well */
	}
}

static void let_go(void *owner)
{
	struct plugin *p = owner;
	lua_State *L = p->script->L;

	ledger_unref(p);
	luaL_unref(L, LUA_REGISTRYINDEX, p->environment);
	luaL_unref(L, LUA_REGISTRYINDEX, p->modules);
	p->environment = p->modules = LUA_NOREF;
	log_info("old code of a plugin is gone", "plugin", p->name, NULL);
}

static void look(void *owner)
{
	struct plugin *p = owner;

	if (p->calls > 0 && clock_ms() >= p->ends_ms) {
		p->ends_ms = UINT64_MAX;              /* once: open mailboxes may go on */
		end_calls(p);
	}
	if (p->calls == 0 && !has_open_mailboxes(p))
		lifecycle_stop_plugin(p, let_go);
	else
		timer_start(&p->look, LOOK_MS);
}

/* ---- the swap ---- */

static void swap(struct plugin *old, struct plugin *new)
{
	struct script *s = old->script;

	ledger_withdraw(old);
	ledger_publish(new);
	list_append(&old->link, &new->link);      /* in front of it */
	list_remove(&old->link);
	list_append(&s->retired, &old->link);
	every_rest(old);
	breaker_reset(new);
	timer_init(&old->look, s->setup.loop, look, old);
	old->ends_ms = clock_ms() + s->setup.config->lua.reload_wall_ms;
	timer_start(&old->look, LOOK_MS);
	log_notice("plugin reloaded", "plugin", new->name, "file", new->config->file, NULL);
}

/* What the new code began while it was loaded. */
static void discard(struct plugin *p)
{
	struct script *s = p->script;

	every_stop(p);
	for (struct list *link = s->calls.next; link != &s->calls;) {
		struct call *c = CONTAINER_OF(link, struct call, link);

		link = link->next;
		if (c->plugin == p && !c->parent)
			call_cancel(c);               /* none has had its turn yet: no children */
	}
	ledger_unref(p);
	luaL_unref(s->L, LUA_REGISTRYINDEX, p->environment);
	luaL_unref(s->L, LUA_REGISTRYINDEX, p->modules);
	p->environment = p->modules = LUA_NOREF;
	p->withdrawn = true;
	list_append(&s->retired, &p->link);
}

static bool load(struct plugin *old, struct list *fresh, char **error)
{
	struct script *s = old->script;
	struct plugin *new = plugin_new(s, old->config, old->index);

	new->ancestor = old->ancestor ? old->ancestor : old;
	new->state = old->state;
	if (!plugin_run(new, error)) {
		discard(new);
		return false;
	}
	if (!list_empty(&new->backends) && list_empty(&s->backends)) {
		*error = mem_printf("plugin %s: the server has no mailbox backend yet; the first one needs a "
		                    "reload of everything: moonpost reload", new->name);
		discard(new);
		return false;
	}
	list_append(fresh, &new->link);
	return true;
}

static struct plugin *old_of(struct script *s, const struct plugin *new)
{
	LIST_EACH(&s->plugins, link) {
		struct plugin *p = CONTAINER_OF(link, struct plugin, link);

		if (p->index == new->index)
			return p;
	}
	return NULL;
}

static char *no_such(struct script *s, const char *name)
{
	struct buf names;
	char *text;

	buf_init(&names, 0);
	LIST_EACH(&s->plugins, link)
		(void)buf_printf(&names, "%s%s", buf_len(&names) ? ", " : "",
		                 CONTAINER_OF(link, struct plugin, link)->name);
	text = mem_printf("no plugin \"%s\" is loaded; there are %s", name,
	                  buf_len(&names) ? buf_cstr(&names) : "none");
	buf_free(&names);
	return text;
}

bool script_reload(struct script *s, const char *name, char **error)
{
	struct list fresh;
	bool good = true, found = false;

	*error = NULL;
	list_init(&fresh);
	LIST_EACH(&s->plugins, link) {
		struct plugin *old = CONTAINER_OF(link, struct plugin, link);

		if (!good || (name && strcmp(name, old->name) != 0))
			continue;
		found = true;
		good = load(old, &fresh, error);
	}
	if (!found && name)
		*error = no_such(s, name);
	for (struct list *link; (link = list_shift(&fresh)) != NULL;) {
		struct plugin *new = CONTAINER_OF(link, struct plugin, link);

		if (good) {
			swap(old_of(s, new), new);
			lifecycle_start_plugin(new);
		} else {
			discard(new);
		}
	}
	policy_init(s);
	observer_init(s);
	every_look(s);
	return *error == NULL;
}
