/* core/base for specs: buffers, arenas and maps as objects. */
#include "bind_base.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"

#define BUF_MT   "moonpost.spec.buf"
#define ARENA_MT "moonpost.spec.arena"
#define MAP_MT   "moonpost.spec.map"

static void set_class(lua_State *L, const char *name, const luaL_Reg *methods)
{
	if (luaL_newmetatable(L, name)) {
		luaL_setfuncs(L, methods, 0);
		lua_pushvalue(L, -1);
		lua_setfield(L, -2, "__index");
	}
	lua_setmetatable(L, -2);
}

/* ---- buf ---- */

static struct buf *check_buf(lua_State *L)
{
	return luaL_checkudata(L, 1, BUF_MT);
}

static int l_buf_append(lua_State *L)
{
	return bind_base_status(L, buf_append(check_buf(L), bind_base_slice(L, 2)));
}

static int l_buf_append_byte(lua_State *L)
{
	return bind_base_status(L, buf_append_byte(check_buf(L), *luaL_checkstring(L, 2)));
}

static int l_buf_printf(lua_State *L)
{
	return bind_base_status(L, buf_printf(check_buf(L), "<%s>", luaL_checkstring(L, 2)));
}

/* write(text, room asked for): through reserve and commit */
static int l_buf_write(lua_State *L)
{
	struct buf *b = check_buf(L);
	struct slice s = bind_base_slice(L, 2);
	char *room;
	enum status st = buf_reserve(b, (size_t)luaL_optinteger(L, 3, (lua_Integer)s.len), &room);

	if (st == ST_OK) {
		memcpy(room, s.ptr, s.len);
		buf_commit(b, s.len);
	}
	return bind_base_status(L, st);
}

static int l_buf_consume(lua_State *L)
{
	buf_consume(check_buf(L), (size_t)luaL_checkinteger(L, 2));
	return 0;
}

static int l_buf_truncate(lua_State *L)
{
	buf_truncate(check_buf(L), (size_t)luaL_checkinteger(L, 2));
	return 0;
}

static int l_buf_reset(lua_State *L)
{
	buf_reset(check_buf(L));
	return 0;
}

static int l_buf_shrink(lua_State *L)
{
	buf_shrink(check_buf(L));
	return 0;
}

static int l_buf_wipe(lua_State *L)
{
	buf_wipe(check_buf(L));
	return 0;
}

static int l_buf_free(lua_State *L)
{
	buf_free(check_buf(L));
	return 0;
}

static int l_buf_text(lua_State *L)
{
	struct slice s = buf_slice(check_buf(L));

	lua_pushlstring(L, s.len ? s.ptr : "", s.len);
	return 1;
}

static int l_buf_cstr(lua_State *L)
{
	lua_pushstring(L, buf_cstr(check_buf(L)));
	return 1;
}

static int l_buf_cap(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)check_buf(L)->cap);
	return 1;
}

static int l_buf_new(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "append", l_buf_append }, { "append_byte", l_buf_append_byte }, { "printf", l_buf_printf },
		{ "write", l_buf_write }, { "consume", l_buf_consume }, { "truncate", l_buf_truncate },
		{ "reset", l_buf_reset }, { "shrink", l_buf_shrink }, { "wipe", l_buf_wipe },
		{ "text", l_buf_text }, { "cstr", l_buf_cstr }, { "cap", l_buf_cap }, { "__gc", l_buf_free },
		{ NULL, NULL },
	};

	buf_init(lua_newuserdatauv(L, sizeof(struct buf), 0), (size_t)luaL_optinteger(L, 1, 0));
	set_class(L, BUF_MT, methods);
	return 1;
}

/* ---- arena ---- */

static struct arena *check_arena(lua_State *L)
{
	return luaL_checkudata(L, 1, ARENA_MT);
}

/* keep(text) -> the copy; its address modulo the strictest alignment */
static int l_arena_keep(lua_State *L)
{
	char *copy = arena_strdup(check_arena(L), bind_base_slice(L, 2));

	lua_pushstring(L, copy);
	lua_pushinteger(L, (lua_Integer)((uintptr_t)copy % _Alignof(max_align_t)));
	return 2;
}

static int l_arena_printf(lua_State *L)
{
	lua_pushstring(L, arena_printf(check_arena(L), "<%s>", luaL_checkstring(L, 2)));
	return 1;
}

/* zeroed(size) -> whether all octets are zero and writable */
static int l_arena_zeroed(lua_State *L)
{
	size_t size = (size_t)luaL_checkinteger(L, 2);
	char *at = arena_alloc(check_arena(L), size);
	bool zero = true;

	for (size_t i = 0; i < size; i++) {
		zero = zero && at[i] == 0;
		at[i] = 'x';
	}
	lua_pushboolean(L, zero);
	return 1;
}

static int l_arena_taken(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)check_arena(L)->taken);
	return 1;
}

static int l_arena_reset(lua_State *L)
{
	arena_reset(check_arena(L));
	return 0;
}

static int l_arena_new(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "keep", l_arena_keep }, { "printf", l_arena_printf }, { "zeroed", l_arena_zeroed },
		{ "taken", l_arena_taken }, { "reset", l_arena_reset }, { "__gc", l_arena_reset },
		{ NULL, NULL },
	};

	arena_init(lua_newuserdatauv(L, sizeof(struct arena), 0));
	set_class(L, ARENA_MT, methods);
	return 1;
}

/* ---- map: values are small integers ---- */

static struct map *check_map(lua_State *L)
{
	return luaL_checkudata(L, 1, MAP_MT);
}

static int push_value(lua_State *L, void *value)
{
	if (value)
		lua_pushinteger(L, (lua_Integer)(uintptr_t)value);
	else
		lua_pushnil(L);
	return 1;
}

static int l_map_put(lua_State *L)
{
	void *value = (void *)(uintptr_t)luaL_checkinteger(L, 3);

	return push_value(L, map_put(check_map(L), bind_base_slice(L, 2), value));
}

static int l_map_get(lua_State *L)
{
	return push_value(L, map_get(check_map(L), bind_base_slice(L, 2)));
}

static int l_map_remove(lua_State *L)
{
	return push_value(L, map_remove(check_map(L), bind_base_slice(L, 2)));
}

static int l_map_count(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)check_map(L)->count);
	return 1;
}

struct walk { lua_State *L; lua_Integer left; };

static bool take_entry(void *arg, struct slice key, void *value)
{
	struct walk *w = arg;

	lua_pushlstring(w->L, key.ptr, key.len);
	push_value(w->L, value);
	lua_rawset(w->L, -3);
	return --w->left > 0;
}

/* first(n) -> table of the first n entries of a walk */
static int l_map_first(lua_State *L)
{
	struct walk w = { L, luaL_checkinteger(L, 2) };

	lua_newtable(L);
	map_each(check_map(L), take_entry, &w);
	return 1;
}

static int l_map_free(lua_State *L)
{
	map_free(check_map(L), NULL);
	return 0;
}

static int l_map_new(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "put", l_map_put }, { "get", l_map_get }, { "remove", l_map_remove },
		{ "count", l_map_count }, { "first", l_map_first }, { "free", l_map_free },
		{ "__gc", l_map_free }, { NULL, NULL },
	};

	map_init(lua_newuserdatauv(L, sizeof(struct map), 0));
	set_class(L, MAP_MT, methods);
	return 1;
}

void bind_base_memory(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "buf", l_buf_new }, { "arena", l_arena_new }, { "map", l_map_new }, { NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
}
