/* Ticks are counted, not measured: no system call on the way into Lua and out of it. */
#include "script/guard.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>

#include "base/log.h"

/* When the host of a virtual machine does not let it run, the kernel takes the pause for computing
 * and one signal stands for all of its ticks.  A kernel with 100 turns a second signals every second
 * tick; what is missed beyond that was no Lua: a loop gets all its signals. */
enum { TICKS_OF_A_SIGNAL = 3 };

/* The guard whose Lua runs on this thread; read by the signal handler. */
static struct guard *volatile running;

static void on_hook(lua_State *L, lua_Debug *ar);

static void on_tick(int signum, siginfo_t *info, void *context)
{
	struct guard *g = running;
	unsigned ticks = 1 + (info->si_overrun > 0 ? (unsigned)info->si_overrun : 0);

	(void)signum, (void)context;
	if (!g || !g->L)
		return;
	if (ticks > TICKS_OF_A_SIGNAL)
		ticks = TICKS_OF_A_SIGNAL;
	g->budget->used += ticks;
	g->slice += ticks;
	/* Arming walks all frames of the coroutine, which a deep recursion makes longer than a tick:
	 * once is enough. */
	if (!g->armed && (g->slice >= g->slice_limit || g->budget->used >= g->budget->limit)) {
		g->armed = true;
		lua_sethook(g->L, on_hook, LUA_MASKCOUNT, 1);
	}
}

static void on_hook(lua_State *L, lua_Debug *ar)
{
	struct guard *g = guard_of(L);

	(void)ar;
	if (g->tripped || (g->budget && g->budget->used >= g->budget->limit)) {
		g->tripped = true;                /* and the hook stays */
		luaL_where(L, 0);
		lua_pushfstring(L, "it computed for more than %d ms (%s); do less, or leave the work to "
		                "other places", (int)(g->budget ? g->budget->limit * GUARD_TICK_MS : 0),
		                g->budget && g->budget->key ? g->budget->key : "lua.cpu");
		lua_concat(L, 2);
		lua_error(L);
	}
	lua_sethook(L, NULL, 0, 0);
	g->armed = false;
	if (lua_isyieldable(L)) {
		g->sliced = true;
		lua_yield(L, 0);
	}
}

unsigned guard_ticks(uint32_t ms)
{
	return ms <= GUARD_TICK_MS ? 1 : ms / GUARD_TICK_MS;
}

void guard_start(void)
{
	static pid_t started;             /* a fork loses the timer, so the child starts its own */
	struct sigaction action = { .sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGVTALRM };
	struct itimerspec every = { { 0, GUARD_TICK_MS * 1000000L }, { 0, GUARD_TICK_MS * 1000000L } };
	timer_t timer;

	if (started == getpid())
		return;
	started = getpid();
	sigemptyset(&action.sa_mask);
	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	if (sigaction(SIGVTALRM, &action, NULL) != 0 ||
	    timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) != 0 ||
	    timer_settime(timer, 0, &every, NULL) != 0)
		die("cannot start the timer that guards Lua: errno %d", errno);
}

void guard_enter(struct guard *g, lua_State *L, struct guard_budget *budget,
                 struct guard_frame *before)
{
	*before = (struct guard_frame){ running, g->L, g->budget, g->slice, g->tripped };
	g->L = NULL;                      /* a tick in between must not see half of it */
	g->budget = budget;
	g->slice = 0;
	g->sliced = g->tripped = g->armed = false;
	running = g;
	g->L = L;
}

void guard_enter_turn(struct guard *g, lua_State *L, struct guard_budget *budget, uint64_t turn,
                      struct guard_frame *before)
{
	if (budget->turn != turn) {
		budget->turn = turn;
		budget->slice = 0;
	}
	guard_enter(g, L, budget, before);
	g->slice = budget->slice;
	/* A child used up what its parent had: the parent ends with its next step. */
	if (budget->used >= budget->limit) {
		g->armed = true;
		lua_sethook(L, on_hook, LUA_MASKCOUNT, 1);
	}
}

void guard_leave(struct guard *g, const struct guard_frame *before)
{
	lua_State *L = g->L;

	running = before->running;
	g->L = NULL;
	if (L)
		lua_sethook(L, NULL, 0, 0);
	g->armed = false;
	g->budget->slice = g->slice;
	g->budget = before->budget;
	g->slice = before->slice;
	g->tripped = before->tripped;
	g->L = before->L;
}

lua_State *guard_switch(struct guard *g, lua_State *L)
{
	lua_State *before = g->L;

	g->L = NULL;
	g->armed = L && lua_gethook(L) == on_hook;
	g->L = L;
	if (g->tripped && L && !g->armed) {
		g->armed = true;
		lua_sethook(L, on_hook, LUA_MASKCOUNT, 1);
	}
	return before;
}
