/* The originals do the work, after a look at how much it would be. */
#include "script/bounds.h"

#include <lauxlib.h>

#include "base/mem.h"

#include "script/guard.h"
#include "script/state.h"

/* ---- pcall, xpcall ---- */

/* An error of the guard is raised inside a hook, where no other hook comes: a handler that loops
 * there would loop for ever, so it is not asked. */
static int call_handler(lua_State *L)
{
	if (script_of(L)->guard.tripped)
		return 1;
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, 1);
	return 1;
}

/* Each error under a protected call walks all calls around it: a recursion through pcall would take
 * the square of its depth to come back. */
static void check_depth(lua_State *L)
{
	lua_Debug ar;

	if (lua_getstack(L, BOUNDS_DEPTH_MAX, &ar))
		luaL_error(L, "stack overflow: pcall inside of more than %d calls", BOUNDS_DEPTH_MAX);
}

static int when_called(lua_State *L, int status, lua_KContext context)
{
	(void)context;
	if (status != LUA_OK && status != LUA_YIELD) {
		lua_pushboolean(L, 0);
		lua_insert(L, -2);
		return 2;
	}
	lua_pushboolean(L, 1);
	lua_replace(L, 1);
	return lua_gettop(L);
}

/* The handler takes the first place and the result true its place afterwards. */
static int l_xpcall(lua_State *L)
{
	int arguments = lua_gettop(L) - 2;

	luaL_checktype(L, 2, LUA_TFUNCTION);
	check_depth(L);
	lua_pushvalue(L, 2);
	lua_pushcclosure(L, call_handler, 1);
	lua_pushvalue(L, 1);
	lua_replace(L, 2);                    /* fn at 2, in front of its arguments */
	lua_replace(L, 1);                    /* the handler at 1 */
	return when_called(L, lua_pcallk(L, arguments, LUA_MULTRET, 1, 0, when_called), 0);
}

/* true takes the place below the function. */
static int l_pcall(lua_State *L)
{
	luaL_checkany(L, 1);
	check_depth(L);
	lua_pushboolean(L, 1);
	lua_insert(L, 1);
	return when_called(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, when_called), 0);
}

/* Finalizers run with hooks off: one that loops would loop for ever. */
static int l_setmetatable(lua_State *L)
{
	if (lua_istable(L, 2)) {
		lua_pushliteral(L, "__gc");
		if (lua_rawget(L, 2) != LUA_TNIL)
			return luaL_error(L, "setmetatable: __gc is for trusted plugins; use a to-be-closed "
			                  "variable (local x <close>)");
		lua_pop(L, 1);
	}
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, 1);
	return 1;
}

/* ---- tables, string.rep ---- */

static int original(lua_State *L)
{
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

/* As many as memory holds are fine; more can only be invented by a metamethod. */
static int no_invented_length(lua_State *L)
{
	if (luaL_getmetafield(L, 1, "__len") != LUA_TNIL)
		return luaL_error(L, "table.insert and table.remove: not for a table with a metamethod __len");
	return original(L);
}

/* From and to are the arguments at these places; to is the length where there is none. */
static int ranged(lua_State *L, const char *what, int first, int last)
{
	lua_Integer from = luaL_optinteger(L, first, 1);
	lua_Integer to = lua_isnoneornil(L, last) && lua_istable(L, 1) ? luaL_len(L, 1)
	                                                               : luaL_checkinteger(L, last);

	if (to >= from && (lua_Unsigned)to - (lua_Unsigned)from >= BOUNDS_ELEMENTS_MAX)
		return luaL_error(L, "table.%s: more than %d elements", what, BOUNDS_ELEMENTS_MAX);
	if (lua_isnoneornil(L, last)) {
		lua_settop(L, last);              /* what was measured is what is done */
		lua_pushinteger(L, to);
		lua_replace(L, last);
	}
	return original(L);
}

static int l_move(lua_State *L)
{
	return ranged(L, "move", 2, 3);
}

static int l_concat(lua_State *L)
{
	return ranged(L, "concat", 3, 4);
}

static int l_rep(lua_State *L)
{
	size_t len, separator;

	luaL_checklstring(L, 1, &len);
	luaL_checkinteger(L, 2);
	luaL_optlstring(L, 3, "", &separator);
	if (len + separator > 0)
		return original(L);
	lua_pushliteral(L, "");
	return 1;
}

/* ---- putting them in their places ---- */

struct bounded { const char *name; lua_CFunction fn; };

/* Functions of the table on top; the original, in its place or in the globals, is the upvalue. */
static void wrap(lua_State *L, const struct bounded *functions, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (lua_getfield(L, -1, functions[i].name) == LUA_TNIL) {
			lua_pop(L, 1);
			lua_getglobal(L, functions[i].name);
		}
		lua_pushcclosure(L, functions[i].fn, 1);
		lua_setfield(L, -2, functions[i].name);
	}
}

void bounds_prepare(lua_State *L)
{
	static const struct bounded in_table[] = {
		{ "insert", no_invented_length }, { "remove", no_invented_length },
		{ "move", l_move }, { "concat", l_concat },
	};
	static const struct bounded in_string[] = { { "rep", l_rep } };

	lua_getglobal(L, "table");
	wrap(L, in_table, COUNT_OF(in_table));
	lua_getglobal(L, "string");
	wrap(L, in_string, COUNT_OF(in_string));
	lua_pop(L, 2);
}

void bounds_register(lua_State *L)
{
	static const struct bounded globals[] = {
		{ "pcall", l_pcall }, { "xpcall", l_xpcall }, { "setmetatable", l_setmetatable },
	};

	wrap(L, globals, COUNT_OF(globals));
}
