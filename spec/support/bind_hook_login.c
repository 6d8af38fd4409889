/* core/hook/login for specs: a machine that is nothing but a login, whose policy is a Lua function.
 *
 *     session = login.session{ hooks = {"secret"}, tls = true, binding = {["tls-exporter"] = "x"} }
 *     session:answer_with(function(q) return {kind = "accept", user = "alice"} end)
 *     session:start("PLAIN", "AGFsaWNlAHB3")    -> {"done"}
 */
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>

#include "base/mem.h"
#include "hook/login.h"

int luaopen_bind_hook_login(lua_State *L);

#define SESSION "moonpost.spec.login"

struct session {
	struct machine  machine;
	struct login    login;
	struct policy   policy;
	struct observer observer;
	lua_State      *L;
	int             answer_ref, events_ref, steps_ref, binding_ref;
	unsigned        cancelled;
	bool            open;
};

static struct slice check_slice(lua_State *L, int index)
{
	struct slice s;

	s.ptr = luaL_checklstring(L, index, &s.len);
	return s;
}

static struct session *check_session(lua_State *L)
{
	struct session *s = luaL_checkudata(L, 1, SESSION);

	luaL_argcheck(L, s->open, 1, "session is closed");
	s->L = L;
	return s;
}

static void set_text(lua_State *L, const char *key, struct slice value)
{
	if (!value.ptr)
		return;
	lua_pushlstring(L, value.ptr, value.len);
	lua_setfield(L, -2, key);
}

/* An answer field copied into the question's arena. */
static struct slice take_text(lua_State *L, struct question *q, const char *key)
{
	struct slice s = SLICE_NONE;

	lua_getfield(L, -1, key);
	if (lua_isstring(L, -1)) {
		s.ptr = lua_tolstring(L, -1, &s.len);
		s = arena_copy(&q->arena, s);
	}
	lua_pop(L, 1);
	return s;
}

static enum verdict_kind kind_of(const char *name)
{
	for (int k = VERDICT_NONE; k <= VERDICT_KEEP; k++)
		if (name && strcmp(verdict_name((enum verdict_kind)k), name) == 0)
			return (enum verdict_kind)k;
	return VERDICT_NONE;
}

/* The table on top of the stack becomes the answer. */
static void fill_answer(lua_State *L, struct question *q)
{
	struct slice kind = take_text(L, q, "kind"), status = take_text(L, q, "status");
	struct slice text = take_text(L, q, "text"), user = take_text(L, q, "user");
	struct slice mailbox = take_text(L, q, "mailbox");

	verdict_set(&q->verdict, kind_of(kind.ptr), status.ptr, "%s", text.ptr ? text.ptr : "");
	snprintf(q->verdict.by, sizeof(q->verdict.by), "spec");
	if (user.ptr)
		identity_set(&q->identity, user, mailbox.ptr ? mailbox : user);
	q->secret.plain = take_text(L, q, "plain");
	q->secret.salt = take_text(L, q, "salt");
	q->secret.stored_key = take_text(L, q, "stored_key");
	q->secret.server_key = take_text(L, q, "server_key");
	lua_getfield(L, -1, "iterations");
	q->secret.iterations = (unsigned)lua_tointeger(L, -1);
	lua_pop(L, 1);
}

static void on_cancel(struct question *q)
{
	struct session *s = CONTAINER_OF(q->policy, struct session, policy);

	s->cancelled++;
}

static void ask(struct policy *p, struct question *q)
{
	struct session *s = CONTAINER_OF(p, struct session, policy);
	lua_State *L = s->L;

	q->cancel = on_cancel;
	lua_rawgeti(L, LUA_REGISTRYINDEX, s->answer_ref);
	lua_newtable(L);
	set_text(L, "hook", slice_from(hook_name(q->hook)));
	set_text(L, "mechanism", q->login.mechanism);
	set_text(L, "user", q->login.user);
	set_text(L, "authzid", q->login.authzid);
	set_text(L, "password", q->login.password);
	set_text(L, "token", q->login.token);
	set_text(L, "identity", slice_from(s->machine.facts.identity.user));
	lua_call(L, 1, 1);
	if (lua_isstring(L, -1)) {                    /* "later" */
		lua_pop(L, 1);
		return;
	}
	if (lua_istable(L, -1))
		fill_answer(L, q);
	lua_pop(L, 1);
	question_answer(q);
}

static void on_event(struct observer *o, const struct event *e)
{
	struct session *s = CONTAINER_OF(o, struct session, observer);
	lua_State *L = s->L;

	lua_rawgeti(L, LUA_REGISTRYINDEX, s->events_ref);
	lua_newtable(L);
	set_text(L, "line", e->line);
	set_text(L, "verdict", slice_from(verdict_name(e->verdict->kind)));
	set_text(L, "by", slice_from(e->verdict->by));
	lua_pushboolean(L, e->kind == EVENT_LOGIN);
	lua_setfield(L, -2, "login");
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	lua_pop(L, 1);
}

static void on_step(void *owner, enum login_step step)
{
	static const char *const names[] = { "challenge", "done", "refused", "canceled", "bad" };
	struct session *s = owner;
	lua_State *L = s->L;

	lua_rawgeti(L, LUA_REGISTRYINDEX, s->steps_ref);
	lua_pushstring(L, names[step]);
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	lua_pop(L, 1);
}

static enum status channel_binding(void *host, const char *type, unsigned char out[64], size_t *len)
{
	struct session *s = host;
	lua_State *L = s->L;
	int top = lua_gettop(L);
	enum status st = ST_UNSUPPORTED;

	lua_rawgeti(L, LUA_REGISTRYINDEX, s->binding_ref);
	if (lua_istable(L, -1) && lua_getfield(L, -1, type) == LUA_TSTRING) {
		const char *data = lua_tolstring(L, -1, len);

		memcpy(out, data, *len < 64 ? *len : 64);
		st = ST_OK;
	}
	lua_settop(L, top);
	return st;
}

/* The list of hook names in field hooks of the table at index 1, as bits. */
static unsigned hook_bits(lua_State *L)
{
	unsigned bits = 0;

	lua_getfield(L, 1, "hooks");
	for (lua_Integer i = 1; lua_istable(L, -1) && i <= luaL_len(L, -1); i++) {
		lua_geti(L, -1, i);
		for (int h = 0; h < HOOK__COUNT; h++)
			if (strcmp(hook_name((enum hook)h), luaL_checkstring(L, -1)) == 0)
				bits |= 1u << h;
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return bits;
}

static int new_ref(lua_State *L)
{
	lua_newtable(L);
	return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* session{ hooks, tls, binding } */
static int l_session(lua_State *L)
{
	static const struct machine_ops no_ops;
	struct machine_setup setup = { 0 };

	luaL_checktype(L, 1, LUA_TTABLE);
	struct session *s = lua_newuserdatauv(L, sizeof(*s), 0);

	*s = (struct session){ .L = L, .answer_ref = LUA_NOREF, .observer.event = on_event };
	luaL_setmetatable(L, SESSION);
	s->policy = (struct policy){ .ask = ask, .hooks = hook_bits(L) };
	lua_getfield(L, 1, "binding");
	s->binding_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	s->events_ref = new_ref(L);
	s->steps_ref = new_ref(L);
	facts_init(&setup.facts);
	setup.facts.hostname = "mx.example";
	lua_getfield(L, 1, "tls");
	setup.facts.tls.active = lua_toboolean(L, -1);
	lua_pop(L, 1);
	setup.policy = &s->policy;
	setup.observer = &s->observer;
	setup.host = s;
	setup.channel_binding = channel_binding;
	machine_init(&s->machine, &no_ops, &setup);
	login_init(&s->login, &s->machine, on_step, s);
	s->open = true;
	return 1;
}

static int l_answer_with(lua_State *L)
{
	struct session *s = check_session(L);

	luaL_checktype(L, 2, LUA_TFUNCTION);
	luaL_unref(L, LUA_REGISTRYINDEX, s->answer_ref);
	lua_pushvalue(L, 2);
	s->answer_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

/* The steps since the last call, and the challenge as it would be sent. */
static int push_steps(lua_State *L, struct session *s)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, s->steps_ref);
	luaL_unref(L, LUA_REGISTRYINDEX, s->steps_ref);
	s->steps_ref = new_ref(L);
	lua_pushlstring(L, buf_len(&s->login.challenge) ? buf_slice(&s->login.challenge).ptr : "",
	                buf_len(&s->login.challenge));
	return 2;
}

/* session:start(mechanism, initial or nil) -> steps, challenge */
static int l_start(lua_State *L)
{
	struct session *s = check_session(L);
	unsigned bit = login_mechanism(check_slice(L, 2));

	luaL_argcheck(L, bit, 2, "no such mechanism");
	login_start(&s->login, bit, !lua_isnoneornil(L, 3),
	            lua_isnoneornil(L, 3) ? SLICE_NONE : check_slice(L, 3));
	return push_steps(L, s);
}

static int l_feed(lua_State *L)
{
	struct session *s = check_session(L);

	login_feed(&s->login, check_slice(L, 2));
	return push_steps(L, s);
}

static int l_password(lua_State *L)
{
	struct session *s = check_session(L);

	login_password(&s->login, check_slice(L, 2), check_slice(L, 3));
	return push_steps(L, s);
}

static int l_apop(lua_State *L)
{
	struct session *s = check_session(L);

	login_apop(&s->login, check_slice(L, 2), check_slice(L, 3), check_slice(L, 4));
	return push_steps(L, s);
}

/* session:answer{...}: the answer to a question that was left for later */
static int l_answer(lua_State *L)
{
	struct session *s = check_session(L);

	luaL_argcheck(L, machine_question(&s->machine)->waiting, 1, "nothing was asked");
	lua_settop(L, 2);
	if (lua_istable(L, 2))
		fill_answer(L, machine_question(&s->machine));
	question_answer(machine_question(&s->machine));
	return push_steps(L, s);
}

static unsigned mechanism_bits(lua_State *L, int index)
{
	struct slice names = check_slice(L, index), name;
	unsigned bits = 0;

	while (slice_cut(&names, ' ', &name) == ST_OK)
		bits |= login_mechanism(name);
	return bits;
}

/* session:offered("PLAIN LOGIN", plain_allowed) -> names, strongest first */
static int l_offered(lua_State *L)
{
	struct session *s = check_session(L);
	struct buf names;

	buf_init(&names, 0);
	login_names(login_offered(&s->login, mechanism_bits(L, 2), lua_toboolean(L, 3)), &names);
	lua_pushstring(L, buf_cstr(&names));
	buf_free(&names);
	return 1;
}

/* session:facts() -> { user, mailbox, failures, cancelled, kind, status, text, by } */
static int l_facts(lua_State *L)
{
	struct session *s = check_session(L);
	const struct verdict *v = &machine_question(&s->machine)->verdict;

	lua_newtable(L);
	set_text(L, "user", slice_from(s->machine.facts.identity.user));
	set_text(L, "mailbox", slice_from(s->machine.facts.identity.mailbox));
	set_text(L, "kind", slice_from(verdict_name(v->kind)));
	set_text(L, "status", slice_from(v->status));
	set_text(L, "text", slice_from(v->text));
	set_text(L, "by", slice_from(v->by));
	lua_pushinteger(L, s->login.failures);
	lua_setfield(L, -2, "failures");
	lua_pushinteger(L, s->cancelled);
	lua_setfield(L, -2, "cancelled");
	lua_pushboolean(L, s->login.exchange != NULL);
	lua_setfield(L, -2, "running");
	return 1;
}

/* session:events() -> all EVENT_LOGIN so far */
static int l_events(lua_State *L)
{
	struct session *s = check_session(L);

	lua_rawgeti(L, LUA_REGISTRYINDEX, s->events_ref);
	return 1;
}

/* session:close() -> how many questions were cancelled */
static int l_close(lua_State *L)
{
	struct session *s = luaL_checkudata(L, 1, SESSION);

	if (s->open) {
		s->L = L;
		s->open = false;
		login_clear(&s->login);
		machine_clear(&s->machine);
		luaL_unref(L, LUA_REGISTRYINDEX, s->answer_ref);
		luaL_unref(L, LUA_REGISTRYINDEX, s->events_ref);
		luaL_unref(L, LUA_REGISTRYINDEX, s->steps_ref);
		luaL_unref(L, LUA_REGISTRYINDEX, s->binding_ref);
	}
	lua_pushinteger(L, s->cancelled);
	return 1;
}

static int l_set_secret(lua_State *L)
{
	login_set_secret(check_slice(L, 1));
	return 0;
}

int luaopen_bind_hook_login(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "answer_with", l_answer_with },
		{ "start", l_start },
		{ "feed", l_feed },
		{ "password", l_password },
		{ "apop", l_apop },
		{ "answer", l_answer },
		{ "offered", l_offered },
		{ "facts", l_facts },
		{ "events", l_events },
		{ "close", l_close },
		{ "__gc", l_close },
		{ NULL, NULL },
	};
	static const luaL_Reg functions[] = {
		{ "session", l_session },
		{ "set_secret", l_set_secret },
		{ NULL, NULL },
	};

	if (luaL_newmetatable(L, SESSION)) {
		luaL_setfuncs(L, methods, 0);
		lua_pushvalue(L, -1);
		lua_setfield(L, -2, "__index");
	}
	luaL_newlib(L, functions);
	return 1;
}
