/* mail.cache: what was looked up a moment ago, in this worker's Lua alone.  Bounded; what was unused
 * longest goes.  While a loader runs for a key, others who ask for it wait for its result. */
#include "script/lib.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "script/dicts.h"
#include "script/state.h"

static const char metatable[] = "moonpost.Cache", load_metatable[] = "moonpost.CacheLoad",
                  waiter_metatable[] = "moonpost.CacheWaiter";

enum { KEY_MAX = 1024, SIZE_DEFAULT = 1000, SIZE_MAX_ENTRIES = 1000000, TTL_S = 60,
       NEGATIVE_TTL_S = 10 };

/* User values: 1 the values by slot, 2 the loads under way by key. */
struct cache {
	struct map  entries;
	struct list used;                 /* longest unused first */
	size_t      size;
	uint64_t    ttl_us, negative_us;  /* 0: not kept */
	lua_Integer slots;
};

struct entry {
	struct list link;
	uint64_t    expires_us;
	lua_Integer slot;                 /* 0: it is known that there is none */
	size_t      key_len;
	char        key[];
};

enum { VALUES = 1, LOADS = 2 };       /* user values of a cache */
enum { RESULT = 1, HOME = 2, KEY = 3 };   /* user values of a load */
enum load_state { LOAD_RUNNING, LOAD_DONE, LOAD_FAILED, LOAD_CANCELLED };

struct load {
	enum load_state    state;
	struct call_ticket by;            /* call NULL: while a plugin loads */
	struct list        waiters;
};

struct waiter { struct list link; struct call_ticket ticket; };

/* ---- entries ---- */

static struct cache *check_cache(lua_State *L, const char *method)
{
	struct cache *c = luaL_testudata(L, 1, metatable);

	if (!c)
		luaL_error(L, "write cache:%s(...), with a colon", method);
	return c;
}

static struct slice check_key(lua_State *L)
{
	struct slice key;

	key.ptr = luaL_checklstring(L, 2, &key.len);
	return key;
}

static void drop_value(lua_State *L, lua_Integer slot)
{
	if (slot == 0)
		return;
	lua_getiuservalue(L, 1, VALUES);
	lua_pushnil(L);
	lua_rawseti(L, -2, slot);
	lua_pop(L, 1);
}

static void drop(lua_State *L, struct cache *c, struct entry *e)
{
	drop_value(L, e->slot);
	(void)map_remove(&c->entries, slice_of(e->key, e->key_len));
	list_remove(&e->link);
	free(e);
}

static struct entry *find(lua_State *L, struct cache *c, struct slice key)
{
	struct entry *e = map_get(&c->entries, key);

	if (e && e->expires_us <= clock_us()) {
		drop(L, c, e);
		return NULL;
	}
	return e;
}

/* Keep the value on top, or that there is none; it stays there. */
static void keep(lua_State *L, struct cache *c, struct slice key, uint64_t ttl_us)
{
	struct entry *e = map_get(&c->entries, key);
	lua_Integer slot = 0;

	if (e)
		drop(L, c, e);
	if (ttl_us == 0 || key.len > KEY_MAX)
		return;
	if (c->entries.count >= c->size)
		drop(L, c, CONTAINER_OF(c->used.next, struct entry, link));
	if (!lua_isnil(L, -1)) {
		slot = ++c->slots;
		lua_getiuservalue(L, 1, VALUES);
		lua_pushvalue(L, -2);
		lua_rawseti(L, -2, slot);         /* may raise an error: nothing is kept then */
		lua_pop(L, 1);
	}
	e = mem_alloc(sizeof(*e) + key.len);
	e->slot = slot;
	e->key_len = key.len;
	e->expires_us = clock_us() + ttl_us;
	if (key.len)
		memcpy(e->key, key.ptr, key.len);
	list_init(&e->link);
	list_append(&c->used, &e->link);
	(void)map_put(&c->entries, key, e);
}

static int l_gc(lua_State *L)
{
	struct cache *c = lua_touserdata(L, 1);

	map_free(&c->entries, free);
	list_init(&c->used);
	return 0;
}

/* ---- loads ---- */

static void wake_all(struct load *l)
{
	struct list *link;

	while ((link = list_shift(&l->waiters)) != NULL)
		call_wake(CONTAINER_OF(link, struct waiter, link)->ticket);
}

/* The load at index is over: nobody finds it any more. */
static void settle(lua_State *L, int index, struct load *l, enum load_state state)
{
	l->state = state;
	lua_getiuservalue(L, index, HOME);
	lua_getiuservalue(L, index, KEY);
	lua_pushnil(L);
	lua_rawset(L, -3);
	lua_pop(L, 1);
	wake_all(l);
}

/* It failed, or its call was stopped: those who wait get the error, or one of them tries. */
static int l_load_close(lua_State *L)
{
	struct load *l = lua_touserdata(L, 1);

	if (l->state != LOAD_RUNNING)
		return 0;
	if (!lua_isnil(L, 2)) {
		if (lua_type(L, 2) == LUA_TSTRING)
			lua_pushvalue(L, 2);
		else
			lua_pushliteral(L, "cache:get: the loader failed with an error that is not a text");
		lua_setiuservalue(L, 1, RESULT);
	}
	settle(L, 1, l, lua_isnil(L, 2) ? LOAD_CANCELLED : LOAD_FAILED);
	return 0;
}

static int l_load_gc(lua_State *L)
{
	struct load *l = lua_touserdata(L, 1);

	while (list_shift(&l->waiters) != NULL)
		;
	return 0;
}

static int l_waiter_gc(lua_State *L)
{
	list_remove(&((struct waiter *)lua_touserdata(L, 1))->link);
	return 0;
}

static void on_cancel(void *op)
{
	list_remove(&((struct waiter *)op)->link);
}

static int get(lua_State *L);

/* The load is at 4. */
static int when_loaded(lua_State *L, int status, lua_KContext context)
{
	struct load *l = lua_touserdata(L, 4);

	(void)status, (void)context;
	if (l->state == LOAD_CANCELLED) {
		lua_settop(L, 3);
		return get(L);
	}
	lua_getiuservalue(L, 4, RESULT);
	if (l->state == LOAD_FAILED)
		return lua_error(L);
	int table = lua_gettop(L);

	for (int i = 1; i <= 3; i++)
		lua_rawgeti(L, table, i);
	int results = lua_isnil(L, table + 1) ? 3 : 1;

	lua_settop(L, table + results);
	return results;
}

static int wait_for(lua_State *L, struct load *l)
{
	struct call *c = script_of(L)->current;
	struct waiter *w;

	if (l->by.call == c && (!c || l->by.generation == c->generation))
		return luaL_error(L, "cache:get: the loader of \"%s\" asks for the same key: it would wait for "
		                  "itself", lua_tostring(L, 2));
	c = call_check(L, "cache:get");
	w = lua_newuserdatauv(L, sizeof(*w), 0);
	w->ticket = call_ticket(c);
	list_init(&w->link);
	luaL_setmetatable(L, waiter_metatable);
	list_append(&l->waiters, &w->link);
	return call_suspend(L, c, on_cancel, w, when_loaded);
}

/* Its call is over, but a coroutine of the plugin's own in which it ran was not closed. */
static bool abandoned(const struct load *l)
{
	return l->by.call && l->by.call->generation != l->by.generation;
}

/* The loader returned: load at 4, its results behind. */
static int loaded(lua_State *L, int status, lua_KContext context)
{
	struct cache *c = lua_touserdata(L, 1);
	struct load *l = lua_touserdata(L, 4);
	bool nothing = lua_isnil(L, 5), failed = nothing && !lua_isnil(L, 6);

	(void)status, (void)context;
	lua_createtable(L, 3, 0);
	for (int i = 1; i <= 3; i++) {
		lua_pushvalue(L, 4 + i);
		lua_rawseti(L, -2, i);
	}
	lua_setiuservalue(L, 4, RESULT);
	lua_pushvalue(L, 5);
	if (!failed)
		keep(L, c, check_key(L), nothing ? c->negative_us : c->ttl_us);
	lua_pop(L, 1);
	settle(L, 4, l, LOAD_DONE);
	lua_settop(L, nothing ? 7 : 5);
	return nothing ? 3 : 1;
}

static int load(lua_State *L)
{
	struct call *c = script_of(L)->current;
	struct load *l = lua_newuserdatauv(L, sizeof(*l), 3);

	*l = (struct load){ .state = LOAD_DONE };
	list_init(&l->waiters);
	if (c)
		l->by = call_ticket(c);
	luaL_setmetatable(L, load_metatable);
	lua_getiuservalue(L, 1, LOADS);
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, 4, HOME);
	lua_pushvalue(L, 2);
	lua_setiuservalue(L, 4, KEY);
	lua_pushvalue(L, 2);
	lua_pushvalue(L, 4);
	lua_rawset(L, -3);
	lua_settop(L, 4);
	l->state = LOAD_RUNNING;
	lua_toclose(L, 4);
	lua_pushvalue(L, 3);
	lua_pushvalue(L, 2);
	lua_callk(L, 1, 3, 0, loaded);
	return loaded(L, LUA_OK, 0);
}

/* Cache, key, loader or nil at 1 to 3. */
static int get(lua_State *L)
{
	struct cache *c = lua_touserdata(L, 1);
	struct entry *e = find(L, c, check_key(L));

	if (e) {
		list_remove(&e->link);
		list_append(&c->used, &e->link);
		lua_getiuservalue(L, 1, VALUES);
		if (e->slot)
			lua_rawgeti(L, -1, e->slot);
		else
			lua_pushnil(L);
		return 1;
	}
	if (lua_isnil(L, 3)) {
		lua_pushnil(L);
		return 1;
	}
	lua_getiuservalue(L, 1, LOADS);
	lua_pushvalue(L, 2);
	if (lua_rawget(L, -2) != LUA_TNIL) {
		struct load *l = lua_touserdata(L, -1);

		lua_replace(L, 4);
		if (!abandoned(l))
			return wait_for(L, l);
		settle(L, 4, l, LOAD_CANCELLED);
	}
	lua_settop(L, 3);
	return load(L);
}

/* ---- methods ---- */

/* cache:get(key, loader) -> the value; or what the loader says */
static int l_get(lua_State *L)
{
	(void)check_cache(L, "get");
	(void)check_key(L);                       /* a number becomes a string here */
	lua_settop(L, 3);
	if (!lua_isnil(L, 3))
		luaL_checktype(L, 3, LUA_TFUNCTION);
	return get(L);
}

/* cache:set(key, value, ttl) */
static int l_set(lua_State *L)
{
	struct cache *c = check_cache(L, "set");
	struct slice key = check_key(L);

	luaL_argcheck(L, !lua_isnoneornil(L, 3), 3, "a value; cache:delete removes");
	luaL_argcheck(L, key.len <= KEY_MAX, 2, "a key has at most 1024 octets; take its mail.sha256");
	uint64_t ttl_us = dicts_seconds(L, 4, c->ttl_us);

	lua_settop(L, 3);
	keep(L, c, key, ttl_us);
	return 0;
}

/* cache:delete(key) -> whether there was one */
static int l_delete(lua_State *L)
{
	struct cache *c = check_cache(L, "delete");
	struct entry *e = find(L, c, check_key(L));

	if (e)
		drop(L, c, e);
	lua_pushboolean(L, e != NULL);
	return 1;
}

/* cache:clear() */
static int l_clear(lua_State *L)
{
	struct cache *c = check_cache(L, "clear");

	map_free(&c->entries, free);
	list_init(&c->used);
	lua_newtable(L);
	lua_setiuservalue(L, 1, VALUES);
	return 0;
}

/* ---- mail.cache ---- */

static uint64_t read_seconds(lua_State *L, const char *field, unsigned otherwise)
{
	lua_getfield(L, 1, field);
	uint64_t us = dicts_seconds(L, lua_gettop(L), (uint64_t)otherwise * 1000000);

	lua_pop(L, 1);
	return us;
}

static size_t read_size(lua_State *L)
{
	lua_getfield(L, 1, "size");
	lua_Integer size = luaL_optinteger(L, -1, SIZE_DEFAULT);

	if (size < 1 || size > SIZE_MAX_ENTRIES)
		luaL_error(L, "mail.cache: size is a number of entries, 1 to %d", SIZE_MAX_ENTRIES);
	lua_pop(L, 1);
	return (size_t)size;
}

/* cache{ size =, ttl =, negative_ttl = } */
static int l_cache(lua_State *L)
{
	static const char *const known[] = { "size", "ttl", "negative_ttl", NULL };
	struct cache read = { .slots = 0 }, *c;

	if (lua_isnoneornil(L, 1)) {
		lua_settop(L, 0);
		lua_newtable(L);
	}
	luaL_checktype(L, 1, LUA_TTABLE);
	dicts_check_options(L, 1, known, "mail.cache");
	read.size = read_size(L);
	read.ttl_us = read_seconds(L, "ttl", TTL_S);
	read.negative_us = read_seconds(L, "negative_ttl", NEGATIVE_TTL_S);
	c = lua_newuserdatauv(L, sizeof(*c), 2);
	*c = read;
	map_init(&c->entries);
	list_init(&c->used);
	luaL_setmetatable(L, metatable);
	lua_newtable(L);
	lua_setiuservalue(L, -2, VALUES);
	lua_newtable(L);
	lua_setiuservalue(L, -2, LOADS);
	return 1;
}

static void make_metatable(lua_State *L, const char *name, const char *event, lua_CFunction fn,
                           lua_CFunction gc, const luaL_Reg *methods)
{
	if (luaL_newmetatable(L, name)) {
		if (event) {
			lua_pushcfunction(L, fn);
			lua_setfield(L, -2, event);
		}
		lua_pushcfunction(L, gc);
		lua_setfield(L, -2, "__gc");
		lua_newtable(L);
		luaL_setfuncs(L, methods, 0);
		lua_setfield(L, -2, "__index");
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
	}
	lua_pop(L, 1);
}

void lib_cache_register(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "get", l_get }, { "set", l_set }, { "delete", l_delete }, { "clear", l_clear },
		{ NULL, NULL },
	};
	static const luaL_Reg none[] = { { NULL, NULL } };

	make_metatable(L, metatable, NULL, NULL, l_gc, methods);
	make_metatable(L, load_metatable, "__close", l_load_close, l_load_gc, none);
	make_metatable(L, waiter_metatable, NULL, NULL, l_waiter_gc, none);
	lua_pushcfunction(L, l_cache);
	lua_setfield(L, -2, "cache");
}
