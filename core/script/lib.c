/* Putting the library together. */
#include "script/lib.h"

#include <stdarg.h>
#include <stdio.h>

#include <lauxlib.h>

#include "script/state.h"
#include "script/values.h"

int lib_fail(lua_State *L, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	lua_pushnil(L);
	lua_pushstring(L, text);
	return 2;
}

struct plugin *lib_plugin(lua_State *L, const char *what)
{
	struct script *s = script_of(L);
	struct plugin *p = s->current ? s->current->plugin : s->loading;

	if (!p)
		luaL_error(L, "%s: not while a call that was stopped is cleaned up", what);
	return p;
}

void lib_push(lua_State *L)
{
	const struct config *c = script_of(L)->setup.config;

	lua_newtable(L);
	values_register(L);
	lib_async_register(L);
	lib_parallel_register(L);
	lib_spawn_register(L);
	lib_log_register(L);
	lib_bytes_register(L);
	lib_users_register(L);
	lib_file_register(L);
	lib_hooks_register(L);
	lib_dict_register(L);
	lib_limit_register(L);
	lib_cache_register(L);
	lua_pushliteral(L, MOONPOST_VERSION);
	lua_setfield(L, -2, "version");
	lua_pushstring(L, c->hostname);
	lua_setfield(L, -2, "hostname");
	lua_pushstring(L, c->default_domain);
	lua_setfield(L, -2, "default_domain");
	lua_pushinteger(L, c->workers);
	lua_setfield(L, -2, "workers");
}
