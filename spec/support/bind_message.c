/* core/hook/message for specs: message.new(directory or nil) -> userdata with methods. */
#include <lauxlib.h>
#include <lua.h>

#include "hook/message.h"
#include "hook/message_header.h"

int luaopen_bind_message(lua_State *L);

#define MESSAGE_MT "moonpost.spec.message"

static struct message **check_message(lua_State *L)
{
	return luaL_checkudata(L, 1, MESSAGE_MT);
}

static int l_new(lua_State *L)
{
	const char *directory = luaL_optstring(L, 1, NULL);
	struct message **box = lua_newuserdatauv(L, sizeof(*box), 1);

	*box = message_new(directory);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);          /* the directory is borrowed */
	luaL_setmetatable(L, MESSAGE_MT);
	return 1;
}

static int l_append(lua_State *L)
{
	struct slice s;

	s.ptr = luaL_checklstring(L, 2, &s.len);
	lua_pushstring(L, status_name(message_append(*check_message(L), s)));
	return 1;
}

/* read(offset, length) -> octets */
static int l_read(lua_State *L)
{
	size_t len = (size_t)luaL_checkinteger(L, 3);
	luaL_Buffer b;
	char *out = luaL_buffinitsize(L, &b, len);
	enum status st = message_read(*check_message(L), (uint64_t)luaL_checkinteger(L, 2), out, &len);

	if (st != ST_OK)
		return luaL_error(L, "read: %s", status_text(st));
	luaL_pushresultsize(&b, len);
	return 1;
}

/* header() -> octets; or nil and the status */
static int l_header(lua_State *L)
{
	struct slice header;
	enum status st = message_header_read(*check_message(L), &header);

	if (st == ST_OK)
		lua_pushlstring(L, header.ptr, header.len);
	else
		lua_pushnil(L);
	lua_pushstring(L, status_name(st));
	return 2;
}

static struct slice text_at(lua_State *L, int index)
{
	struct slice s;

	s.ptr = luaL_optlstring(L, index, "", &s.len);
	return s;
}

/* add(name, value, top), set(name, value), remove(name), apply() -> status */
static int l_add(lua_State *L)
{
	enum status st = message_header_add(*check_message(L), text_at(L, 2), text_at(L, 3), false,
	                                    lua_toboolean(L, 4));

	lua_pushstring(L, status_name(st));
	return 1;
}

static int l_set(lua_State *L)
{
	enum status st = message_header_set(*check_message(L), text_at(L, 2), text_at(L, 3), false);

	lua_pushstring(L, status_name(st));
	return 1;
}

static int l_remove(lua_State *L)
{
	unsigned removed;

	lua_pushstring(L, status_name(message_header_remove(*check_message(L), text_at(L, 2), &removed)));
	lua_pushinteger(L, removed);
	return 2;
}

static int l_apply(lua_State *L)
{
	lua_pushstring(L, status_name(message_header_apply(*check_message(L))));
	return 1;
}

static int l_facts(lua_State *L)
{
	struct message *m = *check_message(L);

	lua_newtable(L);
#define FIELD(name) (lua_pushinteger(L, (lua_Integer)m->name), lua_setfield(L, -2, #name))
	FIELD(octets);
	FIELD(lines);
	FIELD(header_octets);
	FIELD(crc);
#undef FIELD
#define FLAG(name, bit) (lua_pushboolean(L, (m->flags & (bit)) != 0), lua_setfield(L, -2, name))
	FLAG("dot_lines", MESSAGE_DOT_LINES);
	FLAG("eight_bit", MESSAGE_8BIT);
	FLAG("in_file", MESSAGE_IN_FILE);
	FLAG("open_end", MESSAGE_OPEN_END);
#undef FLAG
	return 1;
}

static int l_free(lua_State *L)
{
	struct message **box = check_message(L);

	message_free(*box);
	*box = NULL;
	return 0;
}

static int l_crc32c(lua_State *L)
{
	size_t len;
	const char *text = luaL_checklstring(L, 1, &len);
	uint32_t start = (uint32_t)luaL_optinteger(L, 2, 0);

	lua_pushinteger(L, crc32c(start, text, len));
	lua_pushinteger(L, crc32c_portable(start, text, len));
	return 2;
}

int luaopen_bind_message(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "append", l_append }, { "read", l_read }, { "facts", l_facts },
		{ "header", l_header }, { "add", l_add }, { "set", l_set }, { "remove", l_remove },
		{ "apply", l_apply },
		{ "__gc", l_free }, { NULL, NULL },
	};
	static const luaL_Reg functions[] = {
		{ "new", l_new }, { "crc32c", l_crc32c }, { NULL, NULL },
	};

	luaL_newmetatable(L, MESSAGE_MT);
	luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	luaL_newlib(L, functions);
	return 1;
}
