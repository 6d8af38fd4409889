/* Which sessions a registration wants: the third argument of plugin:hook.  Decided in C, so that
 * a session that no plugin wants never enters Lua. */
#ifndef MOONPOST_SCRIPT_FILTERS_H
#define MOONPOST_SCRIPT_FILTERS_H

#include <lua.h>

#include "script/plugin.h"

/* Read { priority =, listeners =, protocol =, services =, tls =, signed_in = } at index, or
 * nothing; raises an error for what it does not know.  Does not set l->listeners. */
void filters_read(lua_State *L, int index, struct listener *l);

/* The names in `listeners` of the table at index, checked by filters_read: heap, borrowed from the
 * configuration, ended by NULL.  NULL: all. */
const char **filters_names(lua_State *L, int index);

#endif
