/* A pool of threads for blocking work: password hashing, reading files.  Plain bytes in and out;
 * no Lua, no sessions on threads. */
#ifndef MOONPOST_NET_WORK_H
#define MOONPOST_NET_WORK_H

#include "net/loop.h"

struct work_pool;

/* A job; embedded in its owner, which must live until done() ran, cancelled or not. */
struct work {
	struct list link;
	void      (*run)(struct work *w);             /* on a thread */
	void      (*done)(struct work *w);            /* on the loop, after run */
	bool        cancelled;                        /* done() should only clean up */
	enum work_state { WORK_IDLE, WORK_QUEUED, WORK_RUNNING, WORK_OVER } state;  /* pool's own */
};

/* name is copied (at most 15 octets) to the threads.  Threads start with the first jobs, in the
 * process that submits them: a pool may be made before fork(). */
struct work_pool *work_pool_new(struct loop *l, unsigned threads, const char *name);

/* Waits for running jobs; all that are not done get their done() in here. */
void work_pool_free(struct work_pool *p);

/* run and done are set, the rest is zero or as the last done() left it. */
void work_submit(struct work_pool *p, struct work *w);

/* Not started: done() comes on the next turn without run().  Running: done() comes when it is
 * over. */
void work_cancel(struct work_pool *p, struct work *w);

#endif
