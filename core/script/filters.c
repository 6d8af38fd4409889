/* Filters of registrations: read once when the plugin loads, asked for each session. */
#include "script/filters.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "script/near.h"
#include "script/state.h"

bool listener_wants(const struct listener *l, const struct facts *f)
{
	if (!(l->services & f->service))
		return false;
	if (l->tls >= 0 && l->tls != f->tls.active)
		return false;
	if (l->signed_in >= 0 && l->signed_in != (f->identity.user != NULL))
		return false;
	if (!l->listeners)
		return true;
	for (const char **name = l->listeners; *name; name++)
		if (strcmp(*name, f->listener) == 0)
			return true;
	return false;
}

void listener_free(struct listener *l)
{
	free(l->listeners);
	free(l->place);
	free(l);
}

/* ---- one filter each; its value is on top ---- */

enum {
	SMTP_SERVICES = SERVICE_MTA | SERVICE_SUBMISSION | SERVICE_SUBMISSIONS,
	POP3_SERVICES = SERVICE_POP3 | SERVICE_POP3S,
};

static unsigned service_bit(lua_State *L, const char *name)
{
	for (unsigned bit = SERVICE_MTA; bit <= SERVICE_POP3S; bit <<= 1)
		if (strcmp(service_name(bit), name) == 0)
			return bit;
	if (strcmp(name, "smtp") == 0)
		return SMTP_SERVICES;
	luaL_error(L, "plugin:hook: unknown service \"%s\"; there are mta, submission, submissions, "
	           "pop3, pop3s and smtp for the first three", name);
	return 0;
}

/* A string or a list of strings: what it is made of becomes a list on top. */
static void make_list(lua_State *L, const char *name)
{
	if (lua_type(L, -1) == LUA_TSTRING) {
		lua_createtable(L, 1, 0);
		lua_pushvalue(L, -2);
		lua_rawseti(L, -2, 1);
		return;
	}
	if (!lua_istable(L, -1) || lua_rawlen(L, -1) == 0)
		luaL_error(L, "plugin:hook: %s is a name or a list of names", name);
	lua_pushvalue(L, -1);
	for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, -1); i++) {
		if (lua_rawgeti(L, -1, i) != LUA_TSTRING)
			luaL_error(L, "plugin:hook: %s[%d] is a %s, not a name", name, (int)i,
			           luaL_typename(L, -1));
		lua_pop(L, 1);
	}
}

static void read_services(lua_State *L, struct listener *l)
{
	unsigned services = 0;

	make_list(L, "services");
	for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
		services |= service_bit(L, lua_tostring(L, -1));
		lua_pop(L, 1);
	}
	lua_pop(L, 2);
	l->services &= services;
}

static void read_protocol(lua_State *L, struct listener *l)
{
	const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";

	if (strcmp(name, protocol_name(PROTOCOL_SMTP)) == 0)
		l->services &= SMTP_SERVICES;
	else if (strcmp(name, protocol_name(PROTOCOL_POP3)) == 0)
		l->services &= POP3_SERVICES;
	else
		luaL_error(L, "plugin:hook: protocol is \"smtp\" or \"pop3\"");
}

/* The configuration's own copy of the name, or NULL and *near is the one that is meant. */
static const char *listener_name(lua_State *L, struct slice name, struct script_near *near)
{
	const struct config *c = script_of(L)->setup.config;

	for (unsigned i = 0; i < c->listener_count; i++) {
		if (slice_eq(slice_from(c->listeners[i].name), name))
			return c->listeners[i].name;
		script_near_offer(near, slice_from(c->listeners[i].name));
	}
	return NULL;
}

static void read_listeners(lua_State *L, struct listener *l)
{
	(void)l;
	make_list(L, "listeners");
	for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
		struct script_near near = { .word = slice_from(lua_tostring(L, -1)) };

		if (!listener_name(L, near.word, &near))
			luaL_error(L, "plugin:hook: the configuration has no listener named \"%s\"%s%s%s",
			           near.word.ptr, near.best.len ? "; did you mean \"" : "; give one that `name`",
			           near.best.len ? near.best.ptr : "", near.best.len ? "\"?" : "");
		lua_pop(L, 1);
	}
	lua_pop(L, 2);
}

static void read_priority(lua_State *L, struct listener *l)
{
	if (!lua_isinteger(L, -1))
		luaL_error(L, "plugin:hook: priority is a whole number");
	l->priority = (int)lua_tointeger(L, -1);
}

static int read_boolean(lua_State *L, const char *name)
{
	if (!lua_isboolean(L, -1))
		luaL_error(L, "plugin:hook: %s is true or false, not a %s", name, luaL_typename(L, -1));
	return lua_toboolean(L, -1);
}

static void read_tls(lua_State *L, struct listener *l)
{
	l->tls = read_boolean(L, "tls");
}

static void read_signed_in(lua_State *L, struct listener *l)
{
	l->signed_in = read_boolean(L, "signed_in");
}

static const struct { const char *name; void (*read)(lua_State *L, struct listener *l); } filters[] = {
	{ "priority", read_priority }, { "listeners", read_listeners }, { "protocol", read_protocol },
	{ "services", read_services }, { "tls", read_tls }, { "signed_in", read_signed_in },
};

static void read_one(lua_State *L, const char *name, struct listener *l)
{
	for (size_t i = 0; i < COUNT_OF(filters); i++) {
		if (strcmp(name, filters[i].name) == 0) {
			filters[i].read(L, l);
			return;
		}
	}
	luaL_error(L, "plugin:hook: unknown option %s; there are priority, listeners, protocol, services, "
	           "tls and signed_in", name);
}

void filters_read(lua_State *L, int index, struct listener *l)
{
	if (lua_isnoneornil(L, index))
		return;
	luaL_checktype(L, index, LUA_TTABLE);
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
		read_one(L, lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?", l);
	if (l->services == 0)
		luaL_error(L, "plugin:hook: no session fits both protocol and services");
}

const char **filters_names(lua_State *L, int index)
{
	const char **names;
	size_t count = 0;

	if (!lua_istable(L, index) || lua_getfield(L, index, "listeners") == LUA_TNIL)
		return NULL;
	make_list(L, "listeners");
	names = mem_array(lua_rawlen(L, -1) + 1, sizeof(*names));
	for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
		struct script_near near = { .word = slice_from(lua_tostring(L, -1)) };

		names[count++] = listener_name(L, near.word, &near);
		lua_pop(L, 1);
	}
	return names;
}
