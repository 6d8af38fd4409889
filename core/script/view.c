/* The message as plugins see it.  Octets stay in C: what is asked for is copied, no more. */
#include "script/view.h"

#include <string.h>

#include <lauxlib.h>

#include "hook/message_header.h"
#include "mail/field.h"
#include "mail/header.h"
#include "script/lib.h"
#include "script/part.h"

static const char metatable[] = "moonpost.Message";
static const char lines_metatable[] = "moonpost.Lines";
static const char gone[] = "the message is gone: it can be read while the hook runs only";

enum { LINES_STEP = 16384, LINE_PIECE = 65536 };

struct message *view_message(lua_State *L, int index)
{
	return handle_test(L, index, metatable);
}

struct message *view_check(lua_State *L, int index)
{
	return handle_check(L, index, metatable, gone);
}

int view_fail(lua_State *L, const char *word, const char *text)
{
	lua_pushnil(L);
	lua_pushstring(L, text);
	lua_pushstring(L, word);
	return 3;
}

/* ---- octets ---- */

bool view_push_octets(lua_State *L, const struct message *m, uint64_t offset, size_t max)
{
	luaL_Buffer b;
	size_t len = max;
	char *room = luaL_buffinitsize(L, &b, max);

	if (message_read(m, offset, room, &len) != ST_OK) {
		luaL_pushresultsize(&b, 0);
		lua_pop(L, 1);
		return false;
	}
	luaL_pushresultsize(&b, len);
	return true;
}

void view_check_range(lua_State *L, uint64_t *offset, size_t *max)
{
	lua_Integer from = luaL_optinteger(L, 2, 0);
	lua_Integer most = luaL_optinteger(L, 3, VIEW_READ_DEFAULT);

	luaL_argcheck(L, from >= 0, 2, "an offset is 0 or more");
	luaL_argcheck(L, most >= 1 && most <= VIEW_READ_MAX, 3, "1 octet to 16 MiB at a time");
	*offset = (uint64_t)from;
	*max = (size_t)most;
}

/* message:read(offset, max) -> octets, "" at the end */
static int l_read(lua_State *L)
{
	struct message *m = view_check(L, 1);
	uint64_t offset;
	size_t max;

	view_check_range(L, &offset, &max);
	if (offset >= m->octets) {
		lua_pushliteral(L, "");
		return 1;
	}
	if (max > m->octets - offset)
		max = (size_t)(m->octets - offset);
	return view_push_octets(L, m, offset, max) ? 1 : view_fail(L, "io", "the message cannot be read");
}

/* ---- lines ---- */

struct lines { uint64_t at; struct buf held; };

static int l_lines_gc(lua_State *L)
{
	struct lines *lines = lua_touserdata(L, 1);

	buf_free(&lines->held);
	return 0;
}

/* Read until a line end, or the end, or enough for a piece of a long line. */
static size_t find_line(lua_State *L, struct message *m, struct lines *lines)
{
	size_t lf = slice_find(buf_slice(&lines->held), '\n');

	while (lf == buf_len(&lines->held) && lines->at < m->octets && lf < LINE_PIECE) {
		size_t len = LINES_STEP;
		char *room;

		if (buf_reserve(&lines->held, len, &room) != ST_OK ||
		    message_read(m, lines->at, room, &len) != ST_OK)
			luaL_error(L, "message:lines: the message cannot be read");
		buf_commit(&lines->held, len);
		lines->at += len;
		lf += slice_find(slice_skip(buf_slice(&lines->held), lf), '\n');
	}
	return lf;
}

static int next_line(lua_State *L)
{
	struct message *m = view_check(L, lua_upvalueindex(1));
	struct lines *lines = lua_touserdata(L, lua_upvalueindex(2));
	size_t lf = find_line(L, m, lines);
	struct slice line = slice_head(buf_slice(&lines->held), lf < LINE_PIECE ? lf : LINE_PIECE);

	if (buf_len(&lines->held) == 0)
		return 0;
	size_t taken = line.len + (line.len == lf && lf < buf_len(&lines->held));

	if (taken > line.len && line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	lib_push_slice(L, line);
	buf_consume(&lines->held, taken);
	return 1;
}

/* for line in message:lines() do: the octets as they came, without CRLF */
static int l_lines(lua_State *L)
{
	struct lines *lines;

	(void)view_check(L, 1);
	lua_settop(L, 1);
	lines = lua_newuserdatauv(L, sizeof(*lines), 0);
	lines->at = 0;
	buf_init(&lines->held, 0);
	luaL_setmetatable(L, lines_metatable);
	lua_pushcclosure(L, next_line, 2);
	return 1;
}

/* ---- the header ---- */

/* The unfolded value (RFC 5322, 2.2.3). */
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

int view_push_field(lua_State *L, struct slice header)
{
	struct slice name;
	struct header_field field;
	enum status st;
	lua_Integer found = 0;
	bool all = lua_toboolean(L, 3);

	name.ptr = luaL_checklstring(L, 2, &name.len);
	lua_settop(L, 2);
	lua_newtable(L);
	while ((st = header_next_of_whole(&header, &field)) == ST_OK || st == ST_SYNTAX) {
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

static int header_failure(lua_State *L, enum status st)
{
	if (st == ST_TOOBIG)
		return view_fail(L, "limit", "the header, or a word of it, is too long");
	if (st == ST_SYNTAX)
		return view_fail(L, "protocol", "a header field is one line of UTF-8 text without controls");
	return view_fail(L, "io", "the message cannot be read");
}

/* message:header(name [, all]) -> the first field's value or nil; or a list of all of them */
static int l_header(lua_State *L)
{
	struct slice header;
	enum status st = message_header_read(view_check(L, 1), &header);

	return st == ST_OK ? view_push_field(L, header) : header_failure(L, st);
}

/* Upvalues: message, place in the header, its version. */
static int next_field(lua_State *L)
{
	struct message *m = view_check(L, lua_upvalueindex(1));
	size_t at = (size_t)lua_tointeger(L, lua_upvalueindex(2));
	struct header_field field;
	struct slice header, rest;
	enum status st = message_header_read(m, &header);

	if (st != ST_OK || (lua_Integer)message_header_version(m) != lua_tointeger(L, lua_upvalueindex(3)))
		return luaL_error(L, "message:headers: the header was changed meanwhile; change it behind the loop");
	rest = slice_skip(header, at);
	do
		st = header_next_of_whole(&rest, &field);
	while (st == ST_SYNTAX);
	if (st != ST_OK)
		return 0;
	lua_pushinteger(L, (lua_Integer)(header.len - rest.len));
	lua_replace(L, lua_upvalueindex(2));
	lib_push_slice(L, field.name);
	push_value(L, field.value);
	return 2;
}

/* for name, value in message:headers() do */
static int l_headers(lua_State *L)
{
	struct message *m = view_check(L, 1);
	struct slice header;
	enum status st = message_header_read(m, &header);

	if (st != ST_OK)
		return luaL_error(L, "message:headers: %s", st == ST_TOOBIG ? "the header is too long"
		                                                            : "the message cannot be read");
	lua_settop(L, 1);
	lua_pushinteger(L, 0);
	lua_pushinteger(L, (lua_Integer)message_header_version(m));
	lua_pushcclosure(L, next_field, 3);
	return 1;
}

/* ---- changes ---- */

/* The message whose header may be changed, and the field's name. */
static struct message *check_change(lua_State *L, const char *method, struct slice *name)
{
	struct message *m = view_check(L, 1);

	name->ptr = luaL_checklstring(L, 2, &name->len);
	if (!m->editable)
		luaL_error(L, "message:%s: the header may be changed in accept_message only", method);
	if (slice_ieq(*name, SLICE("Return-Path")))
		luaL_error(L, "message:%s: Return-Path is the envelope's sender; change it in accept_sender "
		           "with mail.accept { address = ... }", method);
	if (!field_name_valid(*name))
		luaL_error(L, "message:%s: \"%s\" is no name of a header field: 1 to 76 printable ASCII "
		           "characters without space and colon", method, name->ptr);
	return m;
}

static struct slice check_value(lua_State *L)
{
	struct slice value;

	value.ptr = luaL_checklstring(L, 3, &value.len);
	return value;
}

static int changed(lua_State *L, enum status st)
{
	if (st != ST_OK)
		return header_failure(L, st);
	lua_pushboolean(L, true);
	return 1;
}

/* message:add(name, value [, { top = true }]) -> true, or nil, why, word */
static int l_add(lua_State *L)
{
	struct slice name, value;
	struct message *m = check_change(L, "add", &name);
	bool top = false;

	value = check_value(L);
	if (!lua_isnoneornil(L, 4)) {
		luaL_checktype(L, 4, LUA_TTABLE);
		for (lua_pushnil(L); lua_next(L, 4); lua_pop(L, 1)) {
			if (lua_type(L, -2) != LUA_TSTRING || strcmp(lua_tostring(L, -2), "top") != 0)
				return luaL_error(L, "message:add: the one option is top = true");
			top = lua_toboolean(L, -1);
		}
	}
	return changed(L, message_header_add(m, name, value, m->utf8, top));
}

/* message:set(name, value) -> true, or nil, why, word */
static int l_set(lua_State *L)
{
	struct slice name;
	struct message *m = check_change(L, "set", &name);

	return changed(L, message_header_set(m, name, check_value(L), m->utf8));
}

/* message:remove(name) -> how many fields there were, or nil, why, word */
static int l_remove(lua_State *L)
{
	struct slice name;
	struct message *m = check_change(L, "remove", &name);
	unsigned removed;
	enum status st = message_header_remove(m, name, &removed);

	if (st != ST_OK)
		return header_failure(L, st);
	lua_pushinteger(L, removed);
	return 1;
}

/* ---- the object ---- */

static int l_index(lua_State *L)
{
	const char *key = luaL_checkstring(L, 2);

	if (lua_getfield(L, lua_upvalueindex(1), key) != LUA_TNIL)
		return 1;
	if (strcmp(key, "octets") == 0) {
		lua_pushinteger(L, (lua_Integer)view_check(L, 1)->octets);
		return 1;
	}
	return luaL_error(L, "message has no \"%s\"; there are octets, header, headers, add, set, remove, "
	                  "parts, read and lines", key);
}

void view_push(lua_State *L, struct message *m, bool editable, struct handle **lent)
{
	m->editable = editable;
	handle_push(L, metatable, m, lent);
}

static void make_metatable(lua_State *L, const char *name, lua_CFunction gc)
{
	luaL_newmetatable(L, name);
	lua_pushcfunction(L, gc);
	lua_setfield(L, -2, "__gc");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
}

void view_prepare(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "header", l_header }, { "headers", l_headers }, { "add", l_add }, { "set", l_set },
		{ "remove", l_remove }, { "read", l_read }, { "lines", l_lines }, { "parts", part_list },
		{ NULL, NULL },
	};

	make_metatable(L, metatable, handle_gc);
	luaL_newlib(L, methods);
	lua_pushcclosure(L, l_index, 1);
	lua_setfield(L, -2, "__index");
	make_metatable(L, lines_metatable, l_lines_gc);
	lua_pop(L, 2);
	part_prepare(L);
}
