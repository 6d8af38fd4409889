/* A timer is due again one interval after it was due, however long its run takes; what comes due
 * while a run is under way is left out.  Each run is a call with the limits of background work. */
#include "script/every.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "base/random.h"
#include "script/plugin.h"
#include "script/state.h"

enum { DAY_S = 24 * 3600, LONGEST_S = 31 * DAY_S };

static const double shortest_s = 0.01;
static const char metatable[] = "moonpost.Timer";

struct every {
	struct list    link;              /* in plugin->timers */
	struct plugin *plugin;            /* NULL: it rests for ever */
	struct script *script;
	struct timer   timer;
	struct call   *call;              /* the run under way */
	unsigned       references;        /* the list or a run, the Lua object */
	int            fn;
	uint64_t       interval_ms, jitter_ms;
	bool           everywhere, now;
};

static void unref(struct every *e)
{
	if (--e->references == 0)
		free(e);
}

/* Neither due again nor running: the function is needed no more. */
static void forget_if_over(struct every *e)
{
	if (e->plugin || e->call)
		return;
	luaL_unref(e->script->L, LUA_REGISTRYINDEX, e->fn);
	unref(e);
}

/* ---- a run ---- */

static void on_gone(void *owner)
{
	struct every *e = owner;

	e->call = NULL;
	forget_if_over(e);
}

static void on_done(void *owner, enum call_outcome outcome)
{
	(void)outcome;                        /* an error was logged; the next run is another chance */
	on_gone(owner);
}

static int when_returned(lua_State *L, int status, lua_KContext context)
{
	(void)L, (void)status, (void)context;
	return 0;
}

static int run(lua_State *L)
{
	struct every *e = lua_touserdata(L, 1);

	lua_settop(L, 0);
	lua_rawgeti(L, LUA_REGISTRYINDEX, e->fn);
	return call_function(L, 0, 0, when_returned, NULL);
}

static void arm(struct every *e, uint64_t in_ms)
{
	uint64_t more = e->jitter_ms ? random_u64() % (e->jitter_ms + 1) : 0;

	timer_start(&e->timer, in_ms + more);
}

static void on_due(void *owner)
{
	struct every *e = owner;

	arm(e, e->interval_ms);
	if (e->call)
		return;
	e->call = call_new(e->script, e->plugin, "every", on_done, e);
	if (!e->call)
		return;
	e->call->gone = on_gone;
	e->call->fn = e->fn;
	call_background(e->call);
	call_start(e->call, run);
}

/* ---- life ---- */

static void look(struct every *e)
{
	bool wanted = e->plugin->script->started && (e->everywhere || e->plugin->script->leading);

	if (wanted && !e->timer.at_ms)
		arm(e, e->now ? 0 : e->interval_ms);
	else if (!wanted)
		timer_stop(&e->timer);
}

void every_look(struct script *s)
{
	LIST_EACH(&s->plugins, link) {
		struct plugin *p = CONTAINER_OF(link, struct plugin, link);

		LIST_EACH(&p->timers, timer)
			look(CONTAINER_OF(timer, struct every, link));
	}
}

/* Out of the list; a run under way may finish. */
static void rest(struct every *e)
{
	struct plugin *p = e->plugin;

	if (!p)
		return;
	timer_stop(&e->timer);
	list_remove(&e->link);
	p->timer_count--;
	e->plugin = NULL;
	forget_if_over(e);
}

void every_rest(struct plugin *p)
{
	LIST_EACH(&p->timers, link)
		rest(CONTAINER_OF(link, struct every, link));
}

void every_stop(struct plugin *p)
{
	LIST_EACH(&p->timers, link) {
		struct every *e = CONTAINER_OF(link, struct every, link);

		struct call *c = e->call;

		rest(e);
		if (c)
			call_cancel(c);
	}
}

/* ---- what Lua sees ---- */

static struct every *check(lua_State *L)
{
	return *(struct every **)luaL_checkudata(L, 1, metatable);
}

/* cancel(): no more runs; one under way finishes */
static int l_cancel(lua_State *L)
{
	rest(check(L));
	return 0;
}

static int l_index(lua_State *L)
{
	struct every *e = check(L);
	const char *key = luaL_checkstring(L, 2);

	if (strcmp(key, "cancel") == 0)
		lua_pushcfunction(L, l_cancel);
	else if (strcmp(key, "running") == 0)
		lua_pushboolean(L, e->call != NULL);
	else
		return luaL_error(L, "a timer has no \"%s\"; there are cancel and running", key);
	return 1;
}

static int l_gc(lua_State *L)
{
	struct every **box = lua_touserdata(L, 1);

	if (*box)
		unref(*box);
	*box = NULL;
	return 0;
}

static struct every *push_object(lua_State *L)
{
	struct every **box = lua_newuserdatauv(L, sizeof(*box), 0);

	*box = NULL;
	if (luaL_newmetatable(L, metatable)) {
		lua_pushcfunction(L, l_index);
		lua_setfield(L, -2, "__index");
		lua_pushcfunction(L, l_gc);
		lua_setfield(L, -2, "__gc");
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
	}
	lua_setmetatable(L, -2);
	*box = MEM_NEW(struct every);
	(*box)->references = 1;
	return *box;
}

/* The value of an option on top. */
static void read_option(lua_State *L, const char *name, struct every *e)
{
	const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
	double seconds = lua_tonumber(L, -1);

	if (strcmp(name, "on") == 0) {
		e->everywhere = strcmp(text, "all workers") == 0;
		if (!e->everywhere && strcmp(text, "one worker") != 0)
			luaL_error(L, "every: on is \"one worker\" or \"all workers\"");
	} else if (strcmp(name, "jitter") == 0) {
		if (!(lua_isnumber(L, -1) && seconds >= 0 && seconds <= LONGEST_S))
			luaL_error(L, "every: jitter is a number of seconds, up to 31 days");
		e->jitter_ms = (uint64_t)(seconds * 1000);
	} else if (strcmp(name, "now") == 0) {
		if (!lua_isboolean(L, -1))
			luaL_error(L, "every: now is true or false, not a %s", luaL_typename(L, -1));
		e->now = lua_toboolean(L, -1);
	} else {
		luaL_error(L, "every: unknown option %s; there are on, jitter and now", name);
	}
}

static struct every read_arguments(lua_State *L, int first)
{
	struct every e = { .fn = LUA_NOREF };
	double seconds = luaL_checknumber(L, first);

	luaL_argcheck(L, seconds >= shortest_s && seconds <= LONGEST_S, first,
	              "0.01 seconds to 31 days");
	luaL_checktype(L, first + 1, LUA_TFUNCTION);
	e.interval_ms = (uint64_t)llround(seconds * 1000);
	if (lua_isnoneornil(L, first + 2))
		return e;
	luaL_checktype(L, first + 2, LUA_TTABLE);
	for (lua_pushnil(L); lua_next(L, first + 2); lua_pop(L, 1))
		read_option(L, lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?", &e);
	return e;
}

int every_push(lua_State *L, struct plugin *p, int first)
{
	struct script *s = p->script;
	struct every *e, read = read_arguments(L, first);

	if (p->withdrawn)
		return luaL_error(L, "every: this is old code of plugin %s, which was reloaded", p->name);
	if (p->timer_count >= s->setup.config->lua.timers)
		return luaL_error(L, "every: the plugin has %d timers already (lua.timers); cancel some, or "
		                  "let one do the work of several", (int)p->timer_count);
	e = push_object(L);
	lua_pushvalue(L, first + 1);
	read.fn = luaL_ref(L, LUA_REGISTRYINDEX);
	read.references = 2;
	read.plugin = p;
	read.script = s;
	*e = read;
	list_init(&e->link);
	timer_init(&e->timer, s->setup.loop, on_due, e);
	list_append(&p->timers, &e->link);
	p->timer_count++;
	look(e);
	return 1;
}
