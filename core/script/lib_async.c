/* mail.sleep and the clocks. */
#include "script/lib.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "script/state.h"

enum { SLEEP_MAX_S = 3600 };

struct sleeping { struct timer timer; struct call_ticket ticket; };

static const char metatable[] = "moonpost.Sleep";

static void on_timer(void *owner)
{
	struct sleeping *s = owner;

	call_wake(s->ticket);
}

static void cancel(void *op)
{
	struct sleeping *s = op;

	timer_stop(&s->timer);
}

static int when_awake(lua_State *L, int status, lua_KContext context)
{
	(void)L, (void)status, (void)context;
	return 0;
}

static int l_gc(lua_State *L)
{
	struct sleeping *s = lua_touserdata(L, 1);

	timer_stop(&s->timer);
	return 0;
}

/* sleep(seconds): other sessions are served meanwhile; 0 gives way once */
static int l_sleep(lua_State *L)
{
	double seconds = luaL_checknumber(L, 1);
	struct call *c = call_check(L, "mail.sleep");
	struct sleeping *s;

	luaL_argcheck(L, seconds >= 0 && seconds <= SLEEP_MAX_S, 1, "0 to 3600 seconds");
	s = lua_newuserdatauv(L, sizeof(*s), 0);
	s->ticket = call_ticket(c);
	timer_init(&s->timer, script_of(L)->setup.loop, on_timer, s);
	if (luaL_newmetatable(L, metatable)) {
		lua_pushcfunction(L, l_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	if (seconds == 0)
		call_wake(s->ticket);
	else
		timer_start(&s->timer, (uint64_t)(seconds * 1000 + 0.5));
	return call_suspend(L, c, cancel, s, when_awake);
}

/* now() -> seconds since 1970, with fractions */
static int l_now(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)clock_wall_us() / 1e6);
	return 1;
}

void lib_async_register(lua_State *L)
{
	static const luaL_Reg functions[] = { { "sleep", l_sleep }, { "now", l_now }, { NULL, NULL } };

	luaL_setfuncs(L, functions, 0);
}
