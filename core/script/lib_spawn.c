/* mail.spawn: work that outlives the hook and its session.  Each is a call of its own with the
 * limits of background work; the plugin's end is its end. */
#include "script/lib.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "script/every.h"
#include "script/plugin.h"
#include "script/state.h"

static const char metatable[] = "moonpost.Spawned";

struct spawned {
	struct script *script;
	struct call   *call;              /* NULL: it is over */
	unsigned       references;        /* the call and the Lua object */
	int            fn;                /* registry reference, for the log */
	char           session[12];       /* whose hook began it */
};

static void unref(struct spawned *s)
{
	if (--s->references == 0)
		free(s);
}

static void on_gone(void *owner)
{
	struct spawned *s = owner;

	luaL_unref(s->script->L, LUA_REGISTRYINDEX, s->fn);
	s->call = NULL;
	s->script->background--;
	unref(s);
}

static void on_done(void *owner, enum call_outcome outcome)
{
	(void)outcome;                        /* an error was logged; nobody waits for an answer */
	on_gone(owner);
}

static int when_returned(lua_State *L, int status, lua_KContext context)
{
	(void)L, (void)status, (void)context;
	return 0;
}

static int run(lua_State *L)
{
	lua_remove(L, 1);
	return call_function(L, lua_gettop(L) - 1, 0, when_returned, NULL);
}

/* ---- what Lua holds ---- */

static struct spawned *check(lua_State *L)
{
	return *(struct spawned **)luaL_checkudata(L, 1, metatable);
}

/* cancel(): it ends where it waits; what it holds in to-be-closed variables is released */
static int l_cancel(lua_State *L)
{
	struct spawned *s = check(L);

	if (s->call)
		call_cancel(s->call);
	return 0;
}

static int l_index(lua_State *L)
{
	struct spawned *s = check(L);
	const char *key = luaL_checkstring(L, 2);

	if (strcmp(key, "running") == 0)
		lua_pushboolean(L, s->call != NULL);
	else if (strcmp(key, "cancel") == 0)
		lua_pushcfunction(L, l_cancel);
	else
		return luaL_error(L, "background work has no \"%s\"; there are running and cancel", key);
	return 1;
}

static int l_gc(lua_State *L)
{
	struct spawned **box = lua_touserdata(L, 1);

	if (*box)
		unref(*box);
	*box = NULL;
	return 0;
}

static struct spawned *push_object(lua_State *L)
{
	struct spawned **box = lua_newuserdatauv(L, sizeof(*box), 0);

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
	*box = MEM_NEW(struct spawned);
	(*box)->references = 1;
	return *box;
}

static bool begin(lua_State *L, struct plugin *p, struct spawned *s, int values)
{
	struct call *c = call_new(s->script, p, "spawn", on_done, s);

	if (!c) {
		luaL_unref(s->script->L, LUA_REGISTRYINDEX, s->fn);
		return false;
	}
	s->call = c;
	s->references++;
	s->script->background++;
	c->gone = on_gone;
	c->fn = s->fn;
	c->session = *s->session ? s->session : NULL;
	call_background(c);
	if (call_start_with(c, run, L, values))
		return true;
	call_cancel(c);
	return false;
}

/* spawn(fn, ...) -> handle, or nil, a text, "limit" */
static int l_spawn(lua_State *L)
{
	struct script *s = script_of(L);
	struct plugin *p = lib_plugin(L, "mail.spawn");
	struct spawned *spawned;
	int values = lua_gettop(L);

	luaL_checktype(L, 1, LUA_TFUNCTION);
	if (s->background >= s->setup.config->lua.background_calls) {
		lua_pushnil(L);
		lua_pushfstring(L, "mail.spawn: %d background calls run already (lua.background_calls)",
		                (int)s->background);
		lua_pushliteral(L, "limit");
		return 3;
	}
	luaL_checkstack(L, 8, "mail.spawn");
	spawned = push_object(L);
	lua_insert(L, 1);
	spawned->script = s;
	lua_pushvalue(L, 2);
	spawned->fn = luaL_ref(L, LUA_REGISTRYINDEX);
	if (s->current && s->current->session)
		snprintf(spawned->session, sizeof(spawned->session), "%s", s->current->session);
	if (begin(L, p, spawned, values))
		return 1;
	return luaL_error(L, "not enough memory");
}

/* every(seconds, fn, options): plugin:every for modules that have no plugin object */
static int l_every(lua_State *L)
{
	return every_push(L, lib_plugin(L, "mail.every"), 1);
}

void lib_spawn_register(lua_State *L)
{
	static const luaL_Reg functions[] = { { "spawn", l_spawn }, { "every", l_every }, { NULL, NULL } };

	luaL_setfuncs(L, functions, 0);
}
