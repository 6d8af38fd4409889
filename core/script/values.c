/* The constructors of answers.  The place of the call is kept: it answers "who refused this?". */
#include "script/values.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"

static const char metatable[] = "moonpost.Answer";

enum { DELAY_MAX_S = 300 };

const struct verdict *values_verdict(lua_State *L, int index)
{
	return luaL_testudata(L, index, metatable);
}

static int l_tostring(lua_State *L)
{
	const struct verdict *v = luaL_checkudata(L, 1, metatable);

	lua_pushfstring(L, "mail.%s(\"%s\", \"%s\")", verdict_name(v->kind), v->status, v->text);
	return 1;
}

static void push_metatable(lua_State *L)
{
	if (!luaL_newmetatable(L, metatable))
		return;
	lua_pushcfunction(L, l_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
}

static struct verdict *push_verdict(lua_State *L, enum verdict_kind kind)
{
	struct verdict *v = lua_newuserdatauv(L, sizeof(*v), 1);
	lua_Debug ar;

	*v = (struct verdict){ .kind = kind };
	push_metatable(L);
	lua_setmetatable(L, -2);
	if (lua_getstack(L, 1, &ar) && lua_getinfo(L, "Sl", &ar))
		snprintf(v->where, sizeof(v->where), "%s:%d", ar.short_src, ar.currentline);
	return v;
}

static void set_text(lua_State *L, struct verdict *v, int index)
{
	char status[sizeof(v->status)];
	const char *text;
	size_t len;

	if (lua_isnoneornil(L, index))
		return;
	text = luaL_checklstring(L, index, &len);
	luaL_argcheck(L, strlen(text) == len && !strpbrk(text, "\r\n"), index,
	              "the text is one line: without CR, LF and zero octets");
	luaL_argcheck(L, len < sizeof(v->text), index, "the text is longer than 399 octets");
	memcpy(status, v->status, sizeof(status));
	verdict_set(v, v->kind, status, "%s", text);
}

/* (status?, text?): status may be left out or nil for the hook's own. */
static int refuse(lua_State *L, enum verdict_kind kind, const char *example)
{
	struct verdict *v;
	const char *status = luaL_optstring(L, 1, "");

	if (*status && !verdict_status_valid(kind, status))
		return luaL_error(L, "mail.%s: \"%s\" is no enhanced status code for this; write for example "
		                  "mail.%s(\"%s\", \"text\")", verdict_name(kind), status,
		                  verdict_name(kind), example);
	lua_settop(L, 2);
	v = push_verdict(L, kind);
	snprintf(v->status, sizeof(v->status), "%s", status);
	set_text(L, v, 2);
	return 1;
}

static int l_reject(lua_State *L)
{
	return refuse(L, VERDICT_REJECT, "5.7.1");
}

static int l_tempfail(lua_State *L)
{
	return refuse(L, VERDICT_TEMPFAIL, "4.7.1");
}

static int l_disconnect(lua_State *L)
{
	return refuse(L, VERDICT_DISCONNECT, "4.7.0");
}

static int l_discard(lua_State *L)
{
	(void)push_verdict(L, VERDICT_DISCARD);
	return 1;
}

static int l_keep(lua_State *L)
{
	struct verdict *v;

	lua_settop(L, 1);
	v = push_verdict(L, VERDICT_KEEP);
	set_text(L, v, 1);
	return 1;
}

static int l_delay(lua_State *L)
{
	double seconds = luaL_checknumber(L, 1);

	luaL_argcheck(L, seconds >= 0 && seconds <= DELAY_MAX_S, 1, "0 to 300 seconds");
	push_verdict(L, VERDICT_NONE)->delay_ms = (uint32_t)(seconds * 1000);
	return 1;
}

static void check_strings(lua_State *L, const char *field)
{
	if (lua_getfield(L, 1, field) == LUA_TNIL) {
		lua_pop(L, 1);
		return;
	}
	if (!lua_istable(L, -1) || lua_rawlen(L, -1) == 0)
		luaL_error(L, "mail.accept: %s is a list of addresses", field);
	for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, -1); i++) {
		if (lua_rawgeti(L, -1, i) != LUA_TSTRING)
			luaL_error(L, "mail.accept: %s[%d] is a %s, not an address", field, (int)i,
			           luaL_typename(L, -1));
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

/* What mail.accept{...} may say. */
static void check_options(lua_State *L)
{
	static const char *const known[] = { "mailbox", "redirect", "address", "user", "quota", "text" };

	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
		bool found = false;

		if (lua_type(L, -2) != LUA_TSTRING)
			luaL_error(L, "mail.accept: a value without a name; write mailbox = \"...\" or "
			           "redirect = { \"...\" }");
		for (size_t i = 0; i < COUNT_OF(known); i++)
			found = found || strcmp(known[i], lua_tostring(L, -2)) == 0;
		if (!found)
			luaL_error(L, "mail.accept: unknown option %s", lua_tostring(L, -2));
	}
	if (lua_getfield(L, 1, "mailbox") != LUA_TNIL && lua_type(L, -1) != LUA_TSTRING)
		luaL_error(L, "mail.accept: mailbox is a string, not a %s", luaL_typename(L, -1));
	lua_pop(L, 1);
	check_strings(L, "redirect");
}

static int l_accept(lua_State *L)
{
	lua_settop(L, 1);
	if (!lua_isnil(L, 1)) {
		luaL_checktype(L, 1, LUA_TTABLE);
		check_options(L);
	}
	(void)push_verdict(L, VERDICT_ACCEPT);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	return 1;
}

void values_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "accept", l_accept }, { "reject", l_reject }, { "tempfail", l_tempfail },
		{ "discard", l_discard }, { "disconnect", l_disconnect }, { "delay", l_delay },
		{ "keep", l_keep }, { NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
}
