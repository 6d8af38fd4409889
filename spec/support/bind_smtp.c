/* An SMTP session for specs: the machine, a host without sockets, a policy, a mailbox provider
 * and an observer that are Lua functions of the spec.
 *
 *     local s = smtp.new { hostname = "mail.example.test", facts = { trusted = true },
 *       policy = function(question) return { kind = "accept" } end,     -- or nil, or "later"
 *       deliver = function(envelope, octets) return "OK" end }          -- or a list, or "later"
 *     s:feed("EHLO x\r\n")  s:take()  s:wants()  s:answer(verdict)  s:delivered(results) ... */
#include <stdio.h>
#include <stdlib.h>
#include <lauxlib.h>
#include <lua.h>

#include "base/log.h"
#include "base/mem.h"
#include "hook/machine.h"
#include "smtp/session.h"
#include "bind_smtp.h"

int luaopen_bind_smtp(lua_State *L);

#define PEER_MT "moonpost.spec.smtp"

struct peer {
	struct machine         *machine;
	struct smtp_settings    settings;
	struct policy           policy;
	struct mailbox_provider mailboxes;
	struct observer         observer;
	lua_State              *L;
	int                     options;          /* reference of the table given to new */
	struct buf              input;
	struct question        *question;         /* asked, not answered */
	struct delivery        *delivery;         /* asked, not done */
	bool                    changed;
	unsigned                canceled;         /* questions and deliveries that were cancelled */
};

/* Push options.key if it is a function. */
static bool push_function(struct peer *p, const char *key)
{
	lua_rawgeti(p->L, LUA_REGISTRYINDEX, p->options);
	int type = lua_getfield(p->L, -1, key);

	lua_remove(p->L, -2);
	if (type == LUA_TFUNCTION)
		return true;
	lua_pop(p->L, 1);
	return false;
}

/* ---- policy ---- */

static void question_canceled(struct question *q)
{
	struct peer *p = q->work;

	p->question = NULL;
	p->canceled++;
}

static void policy_ask(struct policy *policy, struct question *q)
{
	struct peer *p = CONTAINER_OF(policy, struct peer, policy);
	lua_State *L = p->L;
	int top = lua_gettop(L);

	if (push_function(p, "policy")) {
		bind_smtp_question(L, q);
		lua_call(L, 1, 1);
		if (lua_type(L, -1) == LUA_TSTRING) {          /* "later" */
			p->question = q;
			q->work = p;
			q->cancel = question_canceled;
			lua_settop(L, top);
			return;
		}
		if (lua_istable(L, -1))
			bind_smtp_answer(L, q);
	} else if (q->hook == HOOK_ACCEPT_RECIPIENT) {
		struct recipient_target **end = &q->targets;
		char mailbox[512];

		snprintf(mailbox, sizeof(mailbox), "%.*s", SLICE_ARG(q->recipient.address));
		bind_smtp_target(q, &end, mailbox);
		q->verdict.kind = VERDICT_ACCEPT;
	}
	lua_settop(L, top);
	question_answer(q);
}

/* ---- mailboxes ---- */

static void set_results(lua_State *L, struct delivery *d)
{
	for (unsigned i = 0; i < d->envelope->recipient_count; i++) {
		const char *name = lua_tostring(L, -1);

		if (lua_istable(L, -1)) {
			lua_rawgeti(L, -1, (lua_Integer)i + 1);
			name = lua_tostring(L, -1);
			lua_pop(L, 1);
		}
		d->results[i] = bind_smtp_status(name ? name : "OK");
	}
}

static void delivery_canceled(struct delivery *d)
{
	struct peer *p = d->work;

	p->delivery = NULL;
	p->canceled++;
}

static void deliver(struct mailbox_provider *provider, struct delivery *d)
{
	struct peer *p = CONTAINER_OF(provider, struct peer, mailboxes);
	lua_State *L = p->L;
	int top = lua_gettop(L);

	if (push_function(p, "deliver")) {
		bind_smtp_envelope(L, d->envelope);
		bind_smtp_octets(L, d->message);
		lua_call(L, 2, 1);
		const char *answer = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";

		if (strcmp(answer, "later") == 0) {
			p->delivery = d;
			d->work = p;
			d->cancel = delivery_canceled;
			lua_settop(L, top);
			return;
		}
		if (!lua_isnil(L, -1))
			set_results(L, d);
	}
	lua_settop(L, top);
	d->done(d->owner, ST_OK);
}

static enum status room(struct mailbox_provider *provider, uint64_t octets)
{
	struct peer *p = CONTAINER_OF(provider, struct peer, mailboxes);
	enum status st = ST_OK;

	if (push_function(p, "room")) {
		lua_pushinteger(p->L, (lua_Integer)octets);
		lua_call(p->L, 1, 1);
		if (lua_isstring(p->L, -1))
			st = bind_smtp_status(lua_tostring(p->L, -1));
		lua_pop(p->L, 1);
	}
	return st;
}

static const struct mailbox_ops mailbox_ops = { .deliver = deliver, .room = room };

/* ---- observer ---- */

static void on_event(struct observer *o, const struct event *e)
{
	static const char *const kinds[] = { "connect", "command", "reply", "data", "tls", "login",
	                                     "accepted", "retrieved", "deleted", "disconnect", "stored",
	                                     "error" };
	struct peer *p = CONTAINER_OF(o, struct peer, observer);
	lua_State *L = p->L;

	if (!push_function(p, "observe"))
		return;
	lua_newtable(L);
	lua_pushstring(L, kinds[e->kind]);
	lua_setfield(L, -2, "kind");
	bind_smtp_slice(L, "line", e->line);
	bind_smtp_slice(L, "state", slice_from(e->state));
	bind_smtp_slice(L, "by", e->verdict ? slice_from(e->verdict->by) : SLICE(""));
	bind_smtp_number(L, "octets", e->octets);
	lua_call(L, 1, 0);
}

/* ---- the host ---- */

static void host_changed(void *host)
{
	struct peer *p = host;

	p->changed = true;
}

/* Feed what is there; again when an answer came in between, as the event loop would. */
static void turn(struct peer *p)
{
	do {
		p->changed = false;
		if (p->machine->wants == MACHINE_READ && buf_len(&p->input)) {
			struct slice in = buf_slice(&p->input);

			p->machine->ops->feed(p->machine, &in);
			buf_consume(&p->input, buf_len(&p->input) - in.len);
		}
	} while (p->changed);
	machine_rest(p->machine);
}

static struct peer *check(lua_State *L)
{
	struct peer *p = luaL_checkudata(L, 1, PEER_MT);

	luaL_argcheck(L, p->machine != NULL, 1, "session is closed");
	p->L = L;
	return p;
}

static void fill_settings(lua_State *L, struct peer *p)
{
	struct smtp_settings *s = &p->settings;

	smtp_settings_default(s);
	s->hostname = bind_smtp_text(L, 1, "hostname", "mail.example.test");
	s->banner = bind_smtp_text(L, 1, "banner", NULL);
s->max_message_octets = bind_smtp_integer(L, 1, "max_message_octets", s->max_message_octets);
#define NUMBER(name) s->name = (uint32_t)bind_smtp_integer(L, 1, #name, s->name);
	NUMBER(max_recipients) NUMBER(max_transactions) NUMBER(max_command_octets)
	NUMBER(max_auth_line_octets) NUMBER(max_text_line_octets) NUMBER(max_header_octets)
	NUMBER(max_received) NUMBER(max_errors) NUMBER(max_idle_commands)
	NUMBER(max_auth_failures) NUMBER(auth_failure_delay_ms) NUMBER(command_timeout_ms)
	NUMBER(data_timeout_ms) NUMBER(auth_mechanisms)
#undef NUMBER
#define FLAG(name) s->name = bind_smtp_flag(L, 1, #name);
	FLAG(auth_without_tls) FLAG(auth_without_tls_on_loopback) FLAG(require_auth)
	FLAG(require_tls) FLAG(vrfy) FLAG(quota_tempfail)
}

static void fill_facts(lua_State *L, struct facts *f, struct peer *p)
{
	facts_init(f);
	f->protocol = PROTOCOL_SMTP;
	f->service = SERVICE_MTA;
	f->listener = "spec";
	f->hostname = p->settings.hostname;
	snprintf(f->remote_ip, sizeof(f->remote_ip), "%s", bind_smtp_text(L, 1, "remote_ip", "192.0.2.7"));
	f->trusted = bind_smtp_flag(L, 1, "trusted");
	f->loopback = bind_smtp_flag(L, 1, "loopback");
	f->tls.active = bind_smtp_flag(L, 1, "tls");
	f->tls.version = "TLSv1.3";
	f->tls.cipher = "TLS_AES_256_GCM_SHA384";
}

static int l_new(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	struct peer *p = lua_newuserdatauv(L, sizeof(*p), 0);

	*p = (struct peer){ .L = L };
	luaL_setmetatable(L, PEER_MT);
	lua_pushvalue(L, 1);
	p->options = luaL_ref(L, LUA_REGISTRYINDEX);
	buf_init(&p->input, 0);
	fill_settings(L, p);
	p->policy = (struct policy){ .ask = policy_ask, .hooks = push_function(p, "policy") ? ~0u : 0 };
	p->mailboxes.ops = &mailbox_ops;
	p->mailboxes.spool = bind_smtp_text(L, 1, "spool", "/tmp");
	p->observer = (struct observer){ .event = on_event, .wants_lines = true };
	struct machine_setup setup = {
		.policy = &p->policy, .mailboxes = &p->mailboxes, .observer = &p->observer,
		.host = p, .host_changed = host_changed,
		.tls_available = bind_smtp_flag(L, 1, "tls_available"),
	};

	fill_facts(L, &setup.facts, p);
	p->machine = smtp_session_new(&p->settings, &setup);
	lua_settop(L, 2);
	p->machine->ops->start(p->machine);
	turn(p);
	lua_settop(L, 2);
	return 1;
}

/* s:feed(octets): what the client sent; the machine takes it as soon as it wants to. */
static int l_feed(lua_State *L)
{
	struct peer *p = check(L);
	struct slice s;

	s.ptr = luaL_checklstring(L, 2, &s.len);
	(void)buf_append(&p->input, s);
	turn(p);
	return 0;
}

/* s:take() -> the replies since the last call */
static int l_take(lua_State *L)
{
	struct peer *p = check(L);
	struct slice out = buf_slice(&p->machine->out);

	lua_pushlstring(L, out.len ? out.ptr : "", out.len);
	buf_consume(&p->machine->out, out.len);
	return 1;
}

static int l_wants(lua_State *L)
{
	static const char *const names[] = { "read", "wait", "drain", "file", "tls", "close" };

	lua_pushstring(L, names[check(L)->machine->wants]);
	return 1;
}

/* s:answer(verdict or nil): the answer that policy promised with "later" */
static int l_answer(lua_State *L)
{
	struct peer *p = check(L);
	struct question *q = p->question;

	luaL_argcheck(L, q != NULL, 1, "no question is in flight");
	p->question = NULL;
	lua_settop(L, 2);
	if (lua_istable(L, 2))
		bind_smtp_answer(L, q);
	question_answer(q);
	turn(p);
	return 0;
}

/* s:delivered(result or list): the results that deliver promised with "later" */
static int l_delivered(lua_State *L)
{
	struct peer *p = check(L);
	struct delivery *d = p->delivery;

	luaL_argcheck(L, d != NULL, 1, "no delivery is in flight");
	p->delivery = NULL;
	lua_settop(L, 2);
	set_results(L, d);
	d->done(d->owner, ST_OK);
	turn(p);
	return 0;
}

/* s:timers() -> delay_ms, timeout_ms */
static int l_timers(lua_State *L)
{
	lua_pushinteger(L, check(L)->machine->delay_ms);
	lua_pushinteger(L, check(L)->machine->timeout_ms);
	return 2;
}

static int call(lua_State *L, void (*op)(struct machine *m))
{
	struct peer *p = check(L);

	op(p->machine);
	turn(p);
	return 0;
}

#define OPERATION(name) \
	static int l_##name(lua_State *L) { return call(L, check(L)->machine->ops->name); }
OPERATION(delayed)
OPERATION(drained)
OPERATION(timed_out)
OPERATION(end)
#undef OPERATION

/* s:tls_started(): the handshake is done; what was unread before it is dropped, as hosts do */
static int l_tls_started(lua_State *L)
{
	struct peer *p = check(L);

	luaL_argcheck(L, p->machine->wants == MACHINE_TLS, 1, "the session wants no TLS");
	buf_reset(&p->input);
	p->machine->facts.tls.active = true;
	return call(L, p->machine->ops->tls_started);
}

/* s:facts() -> { helo, esmtp, user, remote_ip, ... } */
static int l_facts(lua_State *L)
{
	const struct facts *f = &check(L)->machine->facts;

	lua_newtable(L);
	bind_smtp_slice(L, "helo", slice_from(f->helo));
	bind_smtp_slice(L, "user", slice_from(f->identity.user));
	bind_smtp_slice(L, "mailbox", slice_from(f->identity.mailbox));
	bind_smtp_slice(L, "remote_ip", slice_from(f->remote_ip));
	bind_smtp_slice(L, "local_ip", slice_from(f->local_ip));
	bind_smtp_number(L, "esmtp", f->esmtp);
	bind_smtp_number(L, "loopback", f->loopback);
	bind_smtp_number(L, "remote_port", f->remote_port);
	bind_smtp_number(L, "local_port", f->local_port);
	return 1;
}

/* s:close() -> how many questions and deliveries were cancelled by it */
static int l_close(lua_State *L)
{
	struct peer *p = luaL_checkudata(L, 1, PEER_MT);

	p->L = L;
	if (p->machine) {
		p->machine->ops->free(p->machine);
		p->machine = NULL;
		buf_free(&p->input);
		luaL_unref(L, LUA_REGISTRYINDEX, p->options);
	}
	lua_pushinteger(L, p->canceled);
	return 1;
}

/* log(on): whether errors are logged; a spec of errors keeps its output clean */
static int l_log(lua_State *L)
{
	log_set_level(lua_toboolean(L, 1) ? LOG_LEVEL_ERROR : LOG_LEVEL_ERROR + 1);
	return 0;
}

int luaopen_bind_smtp(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "feed", l_feed }, { "take", l_take }, { "wants", l_wants }, { "answer", l_answer },
		{ "delivered", l_delivered }, { "timers", l_timers }, { "delayed", l_delayed },
		{ "drained", l_drained }, { "timed_out", l_timed_out }, { "end_", l_end },
		{ "tls_started", l_tls_started }, { "facts", l_facts }, { "close", l_close },
		{ "__gc", l_close }, { NULL, NULL },
	};
	static const luaL_Reg functions[] = { { "new", l_new }, { "log", l_log }, { NULL, NULL } };

	log_set_level(LOG_LEVEL_ERROR);           /* specs refuse a lot; that is no news */
	luaL_newmetatable(L, PEER_MT);
	luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	luaL_newlib(L, functions);
	return 1;
}
