/* A worker's Lua state: memory limit, garbage collection, loading all plugins, the end. */
#include "script/state.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "script/deletion.h"
#include "script/every.h"
#include "script/job.h"
#include "script/ledger.h"
#include "script/lifecycle.h"
#include "script/mailbox.h"
#include "script/observer.h"
#include "script/plugin.h"
#include "script/policy.h"
#include "script/resource.h"
#include "script/sandbox.h"
#include "script/session.h"
#include "script/users.h"
#include "script/view.h"

enum { CLOSE_MS = 1000 };

struct guard *guard_of(lua_State *L)
{
	return &script_of(L)->guard;
}

static void *limited_alloc(void *owner, void *old, size_t old_size, size_t size)
{
	struct script *s = owner;
	size_t before = old ? old_size : 0;

	if (size == 0) {
		/* The last block of lua_close is the state itself: no tick may find it from here on. */
		if (s->L && (char *)old <= (char *)s->L && (char *)s->L < (char *)old + before)
			s->guard.L = NULL;
		free(old);
		s->memory -= before;
		return NULL;
	}
	if (size > before && s->memory + (size - before) > s->memory_max)
		return NULL;
	void *ptr = realloc(old, size);

	if (ptr)
		s->memory += size - before;
	return ptr;
}

static int on_panic(lua_State *L)
{
	const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "not a text";

	die("Lua failed outside of a protected call: %s", text);
	return 0;
}

/* ---- protected pieces ---- */

struct protect { lua_CFunction fn; void *arg; };

static int on_message(lua_State *L)
{
	if (lua_type(L, 1) != LUA_TSTRING)
		lua_pushfstring(L, "an error that is not a text (a %s)", luaL_typename(L, 1));
	return 1;
}

bool script_protect(struct script *s, lua_CFunction fn, void *arg, uint32_t limit_ms, char **error)
{
	struct guard_budget budget = { .limit = guard_ticks(limit_ms) };
	struct guard_frame before;
	struct call *outer = s->current;
	int top = lua_gettop(s->L);

	lua_pushcfunction(s->L, on_message);
	lua_pushcfunction(s->L, fn);
	lua_pushlightuserdata(s->L, arg);
	s->current = NULL;
	guard_enter(&s->guard, s->L, &budget, &before);
	int status = lua_pcall(s->L, 1, 0, top + 1);
	guard_leave(&s->guard, &before);
	s->current = outer;
	if (status != LUA_OK) {
		const char *text = lua_type(s->L, -1) == LUA_TSTRING ? lua_tostring(s->L, -1) : "?";

		if (error)
			*error = mem_strdup(text);
		else
			log_error("Lua failed", "error", text, NULL);
	}
	lua_settop(s->L, top);
	return status == LUA_OK;
}

/* ---- life ---- */

static int l_prepare(lua_State *L)
{
	sandbox_prepare(L);
	job_prepare(L);
	view_prepare(L);
	deletion_prepare(L);
	return 0;
}

static bool load_plugins(struct script *s, char **error)
{
	const struct config *c = s->setup.config;

	for (unsigned i = 0; i < c->plugin_count; i++)
		if (!plugin_load(s, i, error))
			return false;
	return true;
}

static void init_lists(struct script *s)
{
	struct list *lists[] = { &s->calls, &s->idle_calls, &s->askings, &s->opens, &s->readings,
	                         &s->resources, &s->plugins, &s->retired, &s->lifecycles,
	                         &s->starts, &s->stops, &s->observers, &s->backends, &s->drops };

	for (size_t i = 0; i < COUNT_OF(lists); i++)
		list_init(lists[i]);
	for (unsigned i = 0; i < HOOK__COUNT; i++)
		list_init(&s->listeners[i]);
	map_init(&s->locks);
	map_init(&s->verified);
	random_bytes(s->verified_key, sizeof(s->verified_key));
}

struct script *script_new(const struct script_setup *setup, char **error)
{
	struct script *s = MEM_NEW(struct script);

	*error = NULL;
	s->setup = *setup;
	s->memory_max = setup->config->lua.memory_octets;
	s->guard.slice_limit = guard_ticks(setup->config->lua.slice_ms);
	init_lists(s);
	guard_start();
	s->L = lua_newstate(limited_alloc, s);
	if (!s->L) {
		*error = mem_strdup("Lua does not start: lua.memory is too small");
		script_free(s);
		return NULL;
	}
	lua_atpanic(s->L, on_panic);
	*(struct script **)lua_getextraspace(s->L) = s;
	/* Short steps: 10,000 live sessions stay under a quarter of a millisecond. */
	lua_gc(s->L, LUA_GCINC, 200, 100, 9);
	if (!script_protect(s, l_prepare, NULL, CLOSE_MS, error) || !load_plugins(s, error) ||
	    !mailbox_init(s, error)) {
		script_free(s);
		return NULL;
	}
	policy_init(s);
	observer_init(s);
	return s;
}

static void free_plugins(struct script *s)
{
	struct list *lists[] = { &s->plugins, &s->retired };

	for (size_t i = 0; i < COUNT_OF(lists); i++)
		LIST_EACH(lists[i], link)
			ledger_free(CONTAINER_OF(link, struct plugin, link));
	/* An ancestor owns the numbers of later generations: all ledgers first. */
	for (size_t i = 0; i < COUNT_OF(lists); i++)
		LIST_EACH(lists[i], link)
			plugin_free(CONTAINER_OF(link, struct plugin, link));
}

static void stop_timers(struct script *s)
{
	LIST_EACH(&s->plugins, link)
		every_stop(CONTAINER_OF(link, struct plugin, link));
	LIST_EACH(&s->retired, link)
		if (CONTAINER_OF(link, struct plugin, link)->look.loop)
			timer_stop(&CONTAINER_OF(link, struct plugin, link)->look);
}

static int l_collect(lua_State *L)
{
	lua_gc(L, LUA_GCCOLLECT, 0);
	return 0;
}

/* Everything of the plugins, and a word about what they forgot. */
static void close_lua(struct script *s)
{
	struct guard_budget budget = { .limit = guard_ticks(CLOSE_MS) };
	struct guard_frame before;

	/* Twice: what finalizers let go of is collected by the second. */
	if (!list_empty(&s->resources) && script_protect(s, l_collect, NULL, CLOSE_MS, NULL) &&
	    script_protect(s, l_collect, NULL, CLOSE_MS, NULL) && !s->cut_off)
		resource_report_held(s);
	guard_enter(&s->guard, s->L, &budget, &before);
	lua_close(s->L);
	guard_leave(&s->guard, &before);
	resource_report_lost(s);
}

void script_free(struct script *s)
{
	if (!s)
		return;
	policy_stop(s);
	mailbox_stop(s);
	lifecycle_forget(s);
	stop_timers(s);
	resource_report_calls(s);
	call_free_all(s);
	deletion_forget(s, NULL);
	if (s->L)
		close_lua(s);
	free_plugins(s);
	users_forget(s);
	map_free(&s->locks, NULL);
	free(s);
}

struct policy *script_policy(struct script *s)
{
	return &s->policy;
}

struct mailbox_provider *script_mailboxes(struct script *s)
{
	return list_empty(&s->backends) ? s->setup.next_mailboxes : &s->mailboxes;
}

struct observer *script_observer(struct script *s)
{
	return &s->observer;
}

void script_session_closed(struct script *s, struct facts *f)
{
	session_close(s, f);
	deletion_forget(s, f);
}

void script_numbers(const struct script *s, struct script_numbers *out)
{
	*out = s->numbers;
	out->memory_octets = s->memory;
}
