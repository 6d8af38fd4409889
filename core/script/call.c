/* Calls: start, suspend, wake, finish, cancel, and the pool of their coroutines. */
#include "script/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "script/failure.h"
#include "script/plugin.h"
#include "script/state.h"
#include "script/stats.h"

const char call_marker = 0;

enum { CLOSE_MS = 50 };               /* for to-be-closed variables of a call that was stopped */

static void resume(struct call *c, int arguments);

static int l_new_thread(lua_State *L)
{
	struct call *c = lua_touserdata(L, 1);

	lua_State *co = lua_newthread(L);

	c->ref = luaL_ref(L, LUA_REGISTRYINDEX);
	c->co = co;
	return 0;
}

/* ---- the end of a call ---- */

/* Close the coroutine: to-be-closed variables run, under a budget of their own.  It is not used
 * again: one that was closed inside of a protected call keeps that call's message handler, whose
 * place on the stack is gone. */
static void reset_thread(struct call *c)
{
	struct guard_budget budget = { .limit = guard_ticks(CLOSE_MS) };
	struct guard_frame before;
	struct script *s = c->script;
	struct call *outer = s->current;

	int status = lua_status(c->co);
	bool failed = status != LUA_OK && status != LUA_YIELD;

	s->current = NULL;
	guard_enter(&s->guard, c->co, &budget, &before);
	if (lua_resetthread(c->co) != LUA_OK && !failed)
		log_warn("plugin failed while a stopped call was cleaned up", "plugin",
		         plugin_name(c->plugin), "hook", c->hook, NULL);
	guard_leave(&s->guard, &before);
	s->current = outer;
	luaL_unref(s->L, LUA_REGISTRYINDEX, c->ref);
	c->co = NULL;
}

static void stop_waiting(struct call *c)
{
	call_cancel_fn *cancel = c->cancel;

	c->cancel = NULL;
	if (c->waiting && cancel)
		cancel(c->op);
	c->waiting = false;
	c->op = NULL;
}

/* Out of use; the pool gets it back. */
static void retire(struct call *c)
{
	stop_waiting(c);
	c->generation++;
	timer_stop(&c->wall);
	tick_cancel(&c->tick);
	list_remove(&c->link);
	list_append(&c->script->idle_calls, &c->link);
	c->plugin->calls--;
	if (c->parent)
		c->root->children--;
	else
		c->stats->numbers.live--;
	c->stats->numbers.changed = true;
	c->script->numbers.running--;
}

static void finish(struct call *c, enum call_outcome outcome, uint64_t now)
{
	call_done_fn *done = c->done;
	void *owner = c->owner;

	c->ended_ns = now;
	if (!c->parent)
		stats_add(c, outcome, now);
	if (outcome != CALL_OK) {
		c->script->numbers.errors += !c->parent;
		reset_thread(c);
	} else {
		lua_settop(c->co, 0);
	}
	retire(c);
	done(owner, outcome);
}

/* Cancelled, and out of Lua. */
static void drop(struct call *c)
{
	call_gone_fn *gone = c->gone;
	void *owner = c->owner;

	if (!c->parent)
		c->stats->numbers.cpu_ns += c->cpu_ns;
	stop_waiting(c);
	reset_thread(c);
	retire(c);
	if (gone)
		gone(owner);
}

void call_expire(struct call *c, const char *text)
{
	stop_waiting(c);
	failure_log(c, text, NULL);
	finish(c, CALL_TIMEOUT, clock_ns());
}

static void on_wall(void *owner)
{
	struct call *c = owner;
	char where[LUA_IDSIZE + 16], text[sizeof(where) + 80];

	failure_where(c->co, where, sizeof(where));
	snprintf(text, sizeof(text), "%s%sno answer after %u ms (%s)", where, *where ? ": " : "",
	         c->wall_ms, c->wall_key);
	call_expire(c, text);
}

/* ---- running ---- */

/* " 812 us" behind what it waited for. */
static void note_wait(struct call *c)
{
	struct call_waits *w = &c->root->waits;
	size_t room = sizeof(w->text) - w->len;
	int n = snprintf(w->text + w->len, room, "%s%s%s%s %llu us", w->len ? ", " : "", c->what,
	                 *c->detail ? " " : "", c->detail,
	                 (unsigned long long)((clock_ns() - c->wait_ns) / 1000));

	w->len = n > 0 && (size_t)n < room ? w->len + (size_t)n : strlen(w->text);
}

static void on_tick(void *owner)
{
	struct call *c = owner;
	int arguments = c->arguments;

	/* Its family computed for a whole slice in this turn already. */
	if (c->spend->turn == loop_turn(c->script->setup.loop) &&
	    c->spend->slice >= c->script->guard.slice_limit) {
		loop_tick(c->script->setup.loop, &c->tick);
		return;
	}
	if (c->waiting)
		note_wait(c);
	c->waiting = false;
	c->arguments = 0;
	c->cancel = NULL;
	resume(c, arguments);
}

/* After lua_resume said the coroutine yielded. */
static void yielded(struct call *c, int results)
{
	lua_pop(c->co, results);
	/* From the end of its first turn: most calls answer at once and need no timer. */
	if (c->wall.at_ms == 0 && c->wall_ms)
		timer_start(&c->wall, c->wall_ms);
	if (c->script->guard.sliced) {
		c->script->guard.sliced = false;
		loop_tick(c->script->setup.loop, &c->tick);
	} else if (!c->waiting && !c->tick.scheduled) {
		failure_log(c, "coroutine.yield outside of a coroutine of the plugin's own", NULL);
		finish(c, CALL_FAILED, clock_ns());
	}
}

static void resume(struct call *c, int arguments)
{
	struct script *s = c->script;
	struct call *outer = s->current;
	struct guard_frame before;
	int results = 0;
	uint64_t from = clock_ns(), till;

	if (!c->began_ns)
		c->began_ns = from;
	s->current = c;
	c->running = true;
	guard_enter_turn(&s->guard, c->co, c->spend, loop_turn(s->setup.loop), &before);
	int status = lua_resume(c->co, s->L, arguments, &results);
	guard_leave(&s->guard, &before);
	till = clock_ns();
	c->root->cpu_ns += till - from;
	c->running = false;
	s->current = outer;
	if (c->cancelled) {
		drop(c);
	} else if (status == LUA_YIELD) {
		yielded(c, results);
	} else if (status == LUA_OK) {
		finish(c, CALL_OK, till);
	} else {
		failure_report(c);
		finish(c, CALL_FAILED, till);
	}
}

struct call *call_new(struct script *s, struct plugin *p, const char *hook, call_done_fn *done,
                      void *owner)
{
	struct list *link = list_shift(&s->idle_calls);
	struct call *c = link ? CONTAINER_OF(link, struct call, link) : NULL;

	if (!c) {
		c = MEM_NEW(struct call);
		list_init(&c->link);
		c->script = s;
		timer_init(&c->wall, s->setup.loop, on_wall, c);
		tick_init(&c->tick, on_tick, c);
	}
	if (!c->co && !script_protect(s, l_new_thread, c, CLOSE_MS, NULL)) {
		list_append(&s->idle_calls, &c->link);
		return NULL;
	}
	list_append(&s->calls, &c->link);
	c->plugin = p;
	c->hook = hook;
	c->session = NULL;
	c->fn = LUA_NOREF;
	c->member = NULL;
	c->done = done;
	c->gone = NULL;
	c->owner = owner;
	c->parent = NULL;
	c->root = c;
	c->children = 0;
	free(c->failure);
	c->failure = NULL;
	c->cancelled = c->waiting = c->detached = false;
	c->arguments = 0;
	c->wall_ms = s->setup.config->lua.wall_ms;
	c->wall_key = "lua.wall";
	c->budget = (struct guard_budget){ .limit = guard_ticks(s->setup.config->lua.cpu_ms) };
	c->spend = &c->budget;
	c->began_ns = c->cpu_ns = 0;
	p->calls++;
	c->waits.len = 0;
	c->waits.text[0] = '\0';
	c->stats = stats_of(p, hook);
	c->stats->numbers.calls++;
	c->stats->numbers.live++;
	c->stats->numbers.changed = true;
	s->numbers.calls++;
	s->numbers.running++;
	return c;
}

struct call *call_new_child(struct call *parent, call_done_fn *done, call_gone_fn *gone, void *owner)
{
	struct call *c = call_new(parent->script, parent->plugin, parent->hook, done, owner);

	if (!c)
		return NULL;
	c->stats->numbers.calls--;
	c->stats->numbers.live--;
	c->parent = parent;
	c->root = parent->root;
	c->stats = c->root->stats;
	c->root->children++;
	c->spend = c->root->spend;
	c->wall_ms = 0;                       /* the parent's time is its own */
	c->session = parent->session;
	c->fn = parent->fn;
	c->member = parent->member;
	c->gone = gone;
	return c;
}

void call_background(struct call *c)
{
	const struct config *config = c->script->setup.config;

	c->wall_ms = config->lua.background_wall_ms;
	c->detached = true;
	c->wall_key = "lua.background_wall";
	c->budget.limit = guard_ticks(config->lua.background_cpu_ms);
	c->budget.key = "lua.background_cpu";
}

void call_start(struct call *c, lua_CFunction main)
{
	lua_pushcfunction(c->co, main);
	lua_pushlightuserdata(c->co, c->owner);
	resume(c, 1);
}

bool call_start_with(struct call *c, lua_CFunction main, lua_State *from, int arguments)
{
	if (!lua_checkstack(c->co, arguments + LUA_MINSTACK))
		return false;
	lua_pushcfunction(c->co, main);
	lua_pushlightuserdata(c->co, c->owner);
	if (arguments)
		lua_xmove(from, c->co, arguments);
	c->arguments = 1 + arguments;
	if (c->wall_ms)
		timer_start(&c->wall, c->wall_ms);
	loop_tick(c->script->setup.loop, &c->tick);
	return true;
}

void call_start_later(struct call *c, lua_CFunction main)
{
	(void)call_start_with(c, main, NULL, 0);      /* a new coroutine has room for two */
}

void call_cancel(struct call *c)
{
	c->cancelled = true;
	if (!c->running)                      /* else resume() drops it when Lua comes back */
		drop(c);
}

/* ---- the plugin's function ---- */

/* Runs where the error was raised. */
static int on_error(lua_State *L)
{
	if (lua_type(L, 1) != LUA_TSTRING) {
		luaL_tolstring(L, 1, NULL);
		lua_pushfstring(L, "an error that is not a text: %s", lua_tostring(L, -1));
		lua_replace(L, 1);
		lua_settop(L, 1);
	}
	if (log_wants(LOG_LEVEL_DEBUG))
		luaL_traceback(L, L, lua_tostring(L, 1), 1);
	return 1;
}

static int returned(lua_State *L, int status, lua_KContext context)
{
	struct call *c = script_of(L)->current;

	if (status != LUA_OK && status != LUA_YIELD)
		return lua_error(L);
	lua_remove(L, c->base);
	return c->then(L, LUA_OK, context);
}

/* Protected here already: an error that the guard raises leaves a coroutine without a protected
 * call behind that no hook stops any more (Lua keeps hooks off until a pcall restores them). */
int call_function(lua_State *L, int arguments, int results, lua_KFunction then, void *context)
{
	struct call *c = script_of(L)->current;

	c->then = then;
	c->base = lua_gettop(L) - arguments;
	lua_pushcfunction(L, on_error);
	lua_insert(L, c->base);
	int status = lua_pcallk(L, arguments, results, c->base, (lua_KContext)context, returned);

	return returned(L, status, (lua_KContext)context);
}

/* ---- waiting ---- */

struct call *call_check(lua_State *L, const char *what)
{
	struct call *c = script_of(L)->current;

	if (!c) {
		luaL_error(L, "%s waits, so it can be used inside hooks only, not while the plugin is "
		           "loaded or cleaned up", what);
		return NULL;                      /* never reached: the error unwinds */
	}
	if (!lua_isyieldable(L))
		luaL_error(L, "%s cannot wait here: not inside table.sort, string.gsub, require or a "
		           "metamethod called from C; call it before", what);
	if (c->waiting)
		luaL_error(L, "%s: this call waits for something else already", what);
	c->what = what;
	c->detail[0] = '\0';
	return c;
}

struct call_ticket call_ticket(struct call *c)
{
	return (struct call_ticket){ c, c->generation };
}

int call_suspend(lua_State *L, struct call *c, call_cancel_fn *cancel, void *op, lua_KFunction k)
{
	c->waiting = true;
	c->wait_ns = clock_ns();
	c->cancel = cancel;
	c->op = op;
	lua_pushlightuserdata(L, (void *)(uintptr_t)&call_marker);
	return lua_yieldk(L, 1, (lua_KContext)op, k);
}

void call_detail(struct call *c, struct slice detail)
{
	snprintf(c->detail, sizeof(c->detail), "%.*s", SLICE_ARG(detail));
}

void call_wake(struct call_ticket t)
{
	if (t.call->generation != t.generation)
		return;
	t.call->cancel = NULL;                /* the operation is over: nothing to cancel */
	loop_tick(t.call->script->setup.loop, &t.call->tick);
}

void call_free_all(struct script *s)
{
	/* A call takes its children with it. */
	while (!list_empty(&s->calls))
		call_cancel(CONTAINER_OF(s->calls.next, struct call, link));
	for (struct list *link; (link = list_shift(&s->idle_calls)) != NULL;) {
		struct call *c = CONTAINER_OF(link, struct call, link);

		free(c->failure);
		free(c);
	}
}
