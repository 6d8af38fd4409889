/* The guard stops Lua that computes too long.  A timer of the thread's processor time ticks while
 * the worker computes; a tick that finds Lua running arms a count hook, so that calls in time pay
 * nothing.  A late call that can yield gives way to others (a slice); one over its whole budget
 * gets an error that pcall cannot keep: the hook stays armed. */
#ifndef MOONPOST_SCRIPT_GUARD_H
#define MOONPOST_SCRIPT_GUARD_H

#include <lua.h>

#include <stdbool.h>
#include <stdint.h>

/* Time used by one call with its children, in ticks. */
struct guard_budget {
	unsigned    used, limit;
	unsigned    slice;                /* used in this turn of the loop */
	uint64_t    turn;
	const char *key;                  /* that sets the limit; NULL: lua.cpu */
};

struct guard {
	lua_State *volatile L;            /* the coroutine that runs now, or NULL */
	struct guard_budget *budget;      /* of the call that runs now */
	volatile unsigned    slice;       /* ticks since the call got its turn */
	unsigned             slice_limit;
	volatile bool        armed;       /* the hook is set on L */
	bool                 sliced;      /* the last yield was ours */
	bool                 tripped;     /* over the budget: everything fails until the call is over */
};

/* What a nested guard_enter restores. */
struct guard_frame {
	struct guard *running;
	lua_State    *L;
	struct guard_budget *budget;
	unsigned      slice;
	bool          tripped;
};

enum { GUARD_TICK_MS = 5 };

/* Milliseconds as ticks, at least one. */
unsigned guard_ticks(uint32_t ms);

/* Start the timer of this thread (once; later calls do nothing). */
void guard_start(void);

/* Lua runs on L from here until guard_leave. */
void guard_enter(struct guard *g, lua_State *L, struct guard_budget *budget,
                 struct guard_frame *before);
/* The same; what the budget's calls computed in this turn already counts for the slice. */
void guard_enter_turn(struct guard *g, lua_State *L, struct guard_budget *budget, uint64_t turn,
                      struct guard_frame *before);
void guard_leave(struct guard *g, const struct guard_frame *before);

/* Inside a call: another coroutine runs now (coroutine.resume); returns the one before. */
lua_State *guard_switch(struct guard *g, lua_State *L);

/* The guard of a state, kept by state.c. */
struct guard *guard_of(lua_State *L);

#endif
