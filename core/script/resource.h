/* What plugins hold: locks, sockets and the like are registered with plugin, file and line, so that
 * the end of the worker can say what was forgotten.
 *
 *     struct lock { struct resource *resource; int fd; };         // in the userdata
 *     lock->resource = resource_open(L, "lock");                   // when it is theirs
 *     resource_close(&lock->resource);                             // closed, __close, __gc
 *
 * At the end a plugin holds nothing (its on_stop is the place to let go) and no call of a session is
 * alive: what is, is logged as "plugin leak". */
#ifndef MOONPOST_SCRIPT_RESOURCE_H
#define MOONPOST_SCRIPT_RESOURCE_H

#include <lua.h>

struct script;

struct resource;

/* Belongs to the plugin whose Lua runs, opened at the line that runs.  kind: a static text.  Raises no
 * error; its memory is its own, so that one that nobody closes can still be told. */
struct resource *resource_open(lua_State *L, const char *kind);
void resource_close(struct resource **r);         /* *r becomes NULL; NULL is fine */

/* At the end of a script: calls that their sessions should have ended; what is held when all calls
 * are over; what is left when Lua is closed, which is the core's mistake. */
void resource_report_calls(struct script *s);
void resource_report_held(struct script *s);
void resource_report_lost(struct script *s);

#endif
