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

/* Push the object for a message on its way in. */
void arguments_push_message(lua_State *L, struct message *m, struct handle **lent);

/* The message at index, or NULL when it is something else or not lent any more. */
struct message *arguments_message(lua_State *L, int index);

/* Make the metatables; once per state. */
void arguments_prepare(lua_State *L);

#endif
