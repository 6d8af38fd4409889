/* All functions of a hook run side by side, each for at most lua.start_wall or lua.stop_wall; the
 * worker goes on when the last one is over.  Errors are logged and keep nobody from serving. */
#include "script/lifecycle.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "script/every.h"
#include "script/plugin.h"
#include "script/state.h"

static const char *const names[] = { "on_start", "on_stop" };

struct lifecycle {
	struct script  *script;
	unsigned        left;             /* calls, and one while they are begun */
	script_done_fn *done;
	void           *owner;
};

struct turn { struct lifecycle *lifecycle; struct listener *listener; };

const char *lifecycle_hook(struct script *s, const char *name, struct list **list)
{
	struct list *lists[] = { &s->starts, &s->stops };

	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		if (strcmp(names[i], name) == 0) {
			*list = lists[i];
			return names[i];
		}
	}
	return NULL;
}

static void over(struct lifecycle *l)
{
	script_done_fn *done = l->done;
	void *owner = l->owner;

	if (--l->left > 0)
		return;
	if (l->script->lifecycle == l)
		l->script->lifecycle = NULL;
	free(l);
	if (done)
		done(owner);
}

static void on_gone(void *owner)
{
	struct turn *t = owner;
	struct lifecycle *l = t->lifecycle;

	free(t);
	over(l);
}

static void on_done(void *owner, enum call_outcome outcome)
{
	(void)outcome;
	on_gone(owner);
}

static int when_returned(lua_State *L, int status, lua_KContext context)
{
	(void)L, (void)status, (void)context;
	return 0;
}

static int run(lua_State *L)
{
	struct turn *t = lua_touserdata(L, 1);

	lua_settop(L, 0);
	lua_rawgeti(L, LUA_REGISTRYINDEX, t->listener->fn);
	return call_function(L, 0, 0, when_returned, NULL);
}

static void begin(struct lifecycle *l, struct listener *listener, uint32_t wall_ms, const char *key)
{
	struct turn *t;
	struct call *c = call_new(l->script, listener->plugin, listener->hook, on_done, NULL);

	if (!c)
		return;
	t = MEM_NEW(struct turn);
	*t = (struct turn){ l, listener };
	l->left++;
	c->owner = t;
	c->gone = on_gone;
	c->fn = listener->fn;
	call_background(c);
	c->wall_ms = wall_ms;
	c->wall_key = key;
	call_start(c, run);
}

static void run_all(struct script *s, struct list *list, uint32_t wall_ms, const char *key,
                    script_done_fn *done, void *owner)
{
	struct lifecycle *l = MEM_NEW(struct lifecycle);

	lifecycle_forget(s);                  /* a worker told to stop while it starts */
	*l = (struct lifecycle){ s, 1, done, owner };
	s->lifecycle = l;
	LIST_EACH(list, link)
		begin(l, CONTAINER_OF(link, struct listener, link), wall_ms, key);
	over(l);
}

void lifecycle_forget(struct script *s)
{
	if (s->lifecycle)
		s->lifecycle->done = NULL;
	s->lifecycle = NULL;
}

void script_start(struct script *s, script_done_fn *done, void *owner)
{
	s->started = s->cut_off = true;
	every_look(s);
	run_all(s, &s->starts, s->setup.config->lua.start_wall_ms, "lua.start_wall", done, owner);
}

void script_stop(struct script *s, script_done_fn *done, void *owner)
{
	s->started = s->cut_off = false;
	every_look(s);
	run_all(s, &s->stops, s->setup.config->lua.stop_wall_ms, "lua.stop_wall", done, owner);
}

void script_lead(struct script *s, bool leads)
{
	if (s->leading == leads)
		return;
	s->leading = leads;
	every_look(s);
}
