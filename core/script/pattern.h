/* string.find, match, gmatch and gsub for plugins: Lua's patterns, but with a bound on the steps
 * of one match.  Lua's own run in C, where no hook stops a pattern that backtracks for minutes. */
#ifndef MOONPOST_SCRIPT_PATTERN_H
#define MOONPOST_SCRIPT_PATTERN_H

#include <lua.h>

/* Add the functions to the table on top. */
void pattern_register(lua_State *L);

#endif
