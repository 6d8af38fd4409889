/* Blocking work of a library function on the thread pool, while its call is suspended.
 *
 *     struct hashing *h = job_new(L, sizeof(*h), run, clear, "mail.crypt.verify");
 *     ... fill in plain bytes ...
 *     return job_submit(L, &h->job, when_done);      // when_done: job_result(L) is h again
 *
 * The job belongs to a userdata on the caller's stack and to the pool; the last one frees it. */
#ifndef MOONPOST_SCRIPT_JOB_H
#define MOONPOST_SCRIPT_JOB_H

#include <lua.h>

#include "net/work.h"
#include "script/call.h"

struct job;
typedef void job_fn(struct job *j);

struct job {
	struct work       work;
	struct work_pool *pool;
	struct call_ticket ticket;
	unsigned          references;
	job_fn           *run;            /* on a thread: no Lua */
	job_fn           *clear;          /* frees what the job holds; may be NULL */
};

/* Pushes the userdata; raises an error that names `what` where nothing may wait. */
void *job_new(lua_State *L, size_t size, job_fn *run, job_fn *clear, const char *what);
int   job_submit(lua_State *L, struct job *j, lua_KFunction when_done);

/* In when_done. */
void *job_result(lua_State *L);

void job_prepare(lua_State *L);

#endif
