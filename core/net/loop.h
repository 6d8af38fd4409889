/* The event loop of a process: one libev loop, timers, the next-tick queue, signals, children.
 * Everything here is called from the loop's own thread; other threads come back to it through
 * net/work.h.  SIGPIPE is ignored from loop_new on. */
#ifndef MOONPOST_NET_LOOP_H
#define MOONPOST_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct loop;
struct ev_loop;

struct loop *loop_new(void);
void loop_free(struct loop *l);
void loop_run(struct loop *l);                    /* until loop_stop */
void loop_stop(struct loop *l);
uint64_t loop_turn(const struct loop *l);         /* number of the turn, from 1 on */
struct ev_loop *loop_ev(struct loop *l);          /* for files of core/net alone */

/* A call on the loop's next turn; embedded in its owner.  Scheduling twice is scheduling once. */
struct tick {
	struct list  link;
	void       (*fn)(void *owner);
	void        *owner;
	bool         scheduled;
};
void tick_init(struct tick *t, void (*fn)(void *owner), void *owner);
void loop_tick(struct loop *l, struct tick *t);
void tick_cancel(struct tick *t);

/* A one-shot timer, embedded in its owner.  Never early; late by about 5 ms.  Restarting it later
 * than it was is one store to memory, so a time-out may be restarted on every command. */
struct timer {
	struct list  link;
	struct loop *loop;
	uint64_t     at_ms;               /* due at this clock_ms(); 0 when not armed */
	void       (*fn)(void *owner);
	void        *owner;
};
void timer_init(struct timer *t, struct loop *l, void (*fn)(void *owner), void *owner);
void timer_start(struct timer *t, uint64_t in_ms);     /* again from now when armed */
void timer_stop(struct timer *t);

/* A watched descriptor; heap.  events: LOOP_READABLE | LOOP_WRITABLE. */
enum { LOOP_READABLE = 1, LOOP_WRITABLE = 2 };
struct watch;
typedef void watch_fn(void *owner, int events);
struct watch *watch_new(struct loop *l, int fd, int events, watch_fn *fn, void *owner);
void watch_set(struct watch *w, int events);      /* 0: none */
void watch_free(struct watch *w);                 /* does not close the descriptor; NULL is fine */

/* Call fn in the loop when the process gets the signal. */
void loop_signal(struct loop *l, int signum, void (*fn)(void *owner, int signum), void *owner);

/* Call fn once when the child ends; status as from waitpid.  Nobody else may wait for it. */
void loop_child(struct loop *l, int pid, void (*fn)(void *owner, int pid, int status), void *owner);

/* After fork() in the child: forget the parent's ticks, timers, watches, signals and children and
 * start afresh.  Things made before may still be freed; they do nothing else.  Returns l. */
struct loop *loop_after_fork(struct loop *l);

#endif
