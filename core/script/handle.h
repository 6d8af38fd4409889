/* A pointer that two sides share: a Lua object and the C code that lent it something.  The lender
 * takes it back when the hook is over; an object that a plugin kept then finds NULL. */
#ifndef MOONPOST_SCRIPT_HANDLE_H
#define MOONPOST_SCRIPT_HANDLE_H

#include <lua.h>

#include <stdbool.h>

struct handle { void *target; unsigned references; };

/* Push a userdata of the metatable that holds a handle for target; *lender is the other end (NULL
 * before, given back with handle_revoke). */
void handle_push(lua_State *L, const char *metatable, void *target, struct handle **lender);
void handle_revoke(struct handle **lender);       /* *lender becomes NULL; NULL is fine */

/* The target of the userdata at index; an error that says `gone` when it was taken back. */
void *handle_check(lua_State *L, int index, const char *metatable, const char *gone);

/* The same without errors: NULL when it is another type or was taken back. */
void *handle_test(lua_State *L, int index, const char *metatable);

/* __gc of such userdata. */
int handle_gc(lua_State *L);

#endif
