/* What plugins see: an environment of their own with copies of the harmless libraries.  Made for
 * authors who cooperate, not a security border. */
#ifndef MOONPOST_SCRIPT_SANDBOX_H
#define MOONPOST_SCRIPT_SANDBOX_H

#include <lua.h>

struct plugin;

/* Prepare a new state: string methods, metatables, libraries. */
void sandbox_prepare(lua_State *L);

/* Push the environment for a plugin. */
void sandbox_push(lua_State *L, struct plugin *p);

#endif
