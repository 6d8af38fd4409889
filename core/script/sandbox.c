/* Each plugin gets copies of the library tables, so that one cannot change another's.  Left out:
 * io, debug, load and friends, collectgarbage, string.dump, what ends or leaves the process. */
#include "script/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "base/mem.h"
#include "base/log.h"
#include "base/place.h"
#include "script/bounds.h"
#include "script/coroutine.h"
#include "script/lib.h"
#include "script/pattern.h"
#include "script/plugin.h"
#include "script/state.h"

void sandbox_prepare(lua_State *L)
{
	luaL_openlibs(L);
	lua_getglobal(L, "string");
	pattern_register(L);
	lua_pushnil(L);
	lua_setfield(L, -2, "dump");
	lua_pop(L, 1);
	/* ("x"):upper() finds its methods in the shared table, which nobody may reach and change. */
	lua_pushliteral(L, "");
	lua_getmetatable(L, -1);
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 2);
	lua_newtable(L);
	coroutine_register(L);
	lua_setglobal(L, "coroutine");
	bounds_prepare(L);
}

static void copy_table(lua_State *L, const char *name)
{
	lua_newtable(L);
	lua_getglobal(L, name);
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		lua_pushvalue(L, -2);
		lua_pushvalue(L, -2);
		lua_rawset(L, -6);
	}
	lua_pop(L, 1);
}

static struct plugin *upvalue_plugin(lua_State *L)
{
	return lua_touserdata(L, lua_upvalueindex(1));
}

/* print and warn go to the log. */
static int l_print(lua_State *L)
{
	luaL_Buffer b;
	int n = lua_gettop(L);

	luaL_buffinit(L, &b);
	for (int i = 1; i <= n; i++) {
		if (i > 1)
			luaL_addchar(&b, ' ');
		luaL_tolstring(L, i, NULL);
		luaL_addvalue(&b);
	}
	luaL_pushresult(&b);
	log_info(lua_tostring(L, -1), "plugin", plugin_name(upvalue_plugin(L)), NULL);
	return 0;
}

/* ---- require ---- */

/* Names of modules are words with dots: no way out of the directory. */
static void check_name(lua_State *L, const char *name)
{
	for (const char *c = name; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
		      *c == '_' || (*c == '.' && c > name && c[-1] != '.')))
			luaL_error(L, "require: \"%s\" is not a module name", name);
}

/* Push the chunk of directory/a/b.lua or directory/a/b/init.lua with the environment, or nothing. */
static bool push_chunk(lua_State *L, struct plugin *p, const char *directory, const char *name)
{
	const char *path = luaL_gsub(L, name, ".", "/");
	static const char *const tails[] = { ".lua", "/init.lua" };

	for (size_t i = 0; i < COUNT_OF(tails); i++) {
		const char *file = lua_pushfstring(L, "%s/%s%s", directory, path, tails[i]);
		FILE *f = fopen(file, "re");

		if (!f) {
			lua_pop(L, 1);
			continue;
		}
		fclose(f);
		if (luaL_loadfilex(L, file, "t") != LUA_OK)
			lua_error(L);
		lua_rawgeti(L, LUA_REGISTRYINDEX, p->environment);
		lua_setupvalue(L, -2, 1);
		return true;
	}
	return false;
}

static int l_require(lua_State *L)
{
	struct plugin *p = upvalue_plugin(L);
	const char *name = luaL_checkstring(L, 1);

	check_name(L, name);
	lua_settop(L, 1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, p->modules);
	if (lua_getfield(L, 2, name) != LUA_TNIL)
		return 1;
	if (strcmp(name, "moonpost") == 0) {
		lib_push(L);
	} else {
		const char *shared = lua_pushfstring(L, "%s/lua", place_data());

		if (!push_chunk(L, p, p->directory, name) && !push_chunk(L, p, shared, name))
			return luaL_error(L, "require: there is no module \"%s\" in %s or %s", name,
			                  p->directory, shared);
		lua_pushvalue(L, 1);
		lua_call(L, 1, 1);
		if (lua_isnil(L, -1)) {
			lua_pushboolean(L, 1);
			lua_replace(L, -2);
		}
	}
	lua_pushvalue(L, -1);
	lua_setfield(L, 2, name);
	return 1;
}

/* A trusted plugin's: moonpost's modules and its own first, then Lua's. */
static int l_require_trusted(lua_State *L)
{
	struct plugin *p = upvalue_plugin(L);
	const char *name = luaL_checkstring(L, 1);
	bool ours = strcmp(name, "moonpost") == 0 || strncmp(name, "moonpost.", 9) == 0;

	lua_settop(L, 1);
	if (!ours) {
		const char *path = luaL_gsub(L, name, ".", "/");
		const char *file = lua_pushfstring(L, "%s/%s.lua", p->directory, path);
		FILE *f = fopen(file, "re");

		lua_settop(L, 1);
		if (f)
			fclose(f);
		if (!f) {
			lua_getglobal(L, "require");
			lua_insert(L, 1);
			lua_call(L, 1, LUA_MULTRET);
			return lua_gettop(L);
		}
	}
	return l_require(L);
}

static void set_closure(lua_State *L, struct plugin *p, const char *name, lua_CFunction fn)
{
	lua_pushlightuserdata(L, p);
	lua_pushcclosure(L, fn, 1);
	lua_setfield(L, -2, name);
}

static void push_sandboxed(lua_State *L)
{
	static const char *const base[] = {
		"assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal",
		"rawget", "rawlen", "rawset", "select", "setmetatable", "tonumber", "tostring", "type",
		"_VERSION",
	};
	static const char *const libraries[] = { "math", "string", "table", "utf8", "coroutine" };
	static const char *const times[] = { "clock", "date", "difftime", "time" };

	lua_newtable(L);
	for (size_t i = 0; i < COUNT_OF(base); i++) {
		lua_getglobal(L, base[i]);
		lua_setfield(L, -2, base[i]);
	}
	for (size_t i = 0; i < COUNT_OF(libraries); i++) {
		copy_table(L, libraries[i]);
		lua_setfield(L, -2, libraries[i]);
	}
	bounds_register(L);
	lua_newtable(L);
	lua_getglobal(L, "os");
	for (size_t i = 0; i < COUNT_OF(times); i++) {
		lua_getfield(L, -1, times[i]);
		lua_setfield(L, -3, times[i]);
	}
	lua_pop(L, 1);
	lua_setfield(L, -2, "os");
}

static void push_trusted(lua_State *L)
{
	lua_newtable(L);
	lua_newtable(L);
	lua_pushglobaltable(L);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
}

void sandbox_push(lua_State *L, struct plugin *p)
{
	if (p->trusted)
		push_trusted(L);
	else
		push_sandboxed(L);
	set_closure(L, p, "require", p->trusted ? l_require_trusted : l_require);
	set_closure(L, p, "print", l_print);
	set_closure(L, p, "warn", l_print);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "_G");
}
