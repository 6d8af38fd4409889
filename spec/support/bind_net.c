/* core/net for specs.  One loop per process; run(ms, condition) drives it.  Callbacks are Lua
 * functions; what they raise comes out of run(). */
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/loop.h"
#include "net/work.h"
#include "bind_net.h"

int luaopen_bind_net(lua_State *L);

static struct loop *loop;
static lua_State *lua;                        /* whoever runs the loop */
static int raised = LUA_NOREF;                /* what a callback raised */
static bool running;

struct loop *bind_net_loop(void)
{
	if (loop == NULL)
		loop = loop_new();
	return loop;
}

lua_State *bind_net_lua(void)
{
	return lua;
}

/* Call the function below nargs arguments; errors are kept for run(). */
void bind_net_call(int nargs)
{
	if (lua_pcall(lua, nargs, 0, 0) != LUA_OK) {
		if (raised == LUA_NOREF)
			raised = luaL_ref(lua, LUA_REGISTRYINDEX);
		else
			lua_pop(lua, 1);
	}
	if (running)
		loop_stop(loop);
}

int bind_net_push_status(lua_State *L, enum status st)
{
	lua_pushnil(L);
	lua_pushstring(L, status_name(st));
	return 2;
}

int bind_net_push_errno(lua_State *L)
{
	lua_pushnil(L);
	lua_pushstring(L, strerror(errno));
	return 2;
}

/* ---- the loop ---- */

static int raise_kept(lua_State *L)
{
	if (raised == LUA_NOREF)
		return 0;
	lua_rawgeti(L, LUA_REGISTRYINDEX, raised);
	luaL_unref(L, LUA_REGISTRYINDEX, raised);
	raised = LUA_NOREF;
	return lua_error(L);
}

static void on_time_up(void *owner)
{
	*(bool *)owner = true;
	loop_stop(loop);
}

/* run(ms [, condition]): true as soon as condition() is, false when the time is up */
static int l_run(lua_State *L)
{
	bool up = false, met = false;
	struct timer limit;
	bool has_condition = lua_isfunction(L, 2);

	lua = L;
	timer_init(&limit, bind_net_loop(), on_time_up, &up);
	timer_start(&limit, (uint64_t)luaL_checkinteger(L, 1));
	while (!up && !met && raised == LUA_NOREF) {
		if (has_condition) {
			lua_pushvalue(L, 2);
			lua_call(L, 0, 1);
			met = lua_toboolean(L, -1);
			lua_pop(L, 1);
			if (met)
				break;
		}
		running = true;
		loop_run(loop);
		running = false;
	}
	timer_stop(&limit);
	raise_kept(L);
	lua_pushboolean(L, met);
	return 1;
}

/* now_ms(): the monotonic clock, faked or not */
static int l_now_ms(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)clock_ms());
	return 1;
}

/* sleep_ms(ms): without the loop */
static int l_sleep_ms(lua_State *L)
{
	usleep((useconds_t)luaL_checkinteger(L, 1) * 1000);
	return 0;
}

static struct { struct tick tick; lua_Integer left; } turns;

static void on_turn(void *owner)
{
	(void)owner;
	if (turns.left-- > 0)
		loop_tick(loop, &turns.tick);
	else
		loop_stop(loop);
}

/* turns(n): n turns of the loop, without sleeping; for specs on the fake clock */
static int l_turns(lua_State *L)
{
	lua = L;
	turns.left = luaL_checkinteger(L, 1);
	tick_init(&turns.tick, on_turn, NULL);
	loop_tick(bind_net_loop(), &turns.tick);
	loop_run(loop);
	return raise_kept(L);
}

struct callback {
	struct timer timer;
	struct tick  tick;
	struct watch *watch;
	int          fn;
};

static void call_callback(void *owner)
{
	struct callback *c = owner;

	lua_rawgeti(lua, LUA_REGISTRYINDEX, c->fn);
	bind_net_call(0);
}

static void call_events(void *owner, int events)
{
	struct callback *c = owner;

	lua_rawgeti(lua, LUA_REGISTRYINDEX, c->fn);
	lua_pushinteger(lua, events);
	bind_net_call(1);
}

static struct callback *check_callback(lua_State *L)
{
	return luaL_checkudata(L, 1, "net.callback");
}

/* callback(fn): an object that is a timer, a tick and a watch */
static int l_callback(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TFUNCTION);
	struct callback *c = lua_newuserdatauv(L, sizeof(*c), 0);

	c->watch = NULL;
	lua_pushvalue(L, 1);
	c->fn = luaL_ref(L, LUA_REGISTRYINDEX);
	timer_init(&c->timer, bind_net_loop(), call_callback, c);
	tick_init(&c->tick, call_callback, c);
	luaL_setmetatable(L, "net.callback");
	return 1;
}

static int l_callback_start(lua_State *L)
{
	timer_start(&check_callback(L)->timer, (uint64_t)luaL_checkinteger(L, 2));
	return 0;
}

static int l_callback_stop(lua_State *L)
{
	timer_stop(&check_callback(L)->timer);
	return 0;
}

static int l_callback_tick(lua_State *L)
{
	loop_tick(bind_net_loop(), &check_callback(L)->tick);
	return 0;
}

static int l_callback_untick(lua_State *L)
{
	tick_cancel(&check_callback(L)->tick);
	return 0;
}

/* watch(fd, events); again with the fd it has: other events */
static int l_callback_watch(lua_State *L)
{
	struct callback *c = check_callback(L);
	int fd = (int)luaL_checkinteger(L, 2), events = (int)luaL_checkinteger(L, 3);

	if (c->watch)
		watch_set(c->watch, events);
	else
		c->watch = watch_new(bind_net_loop(), fd, events, call_events, c);
	return 0;
}

static int l_callback_free(lua_State *L)
{
	struct callback *c = check_callback(L);

	timer_stop(&c->timer);
	tick_cancel(&c->tick);
	watch_free(c->watch);
	c->watch = NULL;
	luaL_unref(L, LUA_REGISTRYINDEX, c->fn);
	c->fn = LUA_NOREF;
	return 0;
}

static void call_signal(void *owner, int signum)
{
	(void)signum;
	lua_rawgeti(lua, LUA_REGISTRYINDEX, (int)(intptr_t)owner);
	bind_net_call(0);
}

/* signal(signum, fn) */
static int l_signal(lua_State *L)
{
	lua_pushvalue(L, 2);
	intptr_t ref = luaL_ref(L, LUA_REGISTRYINDEX);

	loop_signal(bind_net_loop(), (int)luaL_checkinteger(L, 1), call_signal, (void *)ref);
	return 0;
}

static int l_raise(lua_State *L)
{
	raise((int)luaL_checkinteger(L, 1));
	return 0;
}

static void call_child(void *owner, int pid, int status)
{
	int ref = (int)(intptr_t)owner;

	lua_rawgeti(lua, LUA_REGISTRYINDEX, ref);
	luaL_unref(lua, LUA_REGISTRYINDEX, ref);
	lua_pushinteger(lua, pid);
	lua_pushinteger(lua, WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
	bind_net_call(2);
}

/* spawn(exit_code, sleep_ms): pid of a child that ends */
static int l_spawn(lua_State *L)
{
	int code = (int)luaL_checkinteger(L, 1);
	useconds_t sleep_us = (useconds_t)luaL_checkinteger(L, 2) * 1000;
	pid_t pid = fork();

	if (pid == 0) {
		usleep(sleep_us);
		_exit(code);
	}
	lua_pushinteger(L, pid);
	return 1;
}

/* child(pid, fn): fn(pid, exit code or minus the signal) when it ended */
static int l_child(lua_State *L)
{
	lua_pushvalue(L, 2);
	intptr_t ref = luaL_ref(L, LUA_REGISTRYINDEX);

	loop_child(bind_net_loop(), (int)luaL_checkinteger(L, 1), call_child, (void *)ref);
	return 0;
}

static void exit_quietly(void *owner)
{
	_exit(*(int *)owner);
}

/* fork_loop(callback): a child forgets the loop, frees that callback of the parent's, runs a timer
 * in a fresh loop and exits 7 from it; the pid */
static int l_fork_loop(lua_State *L)
{
	pid_t pid = fork();

	if (pid == 0) {
		static int code = 7;
		struct timer t;

		loop = loop_after_fork(loop);
		l_callback_free(L);
		timer_init(&t, loop, exit_quietly, &code);
		timer_start(&t, 20);
		alarm(5);
		loop_run(loop);
		_exit(1);
	}
	lua_pushinteger(L, pid);
	return 1;
}

/* wait(pid): exit code, or minus the signal */
static int l_wait(lua_State *L)
{
	int status = 0;

	if (waitpid((pid_t)luaL_checkinteger(L, 1), &status, 0) < 0)
		return bind_net_push_errno(L);
	lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
	return 1;
}

/* ---- the thread pool ---- */

struct pool { struct work_pool *pool; };

struct job {
	struct work work;
	int         fn, self;
	useconds_t  sleep_us;
	bool        ran, same_thread;
	pthread_t   loop_thread;
};

static void job_run(struct work *w)
{
	struct job *j = CONTAINER_OF(w, struct job, work);

	usleep(j->sleep_us);
	j->same_thread = pthread_equal(pthread_self(), j->loop_thread);
	j->ran = true;
}

static void job_done(struct work *w)
{
	struct job *j = CONTAINER_OF(w, struct job, work);

	lua_rawgeti(lua, LUA_REGISTRYINDEX, j->fn);
	lua_pushboolean(lua, j->ran);
	lua_pushboolean(lua, w->cancelled);
	lua_pushboolean(lua, j->same_thread);
	luaL_unref(lua, LUA_REGISTRYINDEX, j->fn);
	luaL_unref(lua, LUA_REGISTRYINDEX, j->self);
	bind_net_call(3);
}

static struct work_pool *check_pool(lua_State *L)
{
	struct pool *p = luaL_checkudata(L, 1, "net.pool");

	luaL_argcheck(L, p->pool, 1, "pool is freed");
	return p->pool;
}

/* pool(threads) */
static int l_pool(lua_State *L)
{
	struct pool *p = lua_newuserdatauv(L, sizeof(*p), 0);

	p->pool = work_pool_new(bind_net_loop(), (unsigned)luaL_checkinteger(L, 1), "spec");
	luaL_setmetatable(L, "net.pool");
	return 1;
}

/* submit(sleep_ms, fn): the job; fn(ran, cancelled, on the loop's thread) */
static int l_pool_submit(lua_State *L)
{
	struct work_pool *p = check_pool(L);
	struct job *j = lua_newuserdatauv(L, sizeof(*j), 0);

	*j = (struct job){ .work = { .run = job_run, .done = job_done },
	                   .sleep_us = (useconds_t)luaL_checkinteger(L, 2) * 1000,
	                   .loop_thread = pthread_self() };
	lua_pushvalue(L, 3);
	j->fn = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_pushvalue(L, -1);
	j->self = luaL_ref(L, LUA_REGISTRYINDEX);
	work_submit(p, &j->work);
	return 1;
}

static int l_pool_cancel(lua_State *L)
{
	struct job *j = lua_touserdata(L, 2);

	work_cancel(check_pool(L), &j->work);
	return 0;
}

static void exit_7(struct work *w)
{
	_exit(((struct job *)w)->ran ? 7 : 1);
}

/* fork(): pid of a child that uses the pool in a fresh loop and exits 7 when its job ran */
static int l_pool_fork(lua_State *L)
{
	struct work_pool *p = check_pool(L);
	pid_t pid = fork();

	if (pid == 0) {
		static struct job j = { .work = { .run = job_run, .done = exit_7 } };

		alarm(5);
		loop = loop_after_fork(loop);
		work_submit(p, &j.work);
		loop_run(loop);
		_exit(1);
	}
	lua_pushinteger(L, pid);
	return 1;
}

static int l_pool_free(lua_State *L)
{
	struct pool *p = luaL_checkudata(L, 1, "net.pool");

	lua = L;                                         /* the jobs' done() come from here */
	work_pool_free(p->pool);
	p->pool = NULL;
	return 0;
}

void bind_net_type(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction gc)
{
	luaL_newmetatable(L, name);
	luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
}

/* The loop goes last: what was made first is collected last when Lua ends. */
static int l_loop_free(lua_State *L)
{
	(void)L;
	loop_free(loop);
	loop = NULL;
	return 0;
}

static void own_loop(lua_State *L)
{
	static const luaL_Reg nothing[] = { { NULL, NULL } };

	bind_net_type(L, "net.loop", nothing, l_loop_free);
	lua_newuserdatauv(L, 1, 0);
	luaL_setmetatable(L, "net.loop");
	luaL_ref(L, LUA_REGISTRYINDEX);
}

int luaopen_bind_net(lua_State *L)
{
	static const luaL_Reg callback[] = {
		{ "start", l_callback_start }, { "stop", l_callback_stop }, { "tick", l_callback_tick },
		{ "untick", l_callback_untick }, { "watch", l_callback_watch },
		{ "free", l_callback_free }, { NULL, NULL },
	};
	static const luaL_Reg pool[] = {
		{ "submit", l_pool_submit }, { "cancel", l_pool_cancel }, { "fork", l_pool_fork },
		{ "free", l_pool_free },
		{ NULL, NULL },
	};
	static const luaL_Reg functions[] = {
		{ "run", l_run }, { "turns", l_turns }, { "now_ms", l_now_ms },
		{ "sleep_ms", l_sleep_ms }, { "callback", l_callback }, { "signal", l_signal }, { "raise", l_raise },
		{ "spawn", l_spawn },
		{ "child", l_child }, { "fork_loop", l_fork_loop }, { "wait", l_wait }, { "pool", l_pool },
		{ NULL, NULL },
	};

	if (loop == NULL)
		own_loop(L);
	bind_net_type(L, "net.callback", callback, l_callback_free);
	bind_net_type(L, "net.pool", pool, l_pool_free);
	luaL_newlib(L, functions);
	bind_net_add_streams(L);
	bind_net_add_sockets(L);
	return 1;
}
