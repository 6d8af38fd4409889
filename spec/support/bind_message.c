/* core/hook/message for specs: message.new(directory or nil) -> userdata with methods. */
#include <lauxlib.h>
#include <lua.h>

#include "hook/message.h"

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
