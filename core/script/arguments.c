/* Plain tables for what is small and fixed, objects for what has octets to read. */
#include "script/arguments.h"

#include <lauxlib.h>

#include "hook/message.h"
#include "script/deletion.h"
#include "script/lib.h"
#include "script/session.h"
#include "script/view.h"

static void set_slice(lua_State *L, const char *name, struct slice s)
{
	lib_push_slice(L, s);
	lua_setfield(L, -2, name);
}

static void set_boolean(lua_State *L, const char *name, bool b)
{
	lua_pushboolean(L, b);
	lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, uint64_t n)
{
	lua_pushinteger(L, (lua_Integer)n);
	lua_setfield(L, -2, name);
}

/* ---- tables ---- */

static void push_one_recipient(lua_State *L, const struct envelope_recipient *r)
{
	lua_createtable(L, 0, 3);
	set_slice(L, "address", r->address);
	set_slice(L, "mailbox", r->mailbox);
	set_boolean(L, "discard", r->discard);
}

void arguments_push_envelope(lua_State *L, const struct envelope *e)
{
	lua_createtable(L, 0, 5);
	set_slice(L, "sender", e->sender);
	set_number(L, "size", e->size);
	set_boolean(L, "body_8bit", e->body_8bit);
	set_boolean(L, "smtputf8", e->smtputf8);
	lua_createtable(L, (int)e->recipient_count, 0);
	for (unsigned i = 0; i < e->recipient_count; i++) {
		push_one_recipient(L, &e->recipients[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "recipients");
}

static int push_helo(lua_State *L, struct question *q)
{
	lib_push_slice(L, q->helo.name);
	return 2;
}

static int push_credentials(lua_State *L, struct question *q)
{
	lua_createtable(L, 0, 4);
	set_slice(L, "mechanism", q->login.mechanism);
	set_slice(L, "user", q->login.user);
	set_slice(L, "password", q->login.password);
	set_slice(L, "authzid", q->login.authzid);
	return 2;
}

static int push_secret(lua_State *L, struct question *q)
{
	lib_push_slice(L, q->login.mechanism);
	lib_push_slice(L, q->login.user);
	return 3;
}

static int push_token(lua_State *L, struct question *q)
{
	(void)push_secret(L, q);
	lib_push_slice(L, q->login.token);
	return 4;
}

static int push_identity(lua_State *L, struct question *q)
{
	const struct identity *i = &q->facts->identity;

	lua_createtable(L, 0, 4);
	lua_pushstring(L, i->user);
	lua_setfield(L, -2, "user");
	lua_pushstring(L, i->mailbox);
	lua_setfield(L, -2, "mailbox");
	set_number(L, "quota_octets", i->quota_octets);
	set_number(L, "quota_messages", i->quota_messages);
	return 2;
}

static int push_sender(lua_State *L, struct question *q)
{
	lua_createtable(L, 0, 4);
	set_slice(L, "address", q->sender.address);
	set_number(L, "size", q->sender.size);
	set_boolean(L, "body_8bit", q->sender.body_8bit);
	set_boolean(L, "smtputf8", q->sender.smtputf8);
	return 2;
}

static int push_recipient(lua_State *L, struct question *q)
{
	lua_createtable(L, 0, 5);
	set_slice(L, "address", q->recipient.address);
	set_slice(L, "localpart", q->recipient.localpart);
	set_slice(L, "detail", q->recipient.detail);
	set_slice(L, "domain", q->recipient.domain);
	set_number(L, "size", q->recipient.size);
	return 2;
}

static int push_command(lua_State *L, struct question *q)
{
	lib_push_slice(L, q->command.verb);
	lib_push_slice(L, q->command.arguments);
	return 3;
}

static int push_greeting(lua_State *L, struct question *q)
{
	lib_push_slice(L, q->rewrite.text);
	return 2;
}

static int push_capabilities(lua_State *L, struct question *q)
{
	struct slice rest = q->rewrite.text, line;

	lua_newtable(L);
	for (lua_Integer i = 1; slice_cut(&rest, '\n', &line) == ST_OK; i++) {
		lib_push_slice(L, line);
		lua_rawseti(L, -2, i);
	}
	return 2;
}

static int push_reply(lua_State *L, struct question *q)
{
	lua_createtable(L, 0, 3);
	set_slice(L, "code", q->rewrite.sign);
	set_slice(L, "status", q->rewrite.status);
	set_slice(L, "text", q->rewrite.text);
	return 2;
}

static int push_envelope(lua_State *L, struct question *q)
{
	arguments_push_envelope(L, q->data.envelope);
	return 2;
}

/* envelope [, recipient], message: the header is final by now. */
static int push_delivery(lua_State *L, struct question *q, struct handle **lent)
{
	bool one = q->hook == HOOK_ACCEPT_DELIVERY;

	arguments_push_envelope(L, q->data.envelope);
	if (one)
		push_one_recipient(L, &q->data.envelope->recipients[q->data.recipient]);
	view_push(L, q->data.message, false, lent);
	return one ? 4 : 3;
}

int arguments_push(lua_State *L, struct question *q, struct handle **lent)
{
	static int (*const push[HOOK__COUNT])(lua_State *L, struct question *q) = {
		[HOOK_ACCEPT_HELO] = push_helo, [HOOK_AUTH] = push_credentials, [HOOK_SECRET] = push_secret,
		[HOOK_TOKEN] = push_token, [HOOK_ACCEPT_LOGIN] = push_identity,
		[HOOK_ACCEPT_SENDER] = push_sender, [HOOK_ACCEPT_RECIPIENT] = push_recipient,
		[HOOK_ACCEPT_COMMAND] = push_command, [HOOK_REWRITE_GREETING] = push_greeting,
		[HOOK_REWRITE_CAPABILITIES] = push_capabilities, [HOOK_REWRITE_REPLY] = push_reply,
		[HOOK_ALIAS] = push_recipient, [HOOK_ACCEPT_DATA] = push_envelope,
	};

	/* There may be no session yet to which an object could belong. */
	if (q->hook == HOOK_CERTIFICATE) {
		if (q->tls.name.ptr)
			lib_push_slice(L, q->tls.name);
		else
			lua_pushnil(L);
		lua_pushstring(L, q->facts->listener);
		return 2;
	}
	session_push(L, q->facts);
	if (q->hook == HOOK_ACCEPT_MESSAGE) {
		arguments_push_envelope(L, q->data.envelope);
		q->data.message->utf8 = q->data.envelope->smtputf8;
		view_push(L, q->data.message, true, lent);
		return 3;
	}
	if (q->hook == HOOK_ACCEPT_DELIVERY || q->hook == HOOK_ON_ACCEPT)
		return push_delivery(L, q, lent);
	if (q->hook == HOOK_ON_DELETE) {
		lib_push_slice(L, q->deletion.mailbox);
		deletion_push(L, q, lent);
		return 3;
	}
	return push[q->hook] ? push[q->hook](L, q) : 1;
}
