/* Running the configuration file in a restricted Lua: pure functions and os.getenv. */
#ifndef MOONPOST_SCRIPT_CONFIG_RUN_H
#define MOONPOST_SCRIPT_CONFIG_RUN_H

#include <lua.h>

#include "base/slice.h"

/* The state with the configuration's table on top of its stack.
 * NULL: *error (heap) is one line "file:line: what". */
lua_State *config_run(const char *file, struct slice source, char **error);
void config_run_close(lua_State *L);              /* NULL is fine */

#endif
