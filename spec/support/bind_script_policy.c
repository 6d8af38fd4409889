/* Questions, sessions and events for specs of core/script. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bind_script.h"

static const char session_metatable[] = "spec.script.session";
static const char asked_metatable[] = "spec.script.asked";

struct spec_session { struct stage *stage; struct facts facts; bool closed; };
struct asked { struct stage *stage; struct question q; bool answered; struct buf bytes; };

/* ---- sessions ---- */

struct facts *stage_check_session(lua_State *L, int index)
{
	struct spec_session *s = luaL_checkudata(L, index, session_metatable);

	return &s->facts;
}

static int l_session_close(lua_State *L)
{
	struct spec_session *s = luaL_checkudata(L, 1, session_metatable);

	if (!s->closed && s->stage->script)
		script_session_closed(s->stage->script, &s->facts);
	if (!s->closed)
		facts_clear(&s->facts);
	s->closed = true;
	return 0;
}

/* stage:session{ service =, user =, tls =, ip =, helo =, listener = } */
static int l_session(lua_State *L)
{
	struct stage *stage = stage_check(L);
	struct spec_session *s;

	lua_settop(L, 2);
	if (!lua_istable(L, 2)) {
		lua_newtable(L);
		lua_replace(L, 2);
	}
	s = lua_newuserdatauv(L, sizeof(*s), 1);
	*s = (struct spec_session){ .stage = stage, .closed = true };
	luaL_setmetatable(L, session_metatable);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	facts_init(&s->facts);
	s->closed = false;
	struct facts *f = &s->facts;
	struct slice service = stage_field(L, 2, "service"), user = stage_field(L, 2, "user");
	struct slice helo = stage_field(L, 2, "helo"), ip = stage_field(L, 2, "ip");
	struct slice listener = stage_field(L, 2, "listener");

	f->service = SERVICE_MTA;
	for (unsigned bit = SERVICE_MTA; bit <= SERVICE_POP3S; bit <<= 1)
		if (slice_eq(service, slice_from(service_name(bit))))
			f->service = bit;
	f->protocol = f->service >= SERVICE_POP3 ? PROTOCOL_POP3 : PROTOCOL_SMTP;
	f->listener = "spec";
	for (unsigned i = 0; i < stage->config->listener_count; i++)
		if (slice_eq(listener, slice_from(stage->config->listeners[i].name)))
			f->listener = stage->config->listeners[i].name;
	f->hostname = "mail.example.test";
	snprintf(f->remote_ip, sizeof(f->remote_ip), "%.*s", ip.len ? (int)ip.len : 9,
	         ip.len ? ip.ptr : "192.0.2.1");
	f->remote_port = 4711;
	if (helo.ptr)
		facts_set_helo(f, helo, true);
	if (user.ptr)
		identity_set(&f->identity, user, user);
	if (stage_field(L, 2, "server_name").ptr)
		f->tls.server_name = mem_slice_dup(stage_field(L, 2, "server_name"));
	lua_getfield(L, 2, "tls");
	f->tls.active = lua_toboolean(L, -1);
	f->tls.version = "TLSv1.3";
	f->tls.cipher = "TLS_AES_256_GCM_SHA384";
	lua_pop(L, 1);
	return 1;
}

/* ---- questions ---- */

static void on_answered(void *owner, struct question *q)
{
	struct asked *a = owner;

	(void)q;
	a->answered = true;
	stage_settled(a->stage);
}

static enum hook hook_by_name(lua_State *L, struct slice name)
{
	for (unsigned i = 0; i < HOOK__COUNT; i++)
		if (slice_eq(name, slice_from(hook_name(i))))
			return i;
	luaL_error(L, "unknown hook");
	return 0;
}

static void fill(lua_State *L, struct asked *a)
{
	struct question *q = &a->q;

	switch (q->hook) {
	case HOOK_ACCEPT_HELO:
		q->helo.name = stage_field(L, 2, "name");
		break;
	case HOOK_AUTH: case HOOK_SECRET: case HOOK_TOKEN:
		q->login.mechanism = stage_field(L, 2, "mechanism");
		q->login.user = stage_field(L, 2, "user");
		q->login.password = stage_field(L, 2, "password");
		q->login.authzid = stage_field(L, 2, "authzid");
		q->login.token = stage_field(L, 2, "token");
		break;
	case HOOK_CERTIFICATE:
		q->tls.name = stage_field(L, 2, "name");
		break;
	case HOOK_ACCEPT_COMMAND:
		q->command.verb = stage_field(L, 2, "verb");
		q->command.arguments = stage_field(L, 2, "arguments");
		break;
	case HOOK_REWRITE_GREETING: case HOOK_REWRITE_CAPABILITIES: case HOOK_REWRITE_REPLY:
		q->rewrite.text = q->rewrite.known = stage_field(L, 2, "text");
		q->rewrite.sign = stage_field(L, 2, "code");
		q->rewrite.status = stage_field(L, 2, "status");
		break;
	case HOOK_ACCEPT_SENDER:
		q->sender.address = stage_field(L, 2, "address");
		break;
	case HOOK_ACCEPT_RECIPIENT: case HOOK_ALIAS:
		q->recipient.address = stage_field(L, 2, "address");
		q->recipient.localpart = slice_head(q->recipient.address, slice_find(q->recipient.address, '@'));
		q->recipient.domain = slice_skip(q->recipient.address, q->recipient.localpart.len + 1);
		q->recipient.detail = stage_field(L, 2, "detail");
		break;
	default:
		break;
	}
}

static struct message *push_message(lua_State *L)
{
	struct message **box = lua_newuserdatauv(L, sizeof(*box), 0);
	struct slice octets = stage_field(L, 2, "message"), spool = stage_field(L, 2, "spool");

	*box = message_new(spool.ptr ? spool.ptr : "/tmp");   /* the table at 2 keeps it */
	luaL_setmetatable(L, "spec.script.message");
	(void)message_append(*box, octets);
	return *box;
}

static int l_message_gc(lua_State *L)
{
	struct message **box = lua_touserdata(L, 1);

	message_free(*box);
	*box = NULL;
	return 0;
}

static struct maildrop *find_maildrop(lua_State *L)
{
	struct maildrop **box;

	lua_getfield(L, 2, "maildrop");
	box = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return box ? *box : NULL;
}

/* Strings of the table at 2 must live as long as the question: it keeps the table. */
static int l_ask(lua_State *L)
{
	static struct envelope_recipient bob = {
		.address = { "Bob@example.test", 16 }, .mailbox = { "bob@example.test", 16 },
	};
	static const struct envelope envelope = {
		.sender = { "a@b.test", 8 }, .recipients = &bob, .recipient_count = 1,
	};
	struct stage *stage = stage_check(L);
	struct asked *a;
	struct facts *f;
	enum hook hook = hook_by_name(L, stage_field(L, 2, "hook"));

	if (lua_getfield(L, 2, "session") == LUA_TNIL) {
		lua_pop(L, 1);
		lua_pushcfunction(L, l_session);
		lua_pushvalue(L, 1);
		lua_call(L, 1, 1);
		lua_pushvalue(L, -1);
		lua_setfield(L, 2, "session");
	}
	f = stage_check_session(L, -1);
	a = lua_newuserdatauv(L, sizeof(*a), 2);
	*a = (struct asked){ .stage = stage };
	question_init(&a->q, script_policy(stage->script), f, a);
	luaL_setmetatable(L, asked_metatable);
	lua_pushvalue(L, 2);
	lua_setiuservalue(L, -2, 1);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 2);
	question_begin(&a->q, hook, on_answered);
	fill(L, a);
	if (hook == HOOK_ACCEPT_MESSAGE || hook == HOOK_ACCEPT_DELIVERY || hook == HOOK_ON_ACCEPT) {
		a->q.data.recipient = 0;
		a->q.data.envelope = &envelope;
		a->q.data.message = push_message(L);
		lua_setfield(L, 2, "message_object");
	} else if (hook == HOOK_ACCEPT_DATA) {
		a->q.data.envelope = &envelope;
	} else if (hook == HOOK_ON_DELETE) {
		struct maildrop *m = find_maildrop(L);

		a->q.deletion.mailbox = SLICE("alice@example.test");
		a->q.deletion.uidl = SLICE("u1");
		a->q.deletion.number = 1;
		a->q.deletion.maildrop = m;
		a->q.deletion.octets = m && m->count ? m->entries[0].octets : 0;
	}
	stage->pending++;
	question_ask(&a->q);
	return 1;
}

static void set_text(lua_State *L, const char *name, const char *text)
{
	lua_pushstring(L, text);
	lua_setfield(L, -2, name);
}

static void set_slice(lua_State *L, const char *name, struct slice s)
{
	if (!s.ptr)
		return;
	lua_pushlstring(L, s.ptr, s.len);
	lua_setfield(L, -2, name);
}

static void push_targets(lua_State *L, const struct recipient_target *t)
{
	lua_newtable(L);
	for (lua_Integer i = 1; t; t = t->next, i++) {
		lua_pushfstring(L, "%s for %s", t->mailbox ? t->mailbox : "?", t->address ? t->address : "?");
		lua_rawseti(L, -2, i);
	}
	lua_setfield(L, -2, "targets");
}

/* asked:answer() -> nil while it waits, else a table */
static int l_answer(lua_State *L)
{
	struct asked *a = luaL_checkudata(L, 1, asked_metatable);
	const struct question *q = &a->q;

	if (!a->answered)
		return 0;
	lua_newtable(L);
	set_text(L, "kind", verdict_name(q->verdict.kind));
	set_text(L, "status", q->verdict.status);
	set_text(L, "text", q->verdict.text);
	set_text(L, "by", q->verdict.by);
	set_text(L, "where", q->verdict.where);
	lua_pushinteger(L, q->verdict.delay_ms);
	lua_setfield(L, -2, "delay_ms");
	set_text(L, "user", q->identity.user);
	set_text(L, "mailbox", q->identity.mailbox);
	lua_pushinteger(L, (lua_Integer)q->identity.quota_octets);
	lua_setfield(L, -2, "quota_octets");
	push_targets(L, q->targets);
	set_slice(L, "plain", q->secret.plain);
	set_slice(L, "address", q->address);
	set_slice(L, "chain", q->certificate.chain);
	set_slice(L, "key", q->certificate.key);
	if (q->hook == HOOK_REWRITE_GREETING || q->hook == HOOK_REWRITE_CAPABILITIES ||
	    q->hook == HOOK_REWRITE_REPLY)
		set_slice(L, "rewrite", q->rewrite.text);
	set_slice(L, "salt", q->secret.salt);
	lua_pushinteger(L, q->secret.iterations);
	lua_setfield(L, -2, "iterations");
	return 1;
}

static int l_cancel(lua_State *L)
{
	struct asked *a = luaL_checkudata(L, 1, asked_metatable);

	if (a->q.waiting)
		stage_settled(a->stage);
	question_clear(&a->q);
	return 0;
}

static int l_asked_gc(lua_State *L)
{
	struct asked *a = luaL_checkudata(L, 1, asked_metatable);

	/* Collected together with its stage, which then is gone already: nobody to cancel at. */
	if (!a->stage || !a->stage->script)
		a->q.waiting = false;
	question_clear(&a->q);
	return 0;
}

/* ---- events ---- */

/* stage:event(session, kind number, line, "reject": its verdict, or uid, octets) */
static int l_event(lua_State *L)
{
	struct stage *stage = stage_check(L);
	struct event e = { .facts = stage_check_session(L, 2), .kind = luaL_checkinteger(L, 3) };
	struct observer *o = script_observer(stage->script);
	const struct verdict rejected = { .kind = VERDICT_REJECT };

	if (lua_isstring(L, 4))
		e.line.ptr = lua_tolstring(L, 4, &e.line.len);
	if (lua_type(L, 5) == LUA_TSTRING && strcmp(lua_tostring(L, 5), "reject") == 0)
		e.verdict = &rejected;
	else
		e.uid = (uint64_t)luaL_optinteger(L, 5, 0);
	e.octets = (uint64_t)luaL_optinteger(L, 6, 0);
	o->event(o, &e);
	return 0;
}

static void make_metatable(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction gc)
{
	luaL_newmetatable(L, name);
	lua_newtable(L);
	luaL_setfuncs(L, methods, 0);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
}

void bind_script_policy(lua_State *L)
{
	static const luaL_Reg stage[] = {
		{ "session", l_session }, { "ask", l_ask }, { "event", l_event }, { NULL, NULL },
	};
	static const luaL_Reg session[] = { { "close", l_session_close }, { NULL, NULL } };
	static const luaL_Reg asked[] = { { "answer", l_answer }, { "cancel", l_cancel }, { NULL, NULL } };
	static const luaL_Reg none[] = { { NULL, NULL } };

	make_metatable(L, session_metatable, session, l_session_close);
	make_metatable(L, asked_metatable, asked, l_asked_gc);
	make_metatable(L, "spec.script.message", none, l_message_gc);
	luaL_setfuncs(L, stage, 0);
}
