/* The pool always calls done(), cancelled or not; a call that was cancelled is never touched. */
#include "script/job.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "script/state.h"

static const char metatable[] = "moonpost.Job";

static void unref(struct job *j)
{
	if (--j->references > 0)
		return;
	if (j->clear)
		j->clear(j);
	free(j);
}

static void on_run(struct work *w)
{
	struct job *j = CONTAINER_OF(w, struct job, work);

	j->run(j);
}

static void on_done(struct work *w)
{
	struct job *j = CONTAINER_OF(w, struct job, work);

	if (!w->cancelled)
		call_wake(j->ticket);
	unref(j);
}

static void cancel(void *op)
{
	struct job *j = op;

	work_cancel(j->pool, &j->work);
}

static int l_gc(lua_State *L)
{
	struct job **box = lua_touserdata(L, 1);

	if (*box)
		unref(*box);
	*box = NULL;
	return 0;
}

void *job_new(lua_State *L, size_t size, job_fn *run, job_fn *clear, const char *what)
{
	struct call *c = call_check(L, what);
	struct script *s = script_of(L);
	struct job **box, *j;

	if (!s->setup.work)
		luaL_error(L, "%s: there is no thread pool here", what);
	box = lua_newuserdatauv(L, sizeof(*box), 0);
	*box = NULL;
	luaL_setmetatable(L, metatable);
	j = *box = mem_alloc(size);
	j->work.run = on_run;
	j->work.done = on_done;
	list_init(&j->work.link);
	j->pool = s->setup.work;
	j->ticket = call_ticket(c);
	j->references = 1;
	j->run = run;
	j->clear = clear;
	return j;
}

int job_submit(lua_State *L, struct job *j, lua_KFunction when_done)
{
	j->references++;
	work_submit(j->pool, &j->work);
	return call_suspend(L, j->ticket.call, cancel, j, when_done);
}

void *job_result(lua_State *L)
{
	for (int i = lua_gettop(L); i > 0; i--) {
		struct job **box = luaL_testudata(L, i, metatable);

		if (box)
			return *box;
	}
	luaL_error(L, "the job is not on the stack");
	return NULL;
}

void job_prepare(lua_State *L)
{
	luaL_newmetatable(L, metatable);
	lua_pushcfunction(L, l_gc);
	lua_setfield(L, -2, "__gc");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
}
