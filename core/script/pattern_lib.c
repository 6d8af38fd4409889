/* The four functions of the string library that take patterns, on the bounded matcher. */
#include "script/pattern.h"

#include <string.h>

#include <lauxlib.h>

static struct slice check_slice(lua_State *L, int index)
{
	struct slice s;

	s.ptr = luaL_checklstring(L, index, &s.len);
	return s;
}

/* Where to begin: 0 is the first octet; more than the length: behind the end. */
static size_t check_init(lua_State *L, int index, size_t len)
{
	lua_Integer init = luaL_optinteger(L, index, 1);

	if (init > 0)
		return (size_t)init - 1;
	if (init == 0 || init < -(lua_Integer)len)
		return 0;
	return len - (size_t)-init;
}

static bool has_specials(struct slice p)
{
	for (size_t i = 0; i < p.len; i++)
		if (strchr("^$*+?.([%-", p.ptr[i]) && p.ptr[i])
			return true;
	return false;
}

static int find_plain(lua_State *L, struct slice s, size_t init, struct slice p)
{
	const char *found = memmem(s.ptr + init, s.len - init, p.ptr, p.len);

	if (!found) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushinteger(L, found - s.ptr + 1);
	lua_pushinteger(L, found - s.ptr + (lua_Integer)p.len);
	return 2;
}

static int find_or_match(lua_State *L, bool find)
{
	struct slice s = check_slice(L, 1), p = check_slice(L, 2);
	size_t init = check_init(L, 3, s.len);
	struct pattern_match m = { .L = L, .text = s };

	if (init > s.len) {
		lua_pushnil(L);
		return 1;
	}
	if (find && (lua_toboolean(L, 4) || !has_specials(p)))
		return find_plain(L, s, init, p);
	m.pattern = pattern_compile(L, p, true);
	for (const char *at = s.ptr + init; at <= s.ptr + s.len; at++) {
		const char *end = pattern_run(&m, at);

		if (end && find) {
			lua_pushinteger(L, at - s.ptr + 1);
			lua_pushinteger(L, end - s.ptr);
			return 2 + pattern_push_all(&m, at, end, false);
		}
		if (end)
			return pattern_push_all(&m, at, end, true);
		if (pattern_anchored(m.pattern))
			break;
	}
	lua_pushnil(L);
	return 1;
}

static int l_find(lua_State *L)
{
	return find_or_match(L, true);
}

static int l_match(lua_State *L)
{
	return find_or_match(L, false);
}

/* ---- gmatch ---- */

/* Upvalues: text, pattern, where to go on, end of the last match (offsets). */
static int next_match(lua_State *L)
{
	struct slice s;
	lua_Integer from = lua_tointeger(L, lua_upvalueindex(3));
	lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));

	s.ptr = lua_tolstring(L, lua_upvalueindex(1), &s.len);
	struct pattern_match m = { .L = L, .text = s,
	                           .pattern = lua_touserdata(L, lua_upvalueindex(2)) };

	for (; from <= (lua_Integer)s.len; from++) {
		const char *at = s.ptr + from, *end = pattern_run(&m, at);

		if (!end || end - s.ptr == last)
			continue;
		lua_pushinteger(L, end - s.ptr);
		lua_pushvalue(L, -1);
		lua_replace(L, lua_upvalueindex(3));
		lua_replace(L, lua_upvalueindex(4));
		return pattern_push_all(&m, at, end, true);
	}
	return 0;
}

static int l_gmatch(lua_State *L)
{
	struct slice s = check_slice(L, 1), p = check_slice(L, 2);
	size_t init = check_init(L, 3, s.len);

	lua_settop(L, 2);
	(void)pattern_compile(L, p, false);
	lua_remove(L, 2);
	lua_pushinteger(L, init > s.len ? (lua_Integer)s.len + 1 : (lua_Integer)init);
	lua_pushinteger(L, -1);
	lua_pushcclosure(L, next_match, 4);
	return 1;
}

/* ---- gsub ---- */

static void add_template(struct pattern_match *m, luaL_Buffer *b, const char *from, const char *to)
{
	struct slice t;

	t.ptr = lua_tolstring(m->L, 3, &t.len);
	for (size_t i = 0; i < t.len; i++) {
		char c = t.ptr[i];

		if (c != '%') {
			luaL_addchar(b, c);
			continue;
		}
		c = ++i < t.len ? t.ptr[i] : '\0';
		if (c == '%') {
			luaL_addchar(b, c);
		} else if (c == '0') {
			luaL_addlstring(b, from, (size_t)(to - from));
		} else if (c >= '1' && c <= '9') {
			pattern_push(m, (unsigned)(c - '1'), from, to);
			luaL_tolstring(m->L, -1, NULL);
			lua_remove(m->L, -2);
			luaL_addvalue(b);
		} else {
			luaL_error(m->L, "invalid use of '%%' in replacement string");
		}
	}
}

/* nil and false keep what was matched. */
static void add_replacement(struct pattern_match *m, luaL_Buffer *b, const char *from, const char *to)
{
	lua_State *L = m->L;

	switch (lua_type(L, 3)) {
	case LUA_TFUNCTION: {
		int count;

		lua_pushvalue(L, 3);
		count = pattern_push_all(m, from, to, true);
		lua_call(L, count, 1);
		break;
	}
	case LUA_TTABLE:
		pattern_push(m, 0, from, to);
		lua_gettable(L, 3);
		break;
	default:
		add_template(m, b, from, to);
		return;
	}
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		luaL_addlstring(b, from, (size_t)(to - from));
		return;
	}
	if (!lua_isstring(L, -1))
		luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
	luaL_addvalue(b);
}

static int l_gsub(lua_State *L)
{
	struct slice s = check_slice(L, 1), p = check_slice(L, 2);
	lua_Integer max = luaL_optinteger(L, 4, (lua_Integer)s.len + 1), count = 0;
	struct pattern_match m = { .L = L, .text = s };
	const char *at = s.ptr, *end = s.ptr + s.len, *last = NULL;
	int type = lua_type(L, 3);
	luaL_Buffer b;

	luaL_argexpected(L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
	                    type == LUA_TTABLE, 3, "string/function/table");
	lua_settop(L, 4);
	m.pattern = pattern_compile(L, p, true);
	luaL_buffinit(L, &b);
	while (count < max) {
		const char *to = pattern_run(&m, at);

		if (to && to != last) {
			count++;
			add_replacement(&m, &b, at, to);
			at = last = to;
		} else if (at < end) {
			luaL_addchar(&b, *at++);
		} else {
			break;
		}
		if (pattern_anchored(m.pattern))
			break;
	}
	luaL_addlstring(&b, at, (size_t)(end - at));
	luaL_pushresult(&b);
	lua_pushinteger(L, count);
	return 2;
}

void pattern_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "find", l_find }, { "match", l_match }, { "gmatch", l_gmatch }, { "gsub", l_gsub },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
}
