/* core/store for specs: dictionaries, through a client and in memory alone.
 *
 *     op = client:dict{ op = "set", owner = "p", key = "k", value = 1 }; client:wait(op) -> op.answer
 *     m = store.dict_memory{ max_entries = 2 }; m:run({ op = ... }, now_us) -> status, answer */
#include "bind_store.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/client_dict.h"
#include "store/dict_memory.h"

#define MEMORY_MT "moonpost.spec.store.dict_memory"

static const char *const ops[] = {
	"get", "set", "add", "incr", "delete", "cas", "list", "take", NULL,
};

static lua_Integer integer(lua_State *L, const char *key, lua_Integer otherwise)
{
	lua_getfield(L, 2, key);
	lua_Integer n = luaL_optinteger(L, -1, otherwise);

	lua_pop(L, 1);
	return n;
}

/* Strings stay in the table at 2. */
static struct slice text(lua_State *L, const char *key)
{
	struct slice s = SLICE_NONE;

	if (lua_getfield(L, 2, key) == LUA_TSTRING)
		s.ptr = lua_tolstring(L, -1, &s.len);
	lua_pop(L, 1);
	return s;
}

static struct dict_value value(lua_State *L, const char *key)
{
	struct dict_value v = { .type = DICT_NONE };

	switch (lua_getfield(L, 2, key)) {
	case LUA_TSTRING:
		v.type = DICT_STRING;
		v.octets.ptr = lua_tolstring(L, -1, &v.octets.len);
		break;
	case LUA_TNUMBER:
		v = (struct dict_value){ .type = DICT_INTEGER, .number = lua_tointeger(L, -1) };
		break;
	case LUA_TBOOLEAN:
		v = (struct dict_value){ .type = DICT_BOOLEAN, .number = lua_toboolean(L, -1) };
		break;
	default:
		break;
	}
	lua_pop(L, 1);
	return v;
}

static bool flag(lua_State *L, const char *key)
{
	lua_getfield(L, 2, key);
	bool set = lua_toboolean(L, -1);

	lua_pop(L, 1);
	return set;
}

static struct dict_query query_at_2(lua_State *L)
{
	struct dict_query q = { 0 };

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_getfield(L, 2, "op");
	q.op = (enum dict_op)luaL_checkoption(L, -1, NULL, ops);
	lua_pop(L, 1);
	q.flags = (flag(L, "durable") ? DICT_DURABLE : 0) | (flag(L, "refuse") ? DICT_REFUSE : 0) |
	          (flag(L, "max") ? DICT_CEILING : 0);
	q.owner = text(L, "owner");
	if (!q.owner.ptr)
		q.owner = SLICE("p");
	q.key = text(L, "key");
	q.after = text(L, "after");
	q.value = value(L, "value");
	q.expected = value(L, "expected");
	q.ttl_us = (uint64_t)integer(L, "ttl_us", 0);
	q.amount = integer(L, "amount", 1);
	q.ceiling = integer(L, q.op == DICT_TAKE ? "ceiling" : "max", 0);
	q.limit = (uint32_t)integer(L, "limit", 100);
	return q;
}

static void push_value(lua_State *L, const struct dict_value *v)
{
	if (v->type == DICT_STRING)
		lua_pushlstring(L, v->octets.len ? v->octets.ptr : "", v->octets.len);
	else if (v->type == DICT_BOOLEAN)
		lua_pushboolean(L, v->number != 0);
	else if (v->type == DICT_NONE)
		lua_pushnil(L);
	else
		lua_pushinteger(L, v->number);
}

/* { done =, value =, ns =, more =, keys = { }, values = { } } */
static void push_answer(lua_State *L, const struct dict_answer *a)
{
	struct slice list = a->list, key;
	struct dict_value v;

	lua_newtable(L);
	lua_pushboolean(L, a->done);
	lua_setfield(L, -2, "done");
	lua_pushboolean(L, a->more);
	lua_setfield(L, -2, "more");
	lua_pushinteger(L, a->ns);
	lua_setfield(L, -2, "ns");
	push_value(L, &a->value);
	lua_setfield(L, -2, "value");
	lua_newtable(L);
	lua_newtable(L);
	for (lua_Integer i = 1; dict_list_next(&list, &key, &v); i++) {
		lua_pushlstring(L, key.ptr, key.len);
		lua_rawseti(L, -3, i);
		push_value(L, &v);
		lua_rawseti(L, -2, i);
	}
	lua_setfield(L, -3, "values");
	lua_setfield(L, -2, "keys");
}

/* ---- through the client ---- */

static void answered(void *owner, enum status st, const struct dict_answer *a)
{
	struct op *o = owner;
	lua_State *L = store_push_op(o);

	push_answer(L, a);
	lua_setfield(L, -2, "answer");
	lua_pop(L, 1);
	store_end_op(o, st);
}

/* client:dict{...} -> op; client:dict({...}, true): asked and cancelled at once */
static int l_dict(lua_State *L)
{
	struct client *c = store_check_client(L);
	struct dict_query q = query_at_2(L);
	bool cancel = lua_toboolean(L, 3);
	struct op *o = store_new_op(c, L);
	struct client_dict *d = client_dict_ask(c->client, &q, answered, o);

	if (d && cancel) {
		client_dict_cancel(d);
		store_end_op(o, ST_CANCELED);
	}
	return 1;
}

/* client:dict_read{...} -> status, answer */
static int l_dict_read(lua_State *L)
{
	struct client *c = store_check_client(L);
	struct dict_query q = query_at_2(L);
	struct dict_answer a = { 0 };
	struct buf out;

	buf_init(&out, 0);
	lua_pushstring(L, status_name(client_dict_read(c->client, &q, &out, &a)));
	push_answer(L, &a);
	buf_free(&out);
	return 2;
}

const luaL_Reg store_dict_methods[] = {
	{ "dict", l_dict }, { "dict_read", l_dict_read }, { NULL, NULL },
};

/* ---- in memory ---- */

static struct dict_memory *check_memory(lua_State *L)
{
	return *(struct dict_memory **)luaL_checkudata(L, 1, MEMORY_MT);
}

static int l_run(lua_State *L)
{
	struct dict_memory *m = check_memory(L);
	struct dict_query q = query_at_2(L);
	struct dict_answer a = { 0 };
	struct buf out;

	buf_init(&out, 0);
	enum status st = dict_memory_run(m, &q, luaL_optinteger(L, 3, 1), &out);

	lua_pushstring(L, status_name(st));
	if (st == ST_OK && !dict_get_answer(buf_slice(&out), &a))
		return luaL_error(L, "the answer cannot be read");
	if (st != ST_OK && buf_len(&out))
		return luaL_error(L, "an answer beside a failure");
	push_answer(L, &a);
	buf_free(&out);
	return 2;
}

static int l_sweep(lua_State *L)
{
	lua_pushinteger(L, dict_memory_sweep(check_memory(L), luaL_checkinteger(L, 2),
	                                     (unsigned)luaL_checkinteger(L, 3)));
	return 1;
}

static int l_numbers(lua_State *L)
{
	struct dict_memory_numbers n;

	dict_memory_numbers(check_memory(L), &n);
	lua_newtable(L);
#define FIELD(name) (lua_pushinteger(L, (lua_Integer)n.name), lua_setfield(L, -2, #name))
	FIELD(entries);
	FIELD(octets);
	FIELD(evicted);
	FIELD(expired);
	FIELD(refused);
#undef FIELD
	return 1;
}

static int l_gc(lua_State *L)
{
	struct dict_memory **box = luaL_checkudata(L, 1, MEMORY_MT);

	dict_memory_free(*box);
	*box = NULL;
	return 0;
}

/* dict_memory{ max_entries =, max_octets =, max_plugin_octets = } */
static int l_memory(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "run", l_run }, { "sweep", l_sweep }, { "numbers", l_numbers }, { "__gc", l_gc },
		{ NULL, NULL },
	};
	struct store_dict_settings s = { 0 };
	struct dict_memory **box;

	lua_settop(L, 1);
	lua_pushvalue(L, 1);                      /* at 2, where integer() looks */
	s.max_entries = (uint64_t)integer(L, "max_entries", 1000);
	s.max_octets = (uint64_t)integer(L, "max_octets", 1 << 20);
	s.max_plugin_octets = (uint64_t)integer(L, "max_plugin_octets", 1 << 20);
	box = lua_newuserdatauv(L, sizeof(*box), 0);
	*box = dict_memory_new(&s);
	if (luaL_newmetatable(L, MEMORY_MT)) {
		luaL_setfuncs(L, methods, 0);
		lua_pushvalue(L, -1);
		lua_setfield(L, -2, "__index");
	}
	lua_setmetatable(L, -2);
	return 1;
}

const luaL_Reg store_dict_functions[] = { { "dict_memory", l_memory }, { NULL, NULL } };
