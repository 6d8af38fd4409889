/* mail.log: one line per event, with the plugin and the session that wrote it. */
#include "script/lib.h"

#include <lauxlib.h>

#include "base/log.h"
#include "script/plugin.h"
#include "script/state.h"

enum { PAIRS_MAX = 8 };

/* Push text values of the table at index 2, sorted by nobody: a log line has few of them. */
static int push_pairs(lua_State *L, const char *pairs[2 * PAIRS_MAX])
{
	int count = 0;

	if (lua_isnoneornil(L, 2))
		return 0;
	luaL_checktype(L, 2, LUA_TTABLE);
	lua_pushnil(L);
	while (count < PAIRS_MAX && lua_next(L, 2)) {
		luaL_checkstack(L, 4, "log");
		luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING, 2, "keys of a log line are names");
		pairs[2 * count] = lua_tostring(L, -2);
		pairs[2 * count + 1] = luaL_tolstring(L, -1, NULL);
		lua_replace(L, -2);               /* the text stays under the next key */
		lua_pushvalue(L, -2);
		count++;
	}
	return count;
}

static int write_line(lua_State *L, enum log_level level)
{
	const char *event = luaL_checkstring(L, 1), *p[2 * PAIRS_MAX] = { NULL };
	struct call *c = script_of(L)->current;

	if (!log_wants(level))
		return 0;
	lua_settop(L, 2);
	(void)push_pairs(L, p);
	log_event(level, event, "plugin", c ? plugin_name(c->plugin) : NULL, "session",
	          c ? c->session : NULL, p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9],
	          p[10], p[11], p[12], p[13], p[14], p[15], NULL);
	return 0;
}

static int l_debug(lua_State *L)  { return write_line(L, LOG_LEVEL_DEBUG); }
static int l_info(lua_State *L)   { return write_line(L, LOG_LEVEL_INFO); }
static int l_notice(lua_State *L) { return write_line(L, LOG_LEVEL_NOTICE); }
static int l_warn(lua_State *L)   { return write_line(L, LOG_LEVEL_WARN); }
static int l_error(lua_State *L)  { return write_line(L, LOG_LEVEL_ERROR); }

void lib_log_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "debug", l_debug }, { "info", l_info }, { "notice", l_notice }, { "warn", l_warn },
		{ "error", l_error }, { NULL, NULL },
	};

	luaL_newlib(L, functions);
	lua_setfield(L, -2, "log");
}
