/* core/base for specs. */
#include <lauxlib.h>
#include <lua.h>

#include "base/clock.h"
#include "base/slice.h"

int luaopen_bind_base(lua_State *L);

/* to_u64(text) -> number, or nil and the status name */
static int l_to_u64(lua_State *L)
{
	struct slice s;
	uint64_t n;

	s.ptr = luaL_checklstring(L, 1, &s.len);
	enum status st = slice_to_u64(s, &n);

	if (st != ST_OK) {
		lua_pushnil(L);
		lua_pushstring(L, status_name(st));
		return 2;
	}
	lua_pushinteger(L, (lua_Integer)n);
	return 1;
}

/* clock_fake(microseconds since 1970; 0: the real clock) */
static int l_clock_fake(lua_State *L)
{
	clock_fake(luaL_checkinteger(L, 1));
	return 0;
}

int luaopen_bind_base(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "to_u64", l_to_u64 },
		{ "clock_fake", l_clock_fake },
		{ NULL, NULL },
	};

	luaL_newlib(L, functions);
	return 1;
}
