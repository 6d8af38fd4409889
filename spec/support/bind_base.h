/* Shared by the binding files of core/base. */
#ifndef MOONPOST_SPEC_BIND_BASE_H
#define MOONPOST_SPEC_BIND_BASE_H

#include <lauxlib.h>
#include <lua.h>

#include "base/slice.h"

/* Push true, or nil and the status name; how many were pushed. */
int bind_base_status(lua_State *L, enum status st);

struct slice bind_base_slice(lua_State *L, int arg);

/* Add buf, arena and map to the table on top of the stack. */
void bind_base_memory(lua_State *L);

#endif
