/* mail.dict: small values under names, with expiry, shared by all workers. */
#include "script/lib.h"

#include <string.h>

#include <lauxlib.h>

#include "script/dicts.h"
#include "script/state.h"

static const char metatable[] = "moonpost.Dict";

enum { LIST_DEFAULT = 100 };

struct dict {
	struct dicts_name name;
	unsigned          flags;          /* DICT_DURABLE, DICT_REFUSE */
	uint64_t          ttl_us;
};

/* ---- arguments ---- */

static struct dict *check_dict(lua_State *L, const char *method)
{
	struct dict *d = luaL_testudata(L, 1, metatable);

	if (!d)
		luaL_error(L, "write dict:%s(...), with a colon", method);
	return d;
}

static const struct store_dict_settings *settings(lua_State *L)
{
	return &script_of(L)->setup.config->store.dict;
}

static struct slice check_string(lua_State *L, int index)
{
	struct slice s;

	s.ptr = luaL_checklstring(L, index, &s.len);
	return s;
}

/* A question about the key at 2; key's memory is the caller's.  False: it is too long, and the
 * failure stands on the stack. */
static bool begin(lua_State *L, const struct dict *d, enum dict_op op, char key[DICT_KEY_MAX],
                  struct dict_query *q)
{
	struct slice text = check_string(L, 2);
	size_t len = dicts_key(L, &d->name, text, key);

	*q = (struct dict_query){
		.op = op, .flags = d->flags, .owner = slice_from(d->name.owner), .key = slice_of(key, len),
	};
	if (len)
		return true;
	(void)dicts_fail_limit(L, "key", text.len, "dict.max_key_octets", settings(L)->max_key_octets);
	return false;
}

/* The value at index.  False: it is too long, and the failure stands on the stack. */
static bool read_value(lua_State *L, int index, const char *method, struct dict_value *v)
{
	*v = (struct dict_value){ .type = DICT_NONE };
	switch (lua_type(L, index)) {
	case LUA_TSTRING:
		v->type = DICT_STRING;
		v->octets.ptr = lua_tolstring(L, index, &v->octets.len);
		if (v->octets.len <= settings(L)->max_value_octets)
			return true;
		(void)dicts_fail_limit(L, "value", v->octets.len, "dict.max_value_octets",
		                       settings(L)->max_value_octets);
		return false;
	case LUA_TBOOLEAN:
		*v = (struct dict_value){ .type = DICT_BOOLEAN, .number = lua_toboolean(L, index) };
		return true;
	case LUA_TNUMBER:
		if (!lua_isinteger(L, index))
			luaL_error(L, "dict:%s: numbers are whole ones; round it, or keep tostring(n)", method);
		*v = (struct dict_value){ .type = DICT_INTEGER, .number = lua_tointeger(L, index) };
		return true;
	case LUA_TTABLE:
		luaL_error(L, "dict:%s: a table cannot be kept; make a string of it with mail.json", method);
		return false;
	default:
		luaL_error(L, "dict:%s: values are strings, whole numbers and booleans, not a %s%s", method,
		           luaL_typename(L, index), lua_isnoneornil(L, index) ? "; dict:delete removes" : "");
		return false;
	}
}

/* ---- answers ---- */

static struct dicts_question *question(lua_KContext context)
{
	return (struct dicts_question *)context;
}

/* The value, or nil. */
static int when_got(lua_State *L, int status, lua_KContext context)
{
	struct dicts_question *a = question(context);

	(void)status;
	if (a->status != ST_OK)
		return dicts_fail(L, a);
	dicts_push_value(L, &a->answer.value);
	return 1;
}

/* true; or false and what is there. */
static int when_changed(lua_State *L, int status, lua_KContext context)
{
	struct dicts_question *a = question(context);

	(void)status;
	if (a->status != ST_OK)
		return dicts_fail(L, a);
	lua_pushboolean(L, a->answer.done);
	if (a->answer.done)
		return 1;
	dicts_push_value(L, &a->answer.value);
	return 2;
}

/* The new number; or false and the number as it is. */
static int when_counted(lua_State *L, int status, lua_KContext context)
{
	struct dicts_question *a = question(context);

	(void)status;
	if (a->status != ST_OK)
		return dicts_fail(L, a);
	if (!a->answer.done)
		lua_pushboolean(L, 0);
	dicts_push_value(L, &a->answer.value);
	return a->answer.done ? 1 : 2;
}

/* true or false: there was one. */
static int when_deleted(lua_State *L, int status, lua_KContext context)
{
	struct dicts_question *a = question(context);

	(void)status;
	if (a->status != ST_OK)
		return dicts_fail(L, a);
	lua_pushboolean(L, a->answer.done);
	return 1;
}

/* { { key =, value = }, ... } and whether there are more. */
static int when_listed(lua_State *L, int status, lua_KContext context)
{
	struct dicts_question *a = question(context);
	struct dict *d = lua_touserdata(L, 1);
	struct slice list = a->answer.list, key;
	struct dict_value v;

	(void)status;
	if (a->status != ST_OK)
		return dicts_fail(L, a);
	lua_createtable(L, (int)a->answer.count, 0);
	for (lua_Integer i = 1; dict_list_next(&list, &key, &v); i++) {
		lua_createtable(L, 0, 2);
		lib_push_slice(L, slice_skip(key, d->name.prefix_len));
		lua_setfield(L, -2, "key");
		dicts_push_value(L, &v);
		lua_setfield(L, -2, "value");
		lua_rawseti(L, -2, i);
	}
	lua_pushboolean(L, a->answer.more);
	return 2;
}

/* ---- methods ---- */

/* dict:get(key) -> value, or nil */
static int l_get(lua_State *L)
{
	struct dict *d = check_dict(L, "get");
	char key[DICT_KEY_MAX];
	struct dict_query q;

	if (!begin(L, d, DICT_GET, key, &q))
		return 3;
	return dicts_ask(L, &q, when_got, "dict:get");
}

static int put(lua_State *L, enum dict_op op, const char *method, const char *what)
{
	struct dict *d = check_dict(L, method);
	char key[DICT_KEY_MAX];
	struct dict_query q;

	if (!begin(L, d, op, key, &q) || !read_value(L, 3, method, &q.value))
		return 3;
	q.ttl_us = dicts_seconds(L, 4, d->ttl_us);
	return dicts_ask(L, &q, when_changed, what);
}

/* dict:set(key, value, ttl) -> true */
static int l_set(lua_State *L)
{
	return put(L, DICT_SET, "set", "dict:set");
}

/* dict:add(key, value, ttl) -> true, or false and the value that is there */
static int l_add(lua_State *L)
{
	return put(L, DICT_ADD, "add", "dict:add");
}

/* dict:incr(key, by, ttl, max) -> the new number, or false and the number as it is */
static int l_incr(lua_State *L)
{
	struct dict *d = check_dict(L, "incr");
	char key[DICT_KEY_MAX];
	struct dict_query q;

	if (!begin(L, d, DICT_INCR, key, &q))
		return 3;
	q.amount = luaL_optinteger(L, 3, 1);
	q.ttl_us = dicts_seconds(L, 4, d->ttl_us);
	if (!lua_isnoneornil(L, 5)) {
		q.ceiling = luaL_checkinteger(L, 5);
		q.flags |= DICT_CEILING;
	}
	return dicts_ask(L, &q, when_counted, "dict:incr");
}

/* dict:delete(key) -> whether there was one */
static int l_delete(lua_State *L)
{
	struct dict *d = check_dict(L, "delete");
	char key[DICT_KEY_MAX];
	struct dict_query q;

	if (!begin(L, d, DICT_DELETE, key, &q))
		return 3;
	return dicts_ask(L, &q, when_deleted, "dict:delete");
}

/* dict:cas(key, expected or nil, value or nil, ttl) -> true, or false and the value that is there */
static int l_cas(lua_State *L)
{
	struct dict *d = check_dict(L, "cas");
	char key[DICT_KEY_MAX];
	struct dict_query q;

	luaL_checkany(L, 4);
	if (!begin(L, d, DICT_CAS, key, &q) ||
	    (!lua_isnil(L, 3) && !read_value(L, 3, "cas", &q.expected)) ||
	    (!lua_isnil(L, 4) && !read_value(L, 4, "cas", &q.value)))
		return 3;
	q.ttl_us = dicts_seconds(L, 5, d->ttl_us);
	return dicts_ask(L, &q, when_changed, "dict:cas");
}

/* dict:list(prefix, limit, after) -> list, more */
static int l_list(lua_State *L)
{
	struct dict *d = check_dict(L, "list");
	char key[DICT_KEY_MAX], after[DICT_KEY_MAX];
	struct dict_query q;

	lua_settop(L, 4);
	if (lua_isnil(L, 2)) {
		lua_pushliteral(L, "");
		lua_replace(L, 2);
	}
	if (!begin(L, d, DICT_LIST, key, &q))
		return 3;
	lua_Integer limit = luaL_optinteger(L, 3, LIST_DEFAULT);

	luaL_argcheck(L, limit >= 1 && limit <= DICT_LIST_MAX, 3,
	              "1 to 1000 entries; list the others behind the last key");
	q.limit = (uint32_t)limit;
	if (!lua_isnil(L, 4)) {
		q.after = slice_of(after, dicts_key(L, &d->name, check_string(L, 4), after));
		luaL_argcheck(L, q.after.len > 0, 4, "longer than a key can be (dict.max_key_octets)");
	}
	return dicts_ask(L, &q, when_listed, "dict:list");
}

static int l_tostring(lua_State *L)
{
	struct dict *d = luaL_checkudata(L, 1, metatable);

	lua_pushfstring(L, "mail.dict(\"%s\")", d->name.prefix + 1);
	return 1;
}

/* ---- mail.dict ---- */

static void read_options(lua_State *L, struct dict *d, bool *shared)
{
	static const char *const known[] = { "durable", "ttl", "shared", "full", NULL };

	dicts_check_options(L, 2, known, "mail.dict");
	lua_getfield(L, 2, "durable");
	d->flags |= lua_toboolean(L, -1) ? DICT_DURABLE : 0;
	lua_getfield(L, 2, "shared");
	*shared = lua_toboolean(L, -1);
	if (lua_getfield(L, 2, "full") != LUA_TNIL) {
		const char *full = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";

		if (strcmp(full, "refuse") == 0)
			d->flags |= DICT_REFUSE;
		else if (strcmp(full, "evict") != 0)
			luaL_error(L, "mail.dict: full is \"evict\" (what was unused longest goes) or \"refuse\"");
	}
	lua_getfield(L, 2, "ttl");
	d->ttl_us = dicts_seconds(L, lua_gettop(L), 0);
	lua_settop(L, 2);
}

/* dict(name, { durable =, ttl =, shared =, full = }) -> a dictionary; while the plugin loads */
static int l_dict(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	struct dict read = { .flags = 0 }, *d;
	bool shared = false;

	lua_settop(L, 2);
	if (!lua_isnil(L, 2)) {
		luaL_checktype(L, 2, LUA_TTABLE);
		read_options(L, &read, &shared);
	}
	dicts_declare(L, &read.name, DICTS_DICT, name, shared, "mail.dict");
	d = lua_newuserdatauv(L, sizeof(*d), 0);
	*d = read;
	luaL_setmetatable(L, metatable);
	return 1;
}

void lib_dict_register(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "get", l_get }, { "set", l_set }, { "add", l_add }, { "incr", l_incr },
		{ "delete", l_delete }, { "cas", l_cas }, { "list", l_list }, { NULL, NULL },
	};

	if (luaL_newmetatable(L, metatable)) {
		luaL_newlib(L, methods);
		lua_setfield(L, -2, "__index");
		lua_pushcfunction(L, l_tostring);
		lua_setfield(L, -2, "__tostring");
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
	}
	lua_pop(L, 1);
	lua_pushcfunction(L, l_dict);
	lua_setfield(L, -2, "dict");
}
