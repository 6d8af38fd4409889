/* Functions of Lua's library that run in C for as long as a plugin likes, where no hook of the
 * guard reaches them, with bounds; patterns have a file of their own. */
#ifndef MOONPOST_SCRIPT_BOUNDS_H
#define MOONPOST_SCRIPT_BOUNDS_H

#include <lua.h>

enum {
	BOUNDS_ELEMENTS_MAX = 1000 * 1000,   /* that one call of a table function touches */
	BOUNDS_DEPTH_MAX    = 1000,          /* calls within calls, where pcall still works */
};

/* In the shared string and table libraries; before plugins get their copies. */
void bounds_prepare(lua_State *L);

/* pcall, xpcall and setmetatable of a sandbox, into the table on top. */
void bounds_register(lua_State *L);

#endif
