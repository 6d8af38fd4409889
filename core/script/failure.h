/* Failed calls in the log: plugin, hook, file and line of the function, session, text. */
#ifndef MOONPOST_SCRIPT_FAILURE_H
#define MOONPOST_SCRIPT_FAILURE_H

#include <lua.h>

#include <stddef.h>

struct call;

/* Of a child the text is kept (call->failure) for its parent, which raises it. */
void failure_log(struct call *c, const char *text, const char *traceback);

/* The same with the error on top of its coroutine. */
void failure_report(struct call *c);

/* "plugins/one.lua:12" of the innermost function in Lua, or "". */
void failure_where(lua_State *L, char *out, size_t size);

/* "plugins/one.lua:10": where the function of the call begins; NULL where it is not known.  Heap. */
char *failure_function(struct call *c);

#endif
