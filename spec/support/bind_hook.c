/* core/hook for specs: verdicts, facts, UIDLs, and a machine with a policy that answers when the
 * spec says so. */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>

#include "base/mem.h"
#include "hook/machine.h"
#include "hook/mailbox.h"

#define MACHINE_MT "moonpost.spec.hook_machine"

int luaopen_bind_hook(lua_State *L);

/* ---- verdict, facts, mailbox ---- */

/* verdict(kind number, status or nil, text) -> name of the kind, status, text */
static int l_verdict(lua_State *L)
{
	struct verdict v = { 0 };

	verdict_set(&v, (enum verdict_kind)luaL_checkinteger(L, 1), luaL_optstring(L, 2, NULL), "%s",
	            luaL_checkstring(L, 3));
	lua_pushstring(L, verdict_name(v.kind));
	lua_pushstring(L, v.status);
	lua_pushstring(L, v.text);
	return 3;
}

static int l_verdict_status_valid(lua_State *L)
{
	enum verdict_kind kind = (enum verdict_kind)luaL_checkinteger(L, 1);

	lua_pushboolean(L, verdict_status_valid(kind, luaL_checkstring(L, 2)));
	return 1;
}

/* hooks() -> { { name, status }, ... } */
static int l_hooks(lua_State *L)
{
	lua_newtable(L);
	for (int h = 0; h < HOOK__COUNT; h++) {
		lua_newtable(L);
		lua_pushstring(L, hook_name((enum hook)h));
		lua_rawseti(L, -2, 1);
		lua_pushstring(L, hook_status((enum hook)h));
		lua_rawseti(L, -2, 2);
		lua_rawseti(L, -2, h + 1);
	}
	return 1;
}

/* facts(helo or nil, esmtp, user or nil, mailbox) -> id, helo, esmtp, user, mailbox */
static int l_facts(lua_State *L)
{
	struct facts f;

	facts_init(&f);
	facts_set_helo(&f, SLICE("before"), false);
	facts_set_helo(&f, slice_from(luaL_optstring(L, 1, NULL)), lua_toboolean(L, 2));
	if (!lua_isnoneornil(L, 3)) {
		identity_set(&f.identity, SLICE("first"), SLICE("first"));
		identity_set(&f.identity, slice_from(lua_tostring(L, 3)), slice_from(lua_tostring(L, 4)));
	}
	lua_pushstring(L, f.id);
	lua_pushstring(L, f.helo);
	lua_pushboolean(L, f.esmtp);
	lua_pushstring(L, f.identity.user);
	lua_pushstring(L, f.identity.mailbox);
	facts_clear(&f);
	lua_pushboolean(L, !f.helo && !f.identity.user);
	return 6;
}

/* names(protocol number, service number) */
static int l_names(lua_State *L)
{
	lua_pushstring(L, protocol_name((enum protocol)luaL_checkinteger(L, 1)));
	lua_pushstring(L, service_name((enum service)luaL_checkinteger(L, 2)));
	return 2;
}

/* uidl(uidvalidity, uid, own or nil) */
static int l_uidl(lua_State *L)
{
	struct maildrop_entry entry = { .uid = (uint64_t)luaL_checkinteger(L, 2),
	                                .uidl = luaL_optstring(L, 3, NULL) };
	struct maildrop m = { .entries = &entry, .count = 1,
	                      .uidvalidity = (uint32_t)luaL_checkinteger(L, 1) };
	char out[UIDL_SIZE];

	maildrop_uidl(&m, 0, out);
	lua_pushstring(L, out);
	return 1;
}

/* ---- a machine that only asks ---- */

struct asker {
	struct machine   machine;
	struct policy    policy;
	struct observer  observer;
	struct question *held;            /* asked, not answered yet */
	unsigned         asked, answered, canceled, events;
	enum event_kind  last_event;
};

static struct asker *check_asker(lua_State *L)
{
	return luaL_checkudata(L, 1, MACHINE_MT);
}

static void on_cancel(struct question *q)
{
	struct asker *a = q->work;

	a->canceled++;
	a->held = NULL;
}

static void on_ask(struct policy *p, struct question *q)
{
	struct asker *a = CONTAINER_OF(p, struct asker, policy);

	a->asked++;
	a->held = q;
	q->work = a;
	q->cancel = on_cancel;
}

static void on_answered(void *owner, struct question *q)
{
	struct machine *m = owner;

	(void)q;
	CONTAINER_OF(m, struct asker, machine)->answered++;
}

static void on_event(struct observer *o, const struct event *e)
{
	struct asker *a = CONTAINER_OF(o, struct asker, observer);

	a->events++;
	a->last_event = e->kind;
}

/* asker(mask of hooks, observer wants lines) */
static int l_asker(lua_State *L)
{
	struct asker *a = lua_newuserdatauv(L, sizeof(*a), 0);

	*a = (struct asker){ .policy = { on_ask, (uint32_t)luaL_checkinteger(L, 1) },
	                     .observer = { .event = on_event, .wants_lines = lua_toboolean(L, 2) } };
	struct machine_setup setup = { .policy = &a->policy, .observer = &a->observer, .host = a };

	facts_init(&setup.facts);
	machine_init(&a->machine, NULL, &setup);
	luaL_setmetatable(L, MACHINE_MT);
	return 1;
}

static int l_asker_ask(lua_State *L)
{
	struct asker *a = check_asker(L);

	question_begin(machine_question(&a->machine), (enum hook)luaL_checkinteger(L, 2), on_answered);
	question_ask(machine_question(&a->machine));
	lua_pushboolean(L, machine_question(&a->machine)->waiting);
	return 1;
}

/* answer(kind, status, text): also leaves an identity and a copy in the arena behind */
static int l_asker_answer(lua_State *L)
{
	struct asker *a = check_asker(L);
	struct question *q = a->held;

	if (!q)
		q = machine_question(&a->machine);           /* a second answer: the spec wants to see it die */
	a->held = NULL;
	verdict_set(&q->verdict, (enum verdict_kind)luaL_checkinteger(L, 2), lua_tostring(L, 3), "%s",
	            luaL_optstring(L, 4, ""));
	identity_set(&q->identity, SLICE("alice"), SLICE("alice@example.test"));
	q->targets = arena_alloc(&q->arena, sizeof(*q->targets));
	question_answer(q);
	return 0;
}

static int l_asker_cancel(lua_State *L)
{
	question_cancel(machine_question(&check_asker(L)->machine));
	return 0;
}

/* state() -> asked, answered, cancelled, generation, verdict name, has targets, has identity */
static int l_asker_state(lua_State *L)
{
	struct asker *a = check_asker(L);

	lua_pushinteger(L, a->asked);
	lua_pushinteger(L, a->answered);
	lua_pushinteger(L, a->canceled);
	lua_pushinteger(L, machine_question(&a->machine)->generation);
	lua_pushstring(L, verdict_name(machine_question(&a->machine)->verdict.kind));
	lua_pushboolean(L, machine_question(&a->machine)->targets != NULL);
	lua_pushboolean(L, machine_question(&a->machine)->identity.user != NULL);
	return 7;
}

/* observe(kind) -> events so far, kind of the last */
static int l_asker_observe(lua_State *L)
{
	struct asker *a = check_asker(L);

	machine_observe(&a->machine, (enum event_kind)luaL_checkinteger(L, 2), SLICE("line"), "state",
	                NULL, 0);
	lua_pushinteger(L, a->events);
	lua_pushinteger(L, a->last_event);
	return 2;
}

static int l_asker_clear(lua_State *L)
{
	machine_clear(&check_asker(L)->machine);
	return 0;
}

int luaopen_bind_hook(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "verdict", l_verdict }, { "verdict_status_valid", l_verdict_status_valid },
		{ "hooks", l_hooks }, { "facts", l_facts }, { "names", l_names }, { "uidl", l_uidl },
		{ "asker", l_asker }, { NULL, NULL },
	};
	static const luaL_Reg methods[] = {
		{ "ask", l_asker_ask }, { "answer", l_asker_answer }, { "cancel", l_asker_cancel },
		{ "state", l_asker_state }, { "observe", l_asker_observe }, { "clear", l_asker_clear },
		{ "__gc", l_asker_clear }, { NULL, NULL },
	};

	luaL_newmetatable(L, MACHINE_MT);
	luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	luaL_newlib(L, functions);
	return 1;
}
