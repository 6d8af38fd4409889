/* The session object of hooks: who is at the other end, as far as it is known now. */
#ifndef MOONPOST_SCRIPT_SESSION_H
#define MOONPOST_SCRIPT_SESSION_H

#include <lua.h>

#include "hook/question.h"

struct script;

/* The session object of the facts; the same one for all hooks of the session. */
void session_push(lua_State *L, struct facts *f);

/* A table with the same fields, for observers, which may outlive the session. */
void session_push_copy(lua_State *L, const struct facts *f);

/* The session is gone: the object says so from now on. */
void session_close(struct script *s, struct facts *f);

#endif
