/* Questions to the store about dictionaries, as calls that wait. */
#include "script/dicts.h"

#include <math.h>
#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "script/lib.h"
#include "script/near.h"
#include "script/plugin.h"
#include "script/state.h"

static const char metatable[] = "moonpost.DictQuestion", common_owner[] = "*";

enum { SECONDS_MAX = 10 * 366 * 86400 };

/* ---- declaring ---- */

void dicts_declare(lua_State *L, struct dicts_name *n, enum dicts_kind kind, const char *name,
                   bool shared, const char *what)
{
	struct plugin *p = script_of(L)->loading;
	size_t len = strlen(name);

	if (!p || script_of(L)->current) {
		luaL_error(L, "%s is called while the plugin loads, outside of hooks; keep what it returns in "
		           "a local", what);
		return;                           /* never reached: the error unwinds */
	}
	if (len == 0 || len > DICT_NAME_MAX || strspn(name, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") != len)
		luaL_error(L, "%s: a name is 1 to %d letters, digits and _ - .", what, DICT_NAME_MAX);
	if (strlen(p->name) > DICT_OWNER_MAX)
		luaL_error(L, "%s: the plugin's own name is longer than %d octets; rename its file", what,
		           DICT_OWNER_MAX);
	strcpy(n->owner, shared ? common_owner : p->name);
	n->prefix[0] = (char)kind;
	memcpy(n->prefix + 1, name, len + 1);
	n->prefix_len = (unsigned)len + 2;
}

void dicts_check_options(lua_State *L, int index, const char *const *known, const char *what)
{
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		struct script_near n = { .word = SLICE("") };
		bool found = false;

		if (lua_type(L, -2) != LUA_TSTRING)
			luaL_error(L, "%s: a value without a name; write %s = ...", what, known[0]);
		n.word = slice_from(lua_tostring(L, -2));
		for (size_t i = 0; known[i]; i++) {
			found = found || slice_eq(n.word, slice_from(known[i]));
			script_near_offer(&n, slice_from(known[i]));
		}
		if (!found)
			luaL_error(L, "%s: unknown option %s%s%s%s", what, n.word.ptr,
			           n.best.len ? "; did you mean " : "", n.best.len ? n.best.ptr : "",
			           n.best.len ? "?" : "");
	}
}

/* ---- arguments ---- */

size_t dicts_key(lua_State *L, const struct dicts_name *n, struct slice key, char out[DICT_KEY_MAX])
{
	if (key.len > script_of(L)->setup.config->store.dict.max_key_octets)
		return 0;
	memcpy(out, n->prefix, n->prefix_len);
	if (key.len)
		memcpy(out + n->prefix_len, key.ptr, key.len);
	return n->prefix_len + key.len;
}

uint64_t dicts_seconds(lua_State *L, int index, uint64_t otherwise)
{
	if (lua_isnoneornil(L, index))
		return otherwise;
	double seconds = luaL_checknumber(L, index);

	luaL_argcheck(L, seconds >= 0 && seconds <= SECONDS_MAX, index,
	              "seconds, 0 to ten years");
	return (uint64_t)ceil(seconds * 1e6);
}

void dicts_push_value(lua_State *L, const struct dict_value *v)
{
	switch (v->type) {
	case DICT_STRING:  lib_push_slice(L, v->octets); break;
	case DICT_INTEGER: lua_pushinteger(L, v->number); break;
	case DICT_BOOLEAN: lua_pushboolean(L, v->number != 0); break;
	default:           lua_pushnil(L); break;
	}
}

/* ---- failures ---- */

static int fail(lua_State *L, const char *word, const char *text)
{
	(void)lib_fail(L, "%s", text);
	lua_pushstring(L, word);
	return 3;
}

int dicts_fail_limit(lua_State *L, const char *what, size_t octets, const char *key, uint32_t max)
{
	(void)lib_fail(L, "the %s has %zu octets, there may be %u (%s)", what, octets, max, key);
	lua_pushliteral(L, "limit");
	return 3;
}

int dicts_fail(lua_State *L, const struct dicts_question *a)
{
	switch (a->status) {
	case ST_UNSUPPORTED:
		return fail(L, "type", "what is kept under this key is of another type");
	case ST_DENIED:
		return fail(L, "limit", "the number would not fit into 64 bits");
	case ST_TOOBIG:
		return fail(L, "limit", a->durable
		            ? "there is no room: dict.durable_max_plugin_octets, dict.durable_max_octets "
		              "or dict.durable_max_entries is reached"
		            : "there is no room: dict.max_plugin_octets, dict.max_octets or dict.max_entries "
		              "is reached");
	case ST_NOSPACE:
		return fail(L, "nospace", "the disk of the store is full");
	default:
		(void)lib_fail(L, "the store process does not answer: %s", status_text(a->status));
		lua_pushliteral(L, "store");
		return 3;
	}
}

/* ---- asking ---- */

static void stop(struct dicts_question *a)
{
	if (a->request)
		client_dict_cancel(a->request);
	a->request = NULL;
}

static void on_cancel(void *op)
{
	stop(op);
}

static int l_gc(lua_State *L)
{
	struct dicts_question *a = lua_touserdata(L, 1);

	stop(a);
	buf_free(&a->text);
	return 0;
}

static void on_answer(void *owner, enum status st, const struct dict_answer *answer)
{
	struct dicts_question *a = owner;

	a->request = NULL;
	a->status = st;
	a->answer = *answer;
	(void)buf_append(&a->text, answer->value.octets);
	(void)buf_append(&a->text, answer->list);
	a->answer.value.octets = slice_head(buf_slice(&a->text), answer->value.octets.len);
	a->answer.list = slice_skip(buf_slice(&a->text), answer->value.octets.len);
	call_wake(a->ticket);
}

static struct dicts_question *push_question(lua_State *L)
{
	struct dicts_question *a = lua_newuserdatauv(L, sizeof(*a), 0);

	*a = (struct dicts_question){ .status = ST_AGAIN };
	buf_init(&a->text, 0);
	if (luaL_newmetatable(L, metatable)) {
		lua_pushcfunction(L, l_gc);
		lua_setfield(L, -2, "__gc");
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
	}
	lua_setmetatable(L, -2);
	return a;
}

int dicts_ask(lua_State *L, const struct dict_query *q, lua_KFunction k, const char *what)
{
	struct store_client *store = script_of(L)->setup.store;
	bool at_once = q->flags & DICT_DURABLE && (q->op == DICT_GET || q->op == DICT_LIST);
	struct call *c = at_once ? NULL : call_check(L, what);
	struct dicts_question *a = push_question(L);

	a->durable = q->flags & DICT_DURABLE;
	if (!store)
		return fail(L, "store", "there is no store here, so dictionaries keep nothing");
	if (at_once) {
		a->status = client_dict_read(store, q, &a->text, &a->answer);
		return k(L, LUA_OK, (lua_KContext)a);
	}
	a->ticket = call_ticket(c);
	a->request = client_dict_ask(store, q, on_answer, a);
	return call_suspend(L, c, on_cancel, a, k);
}
