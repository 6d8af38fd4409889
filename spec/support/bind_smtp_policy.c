/* Questions and answers of SMTP sessions, and the envelope, as Lua tables of specs. */
#include "bind_smtp.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "hook/message_header.h"

/* ---- Lua values ---- */

void bind_smtp_slice(lua_State *L, const char *key, struct slice s)
{
	lua_pushlstring(L, s.len ? s.ptr : "", s.len);
	lua_setfield(L, -2, key);
}

void bind_smtp_number(lua_State *L, const char *key, uint64_t n)
{
	lua_pushinteger(L, (lua_Integer)n);
	lua_setfield(L, -2, key);
}

const char *bind_smtp_text(lua_State *L, int at, const char *key, const char *otherwise)
{
	const char *text = otherwise;

	if (lua_getfield(L, at, key) == LUA_TSTRING)
		text = lua_tostring(L, -1);
	lua_pop(L, 1);                            /* the table keeps the string alive */
	return text;
}

uint64_t bind_smtp_integer(lua_State *L, int at, const char *key, uint64_t otherwise)
{
	uint64_t n = lua_getfield(L, at, key) == LUA_TNUMBER ? (uint64_t)lua_tointeger(L, -1) : otherwise;

	lua_pop(L, 1);
	return n;
}

bool bind_smtp_flag(lua_State *L, int at, const char *key)
{
	bool on = lua_getfield(L, at, key) != LUA_TNIL && lua_toboolean(L, -1);

	lua_pop(L, 1);
	return on;
}

enum status bind_smtp_status(const char *name)
{
	for (int st = 0; st < ST__COUNT; st++)
		if (strcmp(status_name((enum status)st), name) == 0)
			return (enum status)st;
	die("no status %s", name);
}

void bind_smtp_envelope(lua_State *L, const struct envelope *e)
{
	lua_newtable(L);
	bind_smtp_slice(L, "sender", e->sender);
	bind_smtp_number(L, "size", e->size);
	lua_pushboolean(L, e->body_8bit);
	lua_setfield(L, -2, "body_8bit");
	lua_pushboolean(L, e->smtputf8);
	lua_setfield(L, -2, "smtputf8");
	lua_newtable(L);
	for (unsigned i = 0; i < e->recipient_count; i++) {
		lua_newtable(L);
		bind_smtp_slice(L, "address", e->recipients[i].address);
		bind_smtp_slice(L, "mailbox", e->recipients[i].mailbox);
		lua_pushboolean(L, e->recipients[i].discard);
		lua_setfield(L, -2, "discard");
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "recipients");
}

void bind_smtp_octets(lua_State *L, const struct message *m)
{
	luaL_Buffer b;
	uint64_t at = 0;

	luaL_buffinit(L, &b);
	while (at < m->octets) {
		size_t len = LUAL_BUFFERSIZE;

		if (message_read(m, at, luaL_prepbuffer(&b), &len) != ST_OK || len == 0)
			break;
		luaL_addsize(&b, len);
		at += len;
	}
	luaL_pushresult(&b);
}

/* ---- policy ---- */

void bind_smtp_question(lua_State *L, const struct question *q)
{
	lua_newtable(L);
	lua_pushstring(L, hook_name(q->hook));
	lua_setfield(L, -2, "hook");
	switch (q->hook) {
	case HOOK_ACCEPT_HELO:
		bind_smtp_slice(L, "name", q->helo.name);
		break;
	case HOOK_ACCEPT_COMMAND:
		bind_smtp_slice(L, "verb", q->command.verb);
		bind_smtp_slice(L, "arguments", q->command.arguments);
		break;
	case HOOK_REWRITE_REPLY:
		bind_smtp_slice(L, "code", q->rewrite.sign);
		bind_smtp_slice(L, "status", q->rewrite.status);
		bind_smtp_slice(L, "text", q->rewrite.text);
		break;
	case HOOK_REWRITE_GREETING:
	case HOOK_REWRITE_CAPABILITIES:
		bind_smtp_slice(L, "text", q->rewrite.text);
		break;
	case HOOK_ACCEPT_SENDER:
		bind_smtp_slice(L, "address", q->sender.address);
		break;
	case HOOK_ACCEPT_RECIPIENT:
		bind_smtp_slice(L, "address", q->recipient.address);
		bind_smtp_slice(L, "localpart", q->recipient.localpart);
		bind_smtp_slice(L, "detail", q->recipient.detail);
		bind_smtp_slice(L, "domain", q->recipient.domain);
		bind_smtp_number(L, "size", q->recipient.size);
		break;
	case HOOK_ACCEPT_DATA:
	case HOOK_ACCEPT_MESSAGE:
	case HOOK_ACCEPT_DELIVERY:
	case HOOK_ON_ACCEPT:
		bind_smtp_number(L, "recipient", q->hook == HOOK_ACCEPT_DELIVERY ? q->data.recipient + 1 : 0);
		bind_smtp_envelope(L, q->data.envelope);
		lua_setfield(L, -2, "envelope");
		if (q->data.message) {
			bind_smtp_octets(L, q->data.message);
			lua_setfield(L, -2, "octets");
		}
		break;
	case HOOK_AUTH:
	case HOOK_SECRET:
	case HOOK_TOKEN:
		bind_smtp_slice(L, "mechanism", q->login.mechanism);
		bind_smtp_slice(L, "user", q->login.user);
		bind_smtp_slice(L, "password", q->login.password);
		bind_smtp_slice(L, "authzid", q->login.authzid);
		bind_smtp_slice(L, "token", q->login.token);
		break;
	default:
		break;
	}
}

void bind_smtp_target(struct question *q, struct recipient_target ***end, const char *mailbox)
{
	struct recipient_target *t = arena_alloc(&q->arena, sizeof(*t));

	t->mailbox = t->address = arena_strdup(&q->arena, slice_from(mailbox));
	**end = t;
	*end = &t->next;
}

/* The verdict table at the top: kind, status, text, delay_ms, targets, user, mailbox, secret. */
void bind_smtp_answer(lua_State *L, struct question *q)
{
	static const char *const kinds[] = { "none", "accept", "reject", "tempfail", "discard",
	                                     "disconnect", "keep", NULL };
	struct recipient_target **end = &q->targets;
	const char *kind = bind_smtp_text(L, -1, "kind", "accept");
	const char *user = bind_smtp_text(L, -1, "user", NULL);

	for (int i = 0; kinds[i]; i++)
		if (strcmp(kinds[i], kind) == 0)
			verdict_set(&q->verdict, (enum verdict_kind)i, bind_smtp_text(L, -1, "status", ""),
			            "%s", bind_smtp_text(L, -1, "text", ""));
	q->verdict.delay_ms = (uint32_t)bind_smtp_integer(L, -1, "delay_ms", 0);
	if (user)
		identity_set(&q->identity, slice_from(user),
		             slice_from(bind_smtp_text(L, -1, "mailbox", user)));
	const char *plain = bind_smtp_text(L, -1, "plain", NULL);

	if (plain)
		q->secret.plain = arena_copy(&q->arena, slice_from(plain));
	const char *rewrite = bind_smtp_text(L, -1, "rewrite", NULL);

	if (rewrite)
		q->rewrite.text = arena_copy(&q->arena, slice_from(rewrite));
	const char *address = bind_smtp_text(L, -1, "address", NULL);

	if (address)
		q->address = address[0] ? arena_copy(&q->arena, slice_from(address)) : SLICE("");
	/* add = "X-A: b": what a plugin does with message:add */
	const char *field = bind_smtp_text(L, -1, "add", NULL);
	struct slice value = slice_from(field), name;

	if (field && slice_cut(&value, ':', &name) == ST_OK)
		(void)message_header_add(q->data.message, name, value, false, false);
	if (lua_getfield(L, -1, "targets") == LUA_TTABLE) {
		for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TSTRING; i++, lua_pop(L, 1))
			bind_smtp_target(q, &end, lua_tostring(L, -1));
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}
