/* The library that plugins get from require "moonpost". */
#ifndef MOONPOST_SCRIPT_LIB_H
#define MOONPOST_SCRIPT_LIB_H

#include <lua.h>

#include "base/slice.h"

/* Push a new table with the whole library. */
void lib_push(lua_State *L);

/* Each adds its part to the table on top. */
void lib_async_register(lua_State *L);    /* sleep, now */
void lib_parallel_register(lua_State *L); /* timeout, all, any */
void lib_spawn_register(lua_State *L);    /* spawn, every */
void lib_log_register(lua_State *L);      /* log */
void lib_bytes_register(lua_State *L);    /* base64, sha256, hex */
void lib_users_register(lua_State *L);    /* users, crypt */
void lib_file_register(lua_State *L);     /* file */
void lib_hooks_register(lua_State *L);    /* hooks */

/* The plugin whose Lua runs, in a call or while it loads; an error that names `what` elsewhere. */
struct plugin *lib_plugin(lua_State *L, const char *what);
void lib_dict_register(lua_State *L);     /* dict */
void lib_limit_register(lua_State *L);    /* limit */
void lib_cache_register(lua_State *L);    /* cache */

/* Push nil and the text: an expected failure. */
int lib_fail(lua_State *L, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline void lib_push_slice(lua_State *L, struct slice s)
{
	lua_pushlstring(L, s.len ? s.ptr : "", s.len);
}

#endif
