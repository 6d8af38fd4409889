/* The arguments of each hook, and the envelope, as plugins see them. */
#ifndef MOONPOST_SCRIPT_ARGUMENTS_H
#define MOONPOST_SCRIPT_ARGUMENTS_H

#include <lua.h>

#include "hook/envelope.h"
#include "hook/question.h"
#include "script/handle.h"

/* Push what the question's hook takes; the number pushed.  *lent is revoked when it is over. */
int arguments_push(lua_State *L, struct question *q, struct handle **lent);

void arguments_push_envelope(lua_State *L, const struct envelope *e);

#endif
