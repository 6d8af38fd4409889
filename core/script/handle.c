/* Reference counts of two. */
#include "script/handle.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "base/mem.h"

static void unref(struct handle *h)
{
	if (--h->references == 0)
		free(h);
}

void handle_push(lua_State *L, const char *metatable, void *target, struct handle **lender)
{
	struct handle **box = lua_newuserdatauv(L, sizeof(*box), 1);

	*box = NULL;
	luaL_setmetatable(L, metatable);
	*box = MEM_NEW(struct handle);
	**box = (struct handle){ target, 2 };
	handle_revoke(lender);
	*lender = *box;
}

void handle_revoke(struct handle **lender)
{
	if (!*lender)
		return;
	(*lender)->target = NULL;
	unref(*lender);
	*lender = NULL;
}

void *handle_check(lua_State *L, int index, const char *metatable, const char *gone)
{
	struct handle **box = luaL_checkudata(L, index, metatable);

	if (!*box || !(*box)->target) {
		luaL_error(L, "%s", gone);
		return NULL;                      /* never reached: the error unwinds */
	}
	return (*box)->target;
}

void *handle_test(lua_State *L, int index, const char *metatable)
{
	struct handle **box = luaL_testudata(L, index, metatable);

	return box && *box ? (*box)->target : NULL;
}

int handle_gc(lua_State *L)
{
	struct handle **box = lua_touserdata(L, 1);

	if (*box)
		unref(*box);
	*box = NULL;
	return 0;
}
