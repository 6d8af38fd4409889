/* Calls: start, suspend, wake, finish, cancel, and the pool of their coroutines. */
#include "script/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "script/observer.h"
#include "script/plugin.h"
#include "script/state.h"

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

struct report { struct call *call; char *text, *where, *function; };

/* "plugins/auth_users/init.lua:12": where the plugin's function begins. */
static int l_place(lua_State *L)
{
	struct report *r = lua_touserdata(L, 1);
	lua_Debug ar;

	if (lua_rawgeti(L, LUA_REGISTRYINDEX, r->call->fn) == LUA_TTABLE && r->call->member) {
		lua_pushstring(L, r->call->member);
		lua_rawget(L, -2);
	}
	if (!lua_isfunction(L, -1))
		return 0;
	lua_getinfo(L, ">S", &ar);
	r->function = mem_printf("%s:%d", ar.short_src, ar.linedefined);
	return 0;
}

/* The error on top of the coroutine: text, and the traceback that on_error put behind it. */
static int l_report(lua_State *L)
{
	struct report *r = lua_touserdata(L, 1);
	lua_State *co = r->call->co;
	char *traceback;

	if (lua_gettop(co) > 0 && lua_type(co, -1) == LUA_TSTRING)
		r->text = mem_strdup(lua_tostring(co, -1));
	else
		r->text = mem_strdup(lua_pushfstring(L, "an error that is not a text (a %s)",
		                                     lua_gettop(co) > 0 ? luaL_typename(co, -1) : "nothing"));
	traceback = strstr(r->text, "\nstack traceback:");
	if (traceback) {
		r->where = mem_strdup(traceback + 1);
		*traceback = '\0';
	}
	return 0;
}

static void log_failure(struct call *c, const char *text, const char *traceback)
{
	struct report r = { .call = c };

	plugin_failed(c->plugin);
	(void)script_protect(c->script, l_place, &r, CLOSE_MS, NULL);
	log_error("plugin failed", "plugin", plugin_name(c->plugin), "hook", c->hook, "function",
	          r.function, "session", c->session, "error", text, NULL);
	free(r.function);
	if (traceback)
		log_debug("plugin traceback", "plugin", plugin_name(c->plugin), "traceback", traceback,
		          NULL);
}

static void report_error(struct call *c)
{
	struct report r = { .call = c };

	if (!script_protect(c->script, l_report, &r, CLOSE_MS, NULL) && !r.text)
		r.text = mem_strdup("an error whose text does not fit into Lua's memory (lua.memory)");
	log_failure(c, r.text, r.where);
	free(r.text);
	free(r.where);
}

/* Close the coroutine: to-be-closed variables run, under a budget of their own.  It is not used
 * again: one that was closed inside of a protected call keeps that call's message handler, whose
 * place on the stack is gone. */
static void reset_thread(struct call *c)
{
	struct guard_budget budget = { 0, guard_ticks(CLOSE_MS) };
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
	c->script->numbers.running--;
}

static void finish(struct call *c, enum call_outcome outcome)
{
	call_done_fn *done = c->done;
	void *owner = c->owner;

	if (outcome != CALL_OK) {
		c->script->numbers.errors++;
		reset_thread(c);
	} else {
		lua_settop(c->co, 0);
	}
	retire(c);
	done(owner, outcome);
}

/* "plugins/one.lua:12: ": where the plugin waits. */
static void where_it_waits(lua_State *co, char *out, size_t size)
{
	lua_Debug ar;

	*out = '\0';
	for (int level = 0; lua_getstack(co, level, &ar); level++)
		if (lua_getinfo(co, "Sl", &ar) && ar.currentline > 0) {
			snprintf(out, size, "%s:%d: ", ar.short_src, ar.currentline);
			return;
		}
}

static void on_wall(void *owner)
{
	struct call *c = owner;
	char where[LUA_IDSIZE + 16], text[sizeof(where) + 80];

	where_it_waits(c->co, where, sizeof(where));
	snprintf(text, sizeof(text), "%sno answer after %u ms (lua.wall)", where,
	         c->script->setup.config->lua.wall_ms);
	stop_waiting(c);
	log_failure(c, text, NULL);
	finish(c, CALL_TIMEOUT);
}

/* ---- running ---- */

static void on_tick(void *owner)
{
	struct call *c = owner;

	bool fresh = c->fresh;

	c->waiting = c->fresh = false;
	c->cancel = NULL;
	resume(c, fresh ? 1 : 0);
}

/* After lua_resume said the coroutine yielded. */
static void yielded(struct call *c, int results)
{
	lua_pop(c->co, results);
	/* From the end of its first turn: most calls answer at once and need no timer. */
	if (c->wall.at_ms == 0)
		timer_start(&c->wall, c->script->setup.config->lua.wall_ms);
	if (c->script->guard.sliced) {
		c->script->guard.sliced = false;
		loop_tick(c->script->setup.loop, &c->tick);
	} else if (!c->waiting && !c->tick.scheduled) {
		log_failure(c, "coroutine.yield outside of a coroutine of the plugin's own", NULL);
		finish(c, CALL_FAILED);
	}
}

static void resume(struct call *c, int arguments)
{
	struct script *s = c->script;
	struct call *outer = s->current;
	struct guard_frame before;
	int results = 0;

	s->current = c;
	c->running = true;
	guard_enter(&s->guard, c->co, &c->budget, &before);
	int status = lua_resume(c->co, s->L, arguments, &results);
	guard_leave(&s->guard, &before);
	c->running = false;
	s->current = outer;
	if (c->cancelled) {
		reset_thread(c);
		retire(c);
	} else if (status == LUA_YIELD) {
		yielded(c, results);
	} else if (status == LUA_OK) {
		finish(c, CALL_OK);
	} else {
		report_error(c);
		finish(c, CALL_FAILED);
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
	c->owner = owner;
	c->cancelled = c->waiting = c->fresh = false;
	c->budget = (struct guard_budget){ 0, guard_ticks(s->setup.config->lua.cpu_ms) };
	s->numbers.calls++;
	s->numbers.running++;
	return c;
}

void call_start(struct call *c, lua_CFunction main)
{
	lua_pushcfunction(c->co, main);
	lua_pushlightuserdata(c->co, c->owner);
	resume(c, 1);
}

void call_start_later(struct call *c, lua_CFunction main)
{
	lua_pushcfunction(c->co, main);
	lua_pushlightuserdata(c->co, c->owner);
	timer_start(&c->wall, c->script->setup.config->lua.wall_ms);
	c->fresh = true;
	loop_tick(c->script->setup.loop, &c->tick);
}

void call_cancel(struct call *c)
{
	c->cancelled = true;
	if (c->running)
		return;                           /* resume() cleans up when Lua comes back */
	stop_waiting(c);
	reset_thread(c);
	retire(c);
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
	return c;
}

struct call_ticket call_ticket(struct call *c)
{
	return (struct call_ticket){ c, c->generation };
}

int call_suspend(lua_State *L, struct call *c, call_cancel_fn *cancel, void *op, lua_KFunction k)
{
	c->waiting = true;
	c->cancel = cancel;
	c->op = op;
	lua_pushlightuserdata(L, (void *)(uintptr_t)&call_marker);
	return lua_yieldk(L, 1, (lua_KContext)op, k);
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
	LIST_EACH(&s->calls, link) {
		struct call *c = CONTAINER_OF(link, struct call, link);

		call_cancel(c);
		observer_drop(c);                 /* its owner is told of no cancelling */
	}
	for (struct list *link; (link = list_shift(&s->idle_calls)) != NULL;)
		free(CONTAINER_OF(link, struct call, link));
}
