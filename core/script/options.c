/* Kinds of options: string, number, integer, boolean, list, map, table, file.  A declaration is
 * { "kind", default =, of =, min =, max =, one_of =, optional = }; without default an option must
 * be given unless it is optional. */
#include "script/options.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "script/config_lines.h"
#include "script/near.h"
#include "script/plugin.h"
#include "script/state.h"

enum { DECLARED = 2, VALUES = 3, LINES = 4, RESULT = 5 };

static const char *const kinds[] = { "string", "number", "integer", "boolean", "list", "map",
                                     "table", "file" };

/* The line of the option in the configuration, or of the plugin. */
static const char *where(lua_State *L, struct plugin *p, const char *path)
{
	const char *place = p->config->where, *colon = strrchr(place, ':');

	if (lua_istable(L, LINES) && lua_getfield(L, LINES, path) == LUA_TNUMBER && colon) {
		lua_pushlstring(L, place, (size_t)(colon - place));
		return lua_pushfstring(L, "%s:%d", lua_tostring(L, -1), (int)lua_tointeger(L, -2));
	}
	return place;
}

static int problem(lua_State *L, struct plugin *p, const char *path, const char *text)
{
	return luaL_error(L, "%s: option %s of plugin %s: %s", where(L, p, path), path, p->name, text);
}

/* A mistake of the plugin's author, not of the configuration's. */
static int misdeclared(lua_State *L, const char *name, const char *text)
{
	return luaL_error(L, "plugin:options: %s: %s", name, text);
}

static bool has_kind(lua_State *L, int value, const char *kind)
{
	if (strcmp(kind, "list") == 0 || strcmp(kind, "map") == 0 || strcmp(kind, "table") == 0)
		return lua_istable(L, value);
	if (strcmp(kind, "integer") == 0)
		return lua_isinteger(L, value);
	if (strcmp(kind, "file") == 0)
		return lua_type(L, value) == LUA_TSTRING;
	return strcmp(luaL_typename(L, value), kind) == 0;
}

static void check_range(lua_State *L, struct plugin *p, int declared, const char *path)
{
	if (lua_getfield(L, declared, "min") == LUA_TNUMBER && lua_compare(L, -2, -1, LUA_OPLT))
		problem(L, p, path, lua_pushfstring(L, "must be at least %s", lua_tostring(L, -1)));
	lua_pop(L, 1);
	if (lua_getfield(L, declared, "max") == LUA_TNUMBER && lua_compare(L, -1, -2, LUA_OPLT))
		problem(L, p, path, lua_pushfstring(L, "must be at most %s", lua_tostring(L, -1)));
	lua_pop(L, 1);
}

static void check_choice(lua_State *L, struct plugin *p, int declared, const char *path)
{
	int value = lua_gettop(L);
	struct buf names;

	if (lua_getfield(L, declared, "one_of") != LUA_TTABLE) {
		lua_pop(L, 1);
		return;
	}
	buf_init(&names, 0);
	for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, value + 1); i++) {
		bool same;

		lua_rawgeti(L, value + 1, i);
		same = lua_rawequal(L, value, -1);
		if (lua_type(L, -1) == LUA_TSTRING)
			(void)buf_printf(&names, "%s\"%s\"", i > 1 ? ", " : "", lua_tostring(L, -1));
		lua_pop(L, 1);
		if (same) {
			buf_free(&names);
			lua_settop(L, value);
			return;
		}
	}
	const char *text = lua_pushfstring(L, "must be one of %s", buf_cstr(&names));

	buf_free(&names);
	problem(L, p, path, text);
}

/* Paths are relative to the configuration file, and may be used with mail.file from now on. */
static void allow_path(lua_State *L, struct plugin *p)
{
	const char *path = lua_tostring(L, -1), *file = p->script->setup.config->file;
	const char *slash = strrchr(file, '/');
	struct plugin_path *allowed = MEM_NEW(struct plugin_path);
	size_t len;

	if (path[0] == '/' || !slash)
		allowed->path = mem_strdup(path);
	else
		allowed->path = mem_printf("%.*s/%s", (int)(slash - file), file, path);
	len = strlen(allowed->path);
	while (len > 1 && allowed->path[len - 1] == '/')
		allowed->path[--len] = '\0';
	list_init(&allowed->link);
	list_append(&p->paths, &allowed->link);
	lua_pushstring(L, allowed->path);
	lua_replace(L, -2);
}

static void check_value(lua_State *L, struct plugin *p, const char *kind, const char *path);

/* Every element of the list or map on top, by the kind of its declaration's `of`. */
static void check_elements(lua_State *L, struct plugin *p, const char *kind, const char *of,
                           const char *path)
{
	int table = lua_gettop(L);

	for (lua_pushnil(L); lua_next(L, table);) {
		bool integer = lua_isinteger(L, -2);
		const char *inside;

		if ((strcmp(kind, "list") == 0) != integer)
			problem(L, p, path, integer ? "must be { name = value, ... }"
			                            : "must be a list: { a, b, ... }");
		inside = integer ? lua_pushfstring(L, "%s[%d]", path, (int)lua_tointeger(L, -2))
		                 : lua_pushfstring(L, "%s.%s", path, lua_tostring(L, -2));
		lua_insert(L, -2);
		if (of)
			check_value(L, p, of, inside);
		lua_pushvalue(L, -3);
		lua_insert(L, -2);
		lua_rawset(L, table);             /* a path became longer; the key is there already */
		lua_pop(L, 1);
	}
}

static void check_value(lua_State *L, struct plugin *p, const char *kind, const char *path)
{
	if (!has_kind(L, -1, kind)) {
		const char *article = strchr("aeiou", kind[0]) ? "an" : "a";

		problem(L, p, path, lua_pushfstring(L, "must be %s %s, not a %s", article, kind,
		                                    luaL_typename(L, -1)));
	}
	if (strcmp(kind, "file") == 0)
		allow_path(L, p);
}

static const char *check_kind(lua_State *L, const char *name)
{
	struct script_near n = { .word = SLICE("") };
	const char *kind = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;

	for (size_t i = 0; kind && i < COUNT_OF(kinds); i++) {
		if (strcmp(kinds[i], kind) == 0)
			return kinds[i];
		n.word = slice_from(kind);
		script_near_offer(&n, slice_from(kinds[i]));
	}
	if (n.best.len)
		misdeclared(L, name, lua_pushfstring(L, "unknown kind; did you mean \"%s\"?", n.best.ptr));
	misdeclared(L, name, "write { \"string\" } or { \"number\", default = 5 }; the kinds are string, "
	            "number, integer, boolean, list, map, table and file");
	return NULL;
}

static bool field_is_true(lua_State *L, int table, const char *name)
{
	bool yes;

	lua_getfield(L, table, name);
	yes = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return yes;
}

/* Push the value of one option: the configuration's, else the default, else nil. */
static void push_value(lua_State *L, struct plugin *p, int declared, const char *name)
{
	if (lua_getfield(L, VALUES, name) != LUA_TNIL)
		return;
	lua_pop(L, 1);
	if (lua_getfield(L, declared, "default") == LUA_TNIL && !field_is_true(L, declared, "optional"))
		problem(L, p, name, "is missing");
}

/* The declaration's name at -2, the declaration on top. */
static void read_one(lua_State *L, struct plugin *p, const char *name)
{
	int declared = lua_gettop(L);
	const char *kind, *of = NULL;

	if (!lua_istable(L, declared))
		misdeclared(L, name, "write { \"string\" } or { \"number\", default = 5 }");
	lua_rawgeti(L, declared, 1);
	kind = check_kind(L, name);
	if (lua_getfield(L, declared, "of") != LUA_TNIL)
		of = check_kind(L, name);
	push_value(L, p, declared, name);
	if (!lua_isnil(L, -1)) {
		check_value(L, p, kind, name);
		if (strcmp(kind, "list") == 0 || strcmp(kind, "map") == 0)
			check_elements(L, p, kind, of, name);
		if (lua_type(L, -1) == LUA_TNUMBER)
			check_range(L, p, declared, name);
		check_choice(L, p, declared, name);
	}
	lua_setfield(L, RESULT, name);
	lua_settop(L, declared);
}

static void refuse_unknown(lua_State *L, struct plugin *p)
{
	for (lua_pushnil(L); lua_next(L, VALUES); lua_pop(L, 1)) {
		struct script_near n = { .word = SLICE("?") };

		if (lua_type(L, -2) != LUA_TSTRING)
			problem(L, p, "[1]", "a value without a name; write name = value");
		n.word = slice_from(lua_tostring(L, -2));
		if (lua_getfield(L, DECLARED, n.word.ptr) == LUA_TNIL) {
			for (lua_pushnil(L); lua_next(L, DECLARED); lua_pop(L, 1))
				if (lua_type(L, -2) == LUA_TSTRING)
					script_near_offer(&n, slice_from(lua_tostring(L, -2)));
			if (n.best.len)
				problem(L, p, n.word.ptr,
				        lua_pushfstring(L, "unknown option; did you mean %s?", n.best.ptr));
			problem(L, p, n.word.ptr, "unknown option");
		}
		lua_pop(L, 1);
	}
}

/* Push values and lines of this plugin from the configuration's options text. */
static void push_given(lua_State *L, struct plugin *p)
{
	struct slice text = p->script->setup.config->lua_options;

	if (text.len && luaL_loadbufferx(L, text.ptr, text.len, "=options", "t") == LUA_OK) {
		lua_call(L, 0, 1);
		lua_rawgeti(L, -1, p->config->options);
		lua_remove(L, -2);
	} else {
		lua_pushnil(L);
	}
	if (!lua_istable(L, -1)) {
		lua_pop(L, 1);
		lua_newtable(L);
		lua_newtable(L);
		return;
	}
	lua_getfield(L, -1, "values");
	lua_getfield(L, -2, "lines");
	lua_remove(L, -3);
}

int options_read(lua_State *L, struct plugin *p)
{
	luaL_checktype(L, DECLARED, LUA_TTABLE);
	lua_settop(L, DECLARED);
	push_given(L, p);
	lua_newtable(L);
	refuse_unknown(L, p);
	for (lua_pushnil(L); lua_next(L, DECLARED); lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING)
			return misdeclared(L, "[1]", "options have names");
		read_one(L, p, lua_tostring(L, -2));
	}
	lua_settop(L, RESULT);
	return 1;
}
