/* The object that on_delete hooks get: one message that is about to be deleted. */
#ifndef MOONPOST_SCRIPT_DELETION_H
#define MOONPOST_SCRIPT_DELETION_H

#include <lua.h>

#include "hook/question.h"
#include "script/handle.h"

struct script;

void deletion_push(lua_State *L, struct question *q, struct handle **lent);
void deletion_prepare(lua_State *L);

/* The session ended and its maildrop with it: reads that nobody waits for are forgotten. */
void deletion_forget(struct script *s, const struct facts *f);

#endif
