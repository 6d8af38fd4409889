/* What a hook returned, checked and turned into the answer of its question. */
#ifndef MOONPOST_SCRIPT_ANSWER_H
#define MOONPOST_SCRIPT_ANSWER_H

#include <lua.h>

#include "hook/question.h"

/* The hook's two results are on top of the stack.  Fills q->verdict and the answer fields; the
 * verdict's kind stays NONE when the hook has no opinion.  Targets that are to be resolved first
 * (redirect) have no mailbox yet.  Raises an error for what no hook may return. */
void answer_read(lua_State *L, struct question *q, const char *default_domain);

/* The verdict of a hook that failed. */
void answer_failed(struct question *q);

#endif
