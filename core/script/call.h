/* One call of a plugin's function: a coroutine from a pool, run by the event loop.
 *
 * A caller gives a C function `main` that runs inside the coroutine: it pushes the arguments,
 * calls the plugin with call_function and reads the results, all protected.  done() comes when it is
 * over, from call_start or later from the loop; never after call_cancel.
 *
 * A library function that waits stores how to cancel first, then suspends:
 *
 *     struct call *c = call_check(L, "mail.sleep");
 *     ... start the operation; its completion calls call_wake(&op->ticket) ...
 *     return call_suspend(L, c, cancel, op, when_awake);
 */
#ifndef MOONPOST_SCRIPT_CALL_H
#define MOONPOST_SCRIPT_CALL_H

#include <lua.h>

#include "base/list.h"
#include "base/slice.h"
#include "net/loop.h"
#include "script/guard.h"

struct script;
struct plugin;
struct call;
struct stats;

enum call_outcome { CALL_OK, CALL_FAILED, CALL_TIMEOUT };

typedef void call_done_fn(void *owner, enum call_outcome outcome);
typedef void call_gone_fn(void *owner);
typedef void call_cancel_fn(void *op);

enum { CALL_WAITS = 240 };

struct call {
	struct list     link;             /* in script->calls or script->idle_calls */
	struct script  *script;
	struct plugin  *plugin;
	const char     *hook;             /* "accept_recipient", for the log */
	const char     *session;          /* id, for the log; or NULL; must outlive the call */
	int             fn;               /* registry reference of the plugin's function, or of the */
	const char     *member;           /* table where it has this name; for the log */
	lua_State      *co;
	int             ref;              /* keeps co alive */
	uint32_t        generation;       /* changes when the call ends */
	bool            running;          /* inside lua_resume */
	bool            cancelled;        /* while running */
	int             arguments;        /* call_start_later: of the first turn, which is to come */
	bool            detached;         /* no session waits for it: it may live to the very end */
	bool            waiting;          /* an operation is in flight: op, cancel */
	void           *op;
	call_cancel_fn *cancel;
	struct call    *parent, *root;    /* a child of mail.all and friends; else NULL, itself */
	unsigned        children;         /* of a root: alive, at all depths */
	struct guard_budget budget, *spend;       /* spend: the root's */
	struct stats   *stats;            /* of its plugin and hook; a child's is its root's */
	uint64_t        began_ns, cpu_ns; /* first turn; in Lua, children included */
	uint64_t        ended_ns;         /* valid in done() */
	const char     *what;             /* the library function that waits: "mail.sleep" */
	char            detail[80];       /* and for what: "MX example.test", or "" */
	uint64_t        wait_ns;          /* since then */
	struct call_waits { size_t len; char text[CALL_WAITS]; } waits;   /* of a root: what it waited for */
	char           *failure;          /* of a child: what its parent is told; until the next use */
	struct timer    wall;
	uint32_t        wall_ms;          /* 0: none */
	const char     *wall_key;         /* that sets it */
	struct tick     tick;             /* resumes it */
	lua_KFunction   then;             /* call_function: what follows */
	int             base;             /* where its message handler stands */
	call_done_fn   *done;
	call_gone_fn   *gone;             /* or NULL: told when a cancelled call is over */
	void           *owner;
};

/* To wake a call that may be gone by then. */
struct call_ticket { struct call *call; uint32_t generation; };

/* NULL: Lua is out of memory. */
struct call *call_new(struct script *s, struct plugin *p, const char *hook, call_done_fn *done,
                      void *owner);

/* A child of the running call: its CPU time and slices are the parent's, its time-out is none of its
 * own; failures are not logged.  The parent cancels it before it ends itself. */
struct call *call_new_child(struct call *parent, call_done_fn *done, call_gone_fn *gone, void *owner);

/* Before it starts: the limits of background work (lua.background_cpu, lua.background_wall). */
void call_background(struct call *c);

void call_start(struct call *c, lua_CFunction main);     /* main(lightuserdata owner) */
void call_start_later(struct call *c, lua_CFunction main);   /* on the loop's next turn */
/* The same with values that are moved from the top of another stack behind the owner.  False: no
 * memory; nothing was moved, the call did not start. */
bool call_start_with(struct call *c, lua_CFunction main, lua_State *from, int arguments);

/* It waits and is to wait no longer: a time-out, with this text in the log. */
void call_expire(struct call *c, const char *text);

/* done() does not come any more; gone() does, later when the call is inside of Lua now. */
void call_cancel(struct call *c);

/* In main and what follows it: call the plugin's function that stands below its arguments, then go
 * on with `then`, the results on top of what was below the function.  Errors end the call. */
int call_function(lua_State *L, int arguments, int results, lua_KFunction then, void *context);

/* The call that runs; raises an error that names `what` where nothing may wait. */
struct call *call_check(lua_State *L, const char *what);
struct call_ticket call_ticket(struct call *c);
int  call_suspend(lua_State *L, struct call *c, call_cancel_fn *cancel, void *op, lua_KFunction k);
void call_wake(struct call_ticket t);

/* Between call_check and call_suspend: what exactly is waited for, "MX example.test"; cut to fit.  For
 * `moonpost why`, so no secrets. */
void call_detail(struct call *c, struct slice detail);

/* The value that marks a yield as ours, for coroutine.resume of the sandbox. */
extern const char call_marker;

void call_free_all(struct script *s);

#endif
