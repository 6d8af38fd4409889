/* Between the files of bind_net: the loop, and calling Lua from its events. */
#ifndef MOONPOST_SPEC_BIND_NET_H
#define MOONPOST_SPEC_BIND_NET_H

#include <lauxlib.h>
#include <lua.h>

#include "base/status.h"

struct loop;

struct loop *bind_net_loop(void);

/* The state that runs the loop: push the function and its arguments there, then call. */
lua_State *bind_net_lua(void);
void bind_net_call(int nargs);

int bind_net_push_status(lua_State *L, enum status st);   /* nil and its name */
int bind_net_push_errno(lua_State *L);                    /* nil and its text */
void bind_net_type(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction gc);

/* Add their functions to the table on top. */
void bind_net_add_streams(lua_State *L);
void bind_net_add_sockets(lua_State *L);

#endif
