/* Typed answers of hooks: mail.accept, mail.reject, mail.tempfail, mail.discard, mail.disconnect,
 * mail.delay, mail.keep.  They check themselves when they are made, where the author sees it. */
#ifndef MOONPOST_SCRIPT_VALUES_H
#define MOONPOST_SCRIPT_VALUES_H

#include <lua.h>

#include "hook/verdict.h"

/* The answer at index, or NULL when it is something else.  Its options table (mail.accept{...})
 * is its user value 1. */
const struct verdict *values_verdict(lua_State *L, int index);

/* Add the constructors to the table on top. */
void values_register(lua_State *L);

#endif
