/* Each interested function gets a call of its own, queued behind what the session does; the
 * session does not wait for it.  Events are copied: the session may be gone when Lua runs.
 * The queue is bounded: what a slow observer cannot take is dropped and counted. */
#include "script/observer.h"

#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "script/lib.h"
#include "script/lib_hooks.h"
#include "script/plugin.h"
#include "script/session.h"
#include "script/state.h"
#include "script/stats.h"

enum { OBSERVING_MAX = 1000 };

struct observing {
	struct script   *script;
	struct listener *listener;
	struct facts     facts;           /* copy; its strings are ours */
	char            *line;
	const char      *state;
	struct verdict   verdict;
	bool             decided;
	uint64_t         octets, uid;
};

static const struct { enum event_kind kind; enum observer_hook hook; } kinds[] = {
	{ EVENT_CONNECT, OBSERVER_CONNECT }, { EVENT_LOGIN, OBSERVER_LOGIN },
	{ EVENT_COMMAND, OBSERVER_COMMAND }, { EVENT_REPLY, OBSERVER_REPLY },
	{ EVENT_RETRIEVED, OBSERVER_RETRIEVED }, { EVENT_STORED, OBSERVER_STORED },
	{ EVENT_TLS, OBSERVER_TLS }, { EVENT_ERROR, OBSERVER_ERROR },
	{ EVENT_DELETED, OBSERVER_DELETED }, { EVENT_DISCONNECT, OBSERVER_DISCONNECT },
};

static const char *hook_of(enum event_kind kind)
{
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (kinds[i].kind == kind)
			return hook_row_of_observer(kinds[i].hook)->name;
	return NULL;
}

static void copy_facts(struct facts *to, const struct facts *from)
{
	*to = *from;
	to->helo = mem_strdup(from->helo);
	to->remote_name = mem_strdup(from->remote_name);
	to->tls.server_name = mem_strdup(from->tls.server_name);
	to->identity.user = mem_strdup(from->identity.user);
	to->identity.mailbox = mem_strdup(from->identity.mailbox);
	to->script = NULL;
}

static void free_observing(struct observing *o)
{
	facts_clear(&o->facts);
	free(o->line);
	free(o);
}

static void push_verdict(lua_State *L, const struct verdict *v)
{
	lua_createtable(L, 0, 4);
	lua_pushstring(L, verdict_name(v->kind));
	lua_setfield(L, -2, "kind");
	lua_pushstring(L, v->status);
	lua_setfield(L, -2, "status");
	lua_pushstring(L, v->text);
	lua_setfield(L, -2, "text");
	lua_pushstring(L, v->by);
	lua_setfield(L, -2, "by");
}

static int when_returned(lua_State *L, int status, lua_KContext context)
{
	(void)L, (void)status, (void)context;
	return 0;
}

/* on_stored: fn(mailbox, uid, size, session) */
static int push_stored(lua_State *L, const struct observing *o)
{
	lua_pushstring(L, o->line);
	if (o->uid)
		lua_pushinteger(L, (lua_Integer)o->uid);
	else
		lua_pushnil(L);
	lua_pushinteger(L, (lua_Integer)o->octets);
	session_push_copy(L, &o->facts);
	return 4;
}

/* fn(session, { line =, state =, octets =, verdict = }) */
static int run_observer(lua_State *L)
{
	struct observing *o = lua_touserdata(L, 1);

	lua_settop(L, 0);
	lua_rawgeti(L, LUA_REGISTRYINDEX, o->listener->fn);
	if (o->listener->hook == hook_row_of_observer(OBSERVER_STORED)->name)
		return call_function(L, push_stored(L, o), 0, when_returned, NULL);
	session_push_copy(L, &o->facts);
	lua_createtable(L, 0, 4);
	lua_pushstring(L, o->line);
	lua_setfield(L, -2, "line");
	lua_pushstring(L, o->state);
	lua_setfield(L, -2, "state");
	lua_pushinteger(L, (lua_Integer)o->octets);
	lua_setfield(L, -2, "octets");
	if (o->decided) {
		push_verdict(L, &o->verdict);
		lua_setfield(L, -2, "verdict");
	}
	return call_function(L, 2, 0, when_returned, NULL);
}

static void on_done(void *owner, enum call_outcome outcome)
{
	struct observing *o = owner;

	(void)outcome;                        /* an error was logged; nobody waits for an answer */
	o->script->observing--;
	free_observing(o);
}

/* Cancelled at the end of the script. */
static void on_gone(void *owner)
{
	on_done(owner, CALL_FAILED);
}

static void observe(struct script *s, struct listener *l, const struct event *e)
{
	struct observing *o;
	struct call *c;

	if (s->observing >= OBSERVING_MAX) {
		struct stats *stats = stats_of(l->plugin, l->hook);

		stats->numbers.dropped++;
		stats->numbers.changed = true;
		if (s->dropped++ == 0)
			log_warn("observers are too slow: events are dropped", "plugin", plugin_name(l->plugin),
			         "hook", l->hook, NULL);
		return;
	}
	o = MEM_NEW(struct observing);
	o->script = s;
	o->listener = l;
	copy_facts(&o->facts, e->facts);
	o->line = e->line.ptr ? mem_slice_dup(e->line) : NULL;
	o->state = e->state;
	o->octets = e->octets;
	o->uid = e->uid;
	o->decided = e->verdict != NULL;
	if (e->verdict)
		o->verdict = *e->verdict;
	c = call_new(s, l->plugin, l->hook, on_done, o);
	if (!c) {
		free_observing(o);
		return;
	}
	s->observing++;
	c->gone = on_gone;
	c->detached = true;
	c->session = o->facts.id;
	c->fn = l->fn;
	call_start_later(c, run_observer);
}

static void on_event(struct observer *observer, const struct event *e)
{
	struct script *s = CONTAINER_OF(observer, struct script, observer);
	const char *hook = hook_of(e->kind);

	LIST_EACH(&s->observers, link) {
		struct listener *l = CONTAINER_OF(link, struct listener, link);

		if (l->hook == hook && listener_wants(l, e->facts))
			observe(s, l, e);
	}
}

void observer_init(struct script *s)
{
	s->observer.event = on_event;
	s->observer.wants_lines = false;
	LIST_EACH(&s->observers, link) {
		const char *hook = CONTAINER_OF(link, struct listener, link)->hook;

		if (hook == hook_row_of_observer(OBSERVER_COMMAND)->name ||
		    hook == hook_row_of_observer(OBSERVER_REPLY)->name)
			s->observer.wants_lines = true;
	}
}
