/* plugin:options{...}: the plugin says what options it takes, the configuration's values are
 * checked against that; every error has the configuration's file:line. */
#ifndef MOONPOST_SCRIPT_OPTIONS_H
#define MOONPOST_SCRIPT_OPTIONS_H

#include <lua.h>

struct plugin;

/* The declaration is at index 2; pushes the table of values. */
int options_read(lua_State *L, struct plugin *p);

#endif
