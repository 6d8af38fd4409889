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
	struct list     link;             /* in script->lifecycles */
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
	list_remove(&l->link);
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

static void begin(struct lifecycle *l, struct listener *listener)
{
	struct script *s = listener->plugin->script;
	bool starts = listener->home == &s->starts;
	struct turn *t;
	struct call *c = call_new(s, listener->plugin, listener->hook, on_done, NULL);

	if (!c)
		return;
	t = MEM_NEW(struct turn);
	*t = (struct turn){ l, listener };
	l->left++;
	c->owner = t;
	c->gone = on_gone;
	c->fn = listener->fn;
	call_background(c);
	c->wall_ms = starts ? s->setup.config->lua.start_wall_ms : s->setup.config->lua.stop_wall_ms;
	c->wall_key = starts ? "lua.start_wall" : "lua.stop_wall";
	call_start(c, run);
}

static struct lifecycle *lifecycle_new(struct script *s, script_done_fn *done, void *owner)
{
	struct lifecycle *l = MEM_NEW(struct lifecycle);

	l->left = 1;
	l->done = done;
	l->owner = owner;
	list_append(&s->lifecycles, &l->link);
	return l;
}

/* Those that are for this hook; of all plugins, or of one. */
static void begin_all(struct lifecycle *l, struct list *list, const struct list *home,
                      const struct plugin *p)
{
	LIST_EACH(list, link) {
		struct listener *listener = CONTAINER_OF(link, struct listener, link);

		if (listener->home == home && (!p || listener->plugin == p))
			begin(l, listener);
	}
}

void lifecycle_forget(struct script *s)
{
	LIST_EACH(&s->lifecycles, link)
		CONTAINER_OF(link, struct lifecycle, link)->done = NULL;
}

void lifecycle_start_plugin(struct plugin *p)
{
	struct lifecycle *l = lifecycle_new(p->script, NULL, NULL);

	if (p->script->started)
		begin_all(l, &p->script->starts, &p->script->starts, p);
	over(l);
}

void lifecycle_stop_plugin(struct plugin *p, void (*done)(void *plugin))
{
	struct lifecycle *l = lifecycle_new(p->script, done, p);

	if (p->script->started)
		begin_all(l, &p->listeners, &p->script->stops, p);
	over(l);
}

void script_start(struct script *s, script_done_fn *done, void *owner)
{
	struct lifecycle *l = lifecycle_new(s, done, owner);

	s->started = s->cut_off = true;
	every_look(s);
	begin_all(l, &s->starts, &s->starts, NULL);
	over(l);
}

/* A worker may be told to stop while it starts. */
void script_stop(struct script *s, script_done_fn *done, void *owner)
{
	struct lifecycle *l;

	lifecycle_forget(s);
	l = lifecycle_new(s, done, owner);
	s->started = s->cut_off = false;
	every_look(s);
	begin_all(l, &s->stops, &s->stops, NULL);
	/* Old code that has not ended by itself. */
	LIST_EACH(&s->retired, link) {
		struct plugin *p = CONTAINER_OF(link, struct plugin, link);

		if (p->look.at_ms)
			begin_all(l, &p->listeners, &s->stops, p);
		if (p->look.loop)
			timer_stop(&p->look);
	}
	over(l);
}

void script_lead(struct script *s, bool leads)
{
	if (s->leading == leads)
		return;
	s->leading = leads;
	every_look(s);
}
