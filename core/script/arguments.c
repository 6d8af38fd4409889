/* Plain tables for what is small and fixed, objects for what has octets to read. */
#include "script/arguments.h"

#include <lauxlib.h>

#include "hook/message.h"
#include "mail/header.h"
#include "script/deletion.h"
#include "script/lib.h"
#include "script/session.h"

static const char message_metatable[] = "moonpost.Message";
static const char gone[] = "the message is gone: it can be read while the hook runs only";

enum { READ_MAX = 16 * 1024 * 1024, READ_DEFAULT = 65536 };

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

/* ---- the message ---- */

static struct message *check_message(lua_State *L)
{
	return handle_check(L, 1, message_metatable, gone);
}

struct message *arguments_message(lua_State *L, int index)
{
	return handle_test(L, index, message_metatable);
}

/* Push at most max octets from offset. */
static int push_octets(lua_State *L, const struct message *m, uint64_t offset, size_t max)
{
	luaL_Buffer b;
	size_t len = max;
	char *room = luaL_buffinitsize(L, &b, max);

	if (message_read(m, offset, room, &len) != ST_OK)
		return lib_fail(L, "the message cannot be read");
	luaL_pushresultsize(&b, len);
	return 1;
}

/* message:read(offset, max) -> octets, "" at the end */
static int l_read(lua_State *L)
{
	struct message *m = check_message(L);
	lua_Integer offset = luaL_optinteger(L, 2, 0);
	lua_Integer max = luaL_optinteger(L, 3, READ_DEFAULT);

	luaL_argcheck(L, offset >= 0, 2, "an offset is 0 or more");
	luaL_argcheck(L, max >= 1 && max <= READ_MAX, 3, "1 octet to 16 MiB at a time");
	if ((uint64_t)offset >= m->octets) {
		lua_pushliteral(L, "");
		return 1;
	}
	if ((uint64_t)max > m->octets - (uint64_t)offset)
		max = (lua_Integer)(m->octets - (uint64_t)offset);
	return push_octets(L, m, (uint64_t)offset, (size_t)max);
}

/* The header is at index 2.  Push the unfolded value (RFC 5322, 2.2.3). */
static void push_value(lua_State *L, struct slice value)
{
	luaL_Buffer b;

	luaL_buffinit(L, &b);
	value = slice_trim(value);
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] != '\r' && value.ptr[i] != '\n')
			luaL_addchar(&b, value.ptr[i]);
	luaL_pushresult(&b);
}

/* message:header(name) -> the first field's value or nil; message:header(name, true) -> a list of
 * all of them */
static int l_header(lua_State *L)
{
	struct message *m = check_message(L);
	struct slice name, rest;
	struct header_field field;
	enum status st;
	lua_Integer found = 0;
	bool all = lua_toboolean(L, 3);

	name.ptr = luaL_checklstring(L, 2, &name.len);
	lua_settop(L, 2);
	lua_newtable(L);
	if (push_octets(L, m, 0, m->header_octets ? m->header_octets : m->octets) != 1)
		return 2;
	rest.ptr = lua_tolstring(L, -1, &rest.len);
	while ((st = header_next(&rest, &field)) == ST_OK || st == ST_SYNTAX) {
		if (st != ST_OK || !slice_ieq(field.name, name))
			continue;
		push_value(L, field.value);
		if (!all)
			return 1;
		lua_rawseti(L, 3, ++found);
	}
	lua_settop(L, 3);
	if (!all)
		lua_pushnil(L);
	return 1;
}

static int l_index(lua_State *L)
{
	const char *key = luaL_checkstring(L, 2);

	if (lua_getfield(L, lua_upvalueindex(1), key) != LUA_TNIL)
		return 1;
	if (slice_eq(slice_from(key), SLICE("octets"))) {
		lua_pushinteger(L, (lua_Integer)check_message(L)->octets);
		return 1;
	}
	return luaL_error(L, "message has no \"%s\"; there are octets, header and read", key);
}

void arguments_push_message(lua_State *L, struct message *m, struct handle **lent)
{
	handle_push(L, message_metatable, m, lent);
}

void arguments_prepare(lua_State *L)
{
	static const luaL_Reg methods[] = { { "header", l_header }, { "read", l_read }, { NULL, NULL } };

	luaL_newmetatable(L, message_metatable);
	luaL_newlib(L, methods);
	lua_pushcclosure(L, l_index, 1);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, handle_gc);
	lua_setfield(L, -2, "__gc");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
	deletion_prepare(L);
}

/* ---- tables ---- */

void arguments_push_envelope(lua_State *L, const struct envelope *e)
{
	lua_createtable(L, 0, 5);
	set_slice(L, "sender", e->sender);
	set_number(L, "size", e->size);
	set_boolean(L, "body_8bit", e->body_8bit);
	set_boolean(L, "smtputf8", e->smtputf8);
	lua_createtable(L, (int)e->recipient_count, 0);
	for (unsigned i = 0; i < e->recipient_count; i++) {
		lua_createtable(L, 0, 3);
		set_slice(L, "address", e->recipients[i].address);
		set_slice(L, "mailbox", e->recipients[i].mailbox);
		set_boolean(L, "discard", e->recipients[i].discard);
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

static int push_envelope(lua_State *L, struct question *q)
{
	arguments_push_envelope(L, q->data.envelope);
	return 2;
}

int arguments_push(lua_State *L, struct question *q, struct handle **lent)
{
	static int (*const push[HOOK__COUNT])(lua_State *L, struct question *q) = {
		[HOOK_ACCEPT_HELO] = push_helo, [HOOK_AUTH] = push_credentials, [HOOK_SECRET] = push_secret,
		[HOOK_TOKEN] = push_token, [HOOK_ACCEPT_LOGIN] = push_identity,
		[HOOK_ACCEPT_SENDER] = push_sender, [HOOK_ACCEPT_RECIPIENT] = push_recipient,
		[HOOK_ACCEPT_DATA] = push_envelope,
	};

	session_push(L, q->facts);
	if (q->hook == HOOK_ACCEPT_MESSAGE) {
		arguments_push_envelope(L, q->data.envelope);
		arguments_push_message(L, q->data.message, lent);
		return 3;
	}
	if (q->hook == HOOK_ON_DELETE) {
		lib_push_slice(L, q->deletion.mailbox);
		deletion_push(L, q, lent);
		return 3;
	}
	return push[q->hook] ? push[q->hook](L, q) : 1;
}
