/* resume and wrap look at each yield: one that carries our marker, or comes from the guard, is
 * passed on to the parent, and the child goes on where it was when the parent is resumed. */
#include "script/coroutine.h"

#include <lauxlib.h>

#include "script/call.h"
#include "script/guard.h"
#include "script/state.h"

static lua_State *check_thread(lua_State *L, int index)
{
	lua_State *co = lua_tothread(L, index);

	luaL_argexpected(L, co, index, "coroutine");
	return co;
}

/* Whether the child that just yielded wants the whole call to wait. */
static bool wants_to_wait(lua_State *L, lua_State *co, int results)
{
	struct guard *g = &script_of(L)->guard;

	if (g->sliced)
		return true;
	return results == 1 && lua_touserdata(co, -1) == (void *)(uintptr_t)&call_marker &&
	       lua_islightuserdata(co, -1);
}

static int step(lua_State *L, lua_State *co, int arguments, lua_KContext wrapped);

/* The call goes on: so does the child, which stands at index 1. */
static int go_on(lua_State *L, int status, lua_KContext wrapped)
{
	(void)status;
	lua_settop(L, 1);
	return step(L, lua_tothread(L, 1), 0, wrapped);
}

static int pass_on(lua_State *L, lua_State *co, int results, lua_KContext wrapped)
{
	lua_pop(co, results);
	if (!lua_isyieldable(L))
		return luaL_error(L, "cannot wait here: this coroutine was resumed inside of table.sort, "
		                  "string.gsub or require");
	lua_settop(L, 1);
	if (script_of(L)->guard.sliced)
		return lua_yieldk(L, 0, wrapped, go_on);
	lua_pushlightuserdata(L, (void *)(uintptr_t)&call_marker);
	return lua_yieldk(L, 1, wrapped, go_on);
}

static int failed(lua_State *L, lua_State *co, lua_KContext wrapped)
{
	struct script *s = script_of(L);

	lua_xmove(co, L, 1);
	if (s->guard.tripped || wrapped)
		return lua_error(L);              /* a call over its budget ends as a whole */
	lua_pushboolean(L, 0);
	lua_insert(L, -2);
	return 2;
}

/* Run the child with the arguments on its stack. */
static int step(lua_State *L, lua_State *co, int arguments, lua_KContext wrapped)
{
	struct guard *g = &script_of(L)->guard;
	lua_State *before = guard_switch(g, co);
	int results = 0;
	int status = lua_resume(co, L, arguments, &results);

	while (status == LUA_YIELD && g->sliced && !lua_isyieldable(L)) {
		g->sliced = false;                /* the parent cannot give way: the child goes on */
		lua_pop(co, results);
		status = lua_resume(co, L, 0, &results);
	}
	lua_sethook(co, NULL, 0, 0);
	(void)guard_switch(g, before);
	if (status == LUA_YIELD && wants_to_wait(L, co, results))
		return pass_on(L, co, results, wrapped);
	if (status != LUA_OK && status != LUA_YIELD)
		return failed(L, co, wrapped);
	luaL_checkstack(L, results + 1, "too many results to resume");
	lua_settop(L, 1);
	if (!wrapped)
		lua_pushboolean(L, 1);
	lua_xmove(co, L, results);
	return results + !wrapped;
}

static bool can_start(lua_State *L, lua_State *co)
{
	if (lua_status(co) == LUA_YIELD)
		return true;
	lua_Debug ar;

	return lua_status(co) == LUA_OK && lua_getstack(co, 0, &ar) == 0 && lua_gettop(co) > 0 && co != L;
}

/* The coroutine at 1, its arguments behind. */
static int start(lua_State *L, lua_KContext wrapped)
{
	lua_State *co = lua_tothread(L, 1);
	int arguments = lua_gettop(L) - 1;

	if (!can_start(L, co)) {
		const char *why = co == L || lua_status(co) == LUA_OK ? "cannot resume non-suspended coroutine"
		                                                      : "cannot resume dead coroutine";

		if (lua_status(co) == LUA_OK && lua_gettop(co) == 0)
			why = "cannot resume dead coroutine";
		if (wrapped)
			return luaL_error(L, "%s", why);
		lua_pushboolean(L, 0);
		lua_pushstring(L, why);
		return 2;
	}
	if (!lua_checkstack(co, arguments))
		return luaL_error(L, "too many arguments to resume");
	lua_xmove(L, co, arguments);
	return step(L, co, arguments, wrapped);
}

static int l_resume(lua_State *L)
{
	(void)check_thread(L, 1);
	return start(L, 0);
}

static int l_wrapped(lua_State *L)
{
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	return start(L, 1);
}

static int l_create(lua_State *L)
{
	lua_State *co;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	co = lua_newthread(L);
	lua_sethook(co, NULL, 0, 0);
	lua_pushvalue(L, 1);
	lua_xmove(L, co, 1);
	return 1;
}

static int l_wrap(lua_State *L)
{
	(void)l_create(L);
	lua_pushcclosure(L, l_wrapped, 1);
	return 1;
}

/* Not inside the call itself: its main function is no coroutine of the plugin's. */
static int l_yield(lua_State *L)
{
	struct script *s = script_of(L);

	if (s->current && s->current->co == L)
		return luaL_error(L, "coroutine.yield outside of a coroutine of the plugin's own; to wait "
		                  "use mail.sleep");
	return lua_yield(L, lua_gettop(L));
}

void coroutine_register(lua_State *L)
{
	static const char *const same[] = { "close", "isyieldable", "running", "status" };
	static const luaL_Reg functions[] = {
		{ "create", l_create }, { "resume", l_resume }, { "wrap", l_wrap }, { "yield", l_yield },
		{ NULL, NULL },
	};

	lua_getglobal(L, "coroutine");
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		lua_getfield(L, -1, same[i]);
		lua_setfield(L, -3, same[i]);
	}
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
