/* The coroutine library of plugins.  A library function that waits (mail.sleep) inside a plugin's
 * own coroutine suspends the whole call, not that coroutine. */
#ifndef MOONPOST_SCRIPT_COROUTINE_H
#define MOONPOST_SCRIPT_COROUTINE_H

#include <lua.h>

/* Add the functions to the table on top. */
void coroutine_register(lua_State *L);

#endif
