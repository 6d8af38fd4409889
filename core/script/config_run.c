/* One throw-away Lua state per load.  A configuration that computes for ever or eats memory is
 * stopped: it runs in the master, where nothing else would stop it. */
#include "script/config_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "base/mem.h"

enum { INSTRUCTIONS_MAX = 50 * 1000 * 1000, MEMORY_MAX = 256 * 1024 * 1024 };

static void *limited_alloc(void *used, void *old, size_t old_size, size_t size)
{
	size_t *total = used;
	size_t before = old ? old_size : 0;

	if (size == 0) {
		free(old);
		*total -= before;
		return NULL;
	}
	if (size > before && *total + (size - before) > MEMORY_MAX)
		return NULL;
	void *ptr = realloc(old, size);

	if (ptr)
		*total += size - before;
	return ptr;
}

static void too_long(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	luaL_error(L, "the configuration computes for too long (%d million instructions)",
	           INSTRUCTIONS_MAX / 1000000);
}

static int l_getenv(lua_State *L)
{
	lua_pushstring(L, getenv(luaL_checkstring(L, 1)));
	return 1;
}

/* Push the environment: what only computes, and os.getenv. */
static void push_environment(lua_State *L)
{
	static const char *const pure[] = {
		"assert", "error", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget", "rawlen",
		"rawset", "select", "tonumber", "tostring", "type", "xpcall",
		"math", "string", "table", "utf8",
	};

	lua_newtable(L);
	for (size_t i = 0; i < COUNT_OF(pure); i++) {
		lua_getglobal(L, pure[i]);
		lua_setfield(L, -2, pure[i]);
	}
	lua_newtable(L);
	lua_pushcfunction(L, l_getenv);
	lua_setfield(L, -2, "getenv");
	lua_setfield(L, -2, "os");
}

/* A syntax error quotes the text near it, which may be a password. */
static void mask_near(char *message)
{
	char *near = strstr(message, " near ");

	if (near && (strpbrk(near, "\"[") || strstr(near, "''")))
		strcpy(near, " near a string");
}

static char *take_error(lua_State *L, const char *file)
{
	const char *text = lua_tostring(L, -1);
	size_t len = strlen(file);

	if (!text)
		return mem_printf("%s:1: the configuration raised an error that is not a text", file);
	if (strncmp(text, file, len) != 0)
		return mem_printf("%s:1: %s", file, text);
	return mem_strdup(text);
}

/* Leave the table that was returned, or the one of globals that were set. */
static const char *settle_result(lua_State *L, int environment)
{
	bool globals;

	lua_pushnil(L);
	globals = lua_next(L, environment);
	if (globals)
		lua_pop(L, 1);
	if (lua_isnil(L, -1 - globals)) {
		if (!globals)
			return "the file must return a table: return { hostname = ..., listeners = ... }";
		lua_settop(L, environment);
		return NULL;
	}
	if (!lua_istable(L, -1 - globals))
		return "the file must return a table";
	if (globals && lua_type(L, -1) == LUA_TSTRING)
		return lua_pushfstring(L, "the file returns a table and also sets the global \"%s\"; write "
		                       "local %s = ...", lua_tostring(L, -1), lua_tostring(L, -1));
	lua_pop(L, globals);
	return NULL;
}

static int run(lua_State *L)
{
	const char *file = lua_touserdata(L, 1);
	const struct slice *source = lua_touserdata(L, 2);
	const char *problem;
	int environment;

	luaL_openlibs(L);
	lua_settop(L, 0);
	/* Globals the file sets land in an empty table in front of the libraries, so that they can be
	 * told apart from them. */
	lua_newtable(L);
	environment = lua_gettop(L);
	lua_newtable(L);
	push_environment(L);
	lua_setfield(L, -2, "__index");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, environment);
	if (luaL_loadbufferx(L, source->ptr, source->len, lua_pushfstring(L, "@%s", file), "t") != LUA_OK)
		return lua_error(L);
	lua_remove(L, -2);
	lua_pushvalue(L, environment);
	lua_setupvalue(L, -2, 1);
	lua_call(L, 0, 1);
	problem = settle_result(L, environment);
	if (problem)
		return luaL_error(L, "%s:1: %s", file, problem);
	return 1;
}

lua_State *config_run(const char *file, struct slice source, char **error)
{
	size_t *used = MEM_NEW(size_t);
	lua_State *L = lua_newstate(limited_alloc, used);

	lua_sethook(L, too_long, LUA_MASKCOUNT, INSTRUCTIONS_MAX);
	lua_pushcfunction(L, run);
	lua_pushlightuserdata(L, (void *)(uintptr_t)file);
	lua_pushlightuserdata(L, &source);
	if (lua_pcall(L, 2, 1, 0) == LUA_OK)
		return L;
	*error = take_error(L, file);
	mask_near(*error);
	config_run_close(L);
	return NULL;
}

void config_run_close(lua_State *L)
{
	void *used;

	if (!L)
		return;
	(void)lua_getallocf(L, &used);
	lua_close(L);
	free(used);
}
