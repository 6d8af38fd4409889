/* The session object: a view of the facts, read when asked for, so that it is never out of date. */
#include "script/session.h"

#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "script/lib.h"
#include "script/state.h"

static const char metatable[] = "moonpost.Session";
static const char sessions[] = "moonpost.sessions";

struct session { struct facts *facts; };

static void push_end(lua_State *L, const char *ip, unsigned port)
{
	lua_createtable(L, 0, 2);
	lua_pushstring(L, ip);
	lua_setfield(L, -2, "ip");
	lua_pushinteger(L, port);
	lua_setfield(L, -2, "port");
}

static void push_id(lua_State *L, const struct facts *f)
{
	lua_pushstring(L, f->id);
}

static void push_protocol(lua_State *L, const struct facts *f)
{
	lua_pushstring(L, protocol_name(f->protocol));
}

static void push_service(lua_State *L, const struct facts *f)
{
	lua_pushstring(L, service_name(f->service));
}

static void push_listener(lua_State *L, const struct facts *f)
{
	lua_pushstring(L, f->listener);
}

static void push_helo(lua_State *L, const struct facts *f)
{
	lua_pushstring(L, f->helo);
}

static void push_user(lua_State *L, const struct facts *f)
{
	lua_pushstring(L, f->identity.user);
}

static void push_mailbox(lua_State *L, const struct facts *f)
{
	lua_pushstring(L, f->identity.mailbox);
}

static void push_trusted(lua_State *L, const struct facts *f)
{
	lua_pushboolean(L, f->trusted);
}

static void push_loopback(lua_State *L, const struct facts *f)
{
	lua_pushboolean(L, f->loopback);
}


static void push_remote(lua_State *L, const struct facts *f)
{
	push_end(L, f->remote_ip, f->remote_port);
}

static void push_local(lua_State *L, const struct facts *f)
{
	push_end(L, f->local_ip, f->local_port);
}

static void push_tls(lua_State *L, const struct facts *f)
{
	if (!f->tls.active) {
		lua_pushnil(L);
		return;
	}
	lua_createtable(L, 0, 4);
	lua_pushstring(L, f->tls.version);
	lua_setfield(L, -2, "version");
	lua_pushstring(L, f->tls.cipher);
	lua_setfield(L, -2, "cipher");
	lua_pushboolean(L, f->tls.resumed);
	lua_setfield(L, -2, "resumed");
	if (f->tls.server_name) {
		lua_pushstring(L, f->tls.server_name);
		lua_setfield(L, -2, "server_name");
	}
}

static const struct {
	const char *name;
	void (*push)(lua_State *L, const struct facts *f);
} fields[] = {
	{ "id", push_id }, { "protocol", push_protocol }, { "service", push_service },
	{ "listener", push_listener }, { "remote", push_remote }, { "local", push_local },
	{ "tls", push_tls }, { "helo", push_helo }, { "user", push_user },
	{ "mailbox", push_mailbox }, { "trusted", push_trusted }, { "loopback", push_loopback },
};

/* session.data: the plugins' own table, made on first use. */
static int push_data(lua_State *L)
{
	if (lua_getiuservalue(L, 1, 1) != LUA_TNIL)
		return 1;
	lua_newtable(L);
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, 1, 1);
	return 1;
}

static int l_index(lua_State *L)
{
	struct session *s = luaL_checkudata(L, 1, metatable);
	const char *key = luaL_checkstring(L, 2);

	if (strcmp(key, "data") == 0)
		return push_data(L);
	if (strcmp(key, "closed") == 0) {
		lua_pushboolean(L, s->facts == NULL);
		return 1;
	}
	if (!s->facts)
		return luaL_error(L, "the session is closed; session.closed and session.data are all that is "
		                  "left of it");
	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		if (strcmp(fields[i].name, key) == 0) {
			fields[i].push(L, s->facts);
			return 1;
		}
	}
	return luaL_error(L, "session has no field \"%s\"", key);
}

static int l_newindex(lua_State *L)
{
	return luaL_error(L, "session.%s cannot be set; keep your own values in session.data",
	                  luaL_tolstring(L, 2, NULL));
}

static int l_tostring(lua_State *L)
{
	struct session *s = luaL_checkudata(L, 1, metatable);

	lua_pushfstring(L, "session %s", s->facts ? s->facts->id : "(closed)");
	return 1;
}

static void push_metatable(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "__index", l_index }, { "__newindex", l_newindex }, { "__tostring", l_tostring },
		{ NULL, NULL },
	};

	if (!luaL_newmetatable(L, metatable))
		return;
	luaL_setfuncs(L, methods, 0);
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
}

void session_push(lua_State *L, struct facts *f)
{
	struct session *s;

	luaL_getsubtable(L, LUA_REGISTRYINDEX, sessions);
	if (f->script && lua_rawgetp(L, -1, f->script) != LUA_TNIL) {
		lua_remove(L, -2);
		return;
	}
	if (f->script)
		lua_pop(L, 1);
	s = lua_newuserdatauv(L, sizeof(*s), 1);
	s->facts = NULL;
	push_metatable(L);
	lua_setmetatable(L, -2);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, -3, s);
	s->facts = f;
	f->script = s;
	lua_remove(L, -2);
}

void session_close(struct script *script, struct facts *f)
{
	lua_State *L = script->L;

	if (!f->script)
		return;
	((struct session *)f->script)->facts = NULL;
	/* Setting an existing field to nil allocates nothing, so this needs no protection. */
	lua_getfield(L, LUA_REGISTRYINDEX, sessions);
	lua_pushnil(L);
	lua_rawsetp(L, -2, f->script);
	lua_pop(L, 1);
	f->script = NULL;
}

void session_push_copy(lua_State *L, const struct facts *f)
{
	lua_createtable(L, 0, COUNT_OF(fields));
	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		fields[i].push(L, f);
		lua_setfield(L, -2, fields[i].name);
	}
}
