/* The policy of a spec: a Lua function that gets the question as a table. */
#include "bind_pop3.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"

static void push_question(lua_State *L, const struct question *q)
{
	lua_newtable(L);
	bind_pop3_set_field(L, "hook", slice_from(hook_name(q->hook)));
	switch (q->hook) {
	case HOOK_AUTH:
	case HOOK_SECRET:
	case HOOK_TOKEN:
		bind_pop3_set_field(L, "mechanism", q->login.mechanism);
		bind_pop3_set_field(L, "user", q->login.user);
		bind_pop3_set_field(L, "password", q->login.password);
		bind_pop3_set_field(L, "authzid", q->login.authzid);
		bind_pop3_set_field(L, "token", q->login.token);
		break;
	case HOOK_ACCEPT_COMMAND:
		bind_pop3_set_field(L, "verb", q->command.verb);
		bind_pop3_set_field(L, "arguments", q->command.arguments);
		break;
	case HOOK_REWRITE_REPLY:
		bind_pop3_set_field(L, "code", q->rewrite.sign);
		bind_pop3_set_field(L, "status", q->rewrite.status);
		bind_pop3_set_field(L, "text", q->rewrite.text);
		break;
	case HOOK_REWRITE_GREETING:
	case HOOK_REWRITE_CAPABILITIES:
		bind_pop3_set_field(L, "text", q->rewrite.text);
		break;
	case HOOK_ON_DELETE:
		bind_pop3_set_field(L, "mailbox", q->deletion.mailbox);
		bind_pop3_set_field(L, "uidl", q->deletion.uidl);
		lua_pushinteger(L, q->deletion.number);
		lua_setfield(L, -2, "number");
		lua_pushinteger(L, (lua_Integer)q->deletion.octets);
		lua_setfield(L, -2, "octets");
		break;
	default:
		break;
	}
}

static enum verdict_kind kind_of(struct slice name)
{
	for (int k = 0; k <= VERDICT_KEEP; k++)
		if (slice_eq(name, slice_from(verdict_name((enum verdict_kind)k))))
			return (enum verdict_kind)k;
	return VERDICT_NONE;
}

/* The answer on top of the stack: nil or a table {kind, status, text, delay, user, mailbox ...}. */
void bind_pop3_answer_question(struct spec_session *s, struct question *q)
{
	lua_State *L = s->L;

	s->pending = NOTHING;
	if (lua_istable(L, -1)) {
		struct slice user = bind_pop3_field(L, "user"), plain = bind_pop3_field(L, "plain");
		struct slice mailbox = bind_pop3_field(L, "mailbox"), by = bind_pop3_field(L, "by");

		verdict_set(&q->verdict, kind_of(bind_pop3_field(L, "kind")),
		            bind_pop3_field(L, "status").ptr, "%.*s", SLICE_ARG(bind_pop3_field(L, "text")));
		if (by.ptr)
			snprintf(q->verdict.by, sizeof(q->verdict.by), "%s", by.ptr);
		lua_getfield(L, -1, "delay");
		q->verdict.delay_ms = (uint32_t)lua_tointeger(L, -1);
		lua_pop(L, 1);
		if (user.ptr)
			identity_set(&q->identity, user, mailbox.ptr ? mailbox : user);
		struct slice rewrite = bind_pop3_field(L, "rewrite");

		if (rewrite.ptr)
			q->rewrite.text = arena_copy(&q->arena, rewrite);
		if (plain.ptr)
			q->secret.plain = arena_copy(&q->arena, plain);
	}
	question_answer(q);
}

static void on_cancel(struct question *q)
{
	struct spec_session *s = q->work;

	s->pending = NOTHING;
	s->cancel_count++;
}

void bind_pop3_ask(struct policy *p, struct question *q)
{
	struct spec_session *s = CONTAINER_OF(p, struct spec_session, policy);
	lua_State *L = s->L;

	if (bind_pop3_option(s, "policy") != LUA_TFUNCTION) {
		lua_pop(L, 1);
		lua_pushnil(L);
	} else {
		push_question(L, q);
		if (lua_pcall(L, 1, 1, 0) != LUA_OK)
			die("policy of the spec: %s", lua_tostring(L, -1));
	}
	if (lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "later") == 0) {
		s->pending = QUESTION;
		s->question = q;
		q->work = s;
		q->cancel = on_cancel;
	} else {
		bind_pop3_answer_question(s, q);
	}
	lua_pop(L, 1);
}
