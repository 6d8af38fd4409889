/* Serialising option tables as Lua text.  Only plain data travels: the configuration's Lua state
 * is gone when the workers start. */
#include "script/config_options.h"

#include <math.h>

#include <lauxlib.h>

enum { DEPTH_MAX = 16 };

struct writer {
	struct config_reader *r;
	struct buf           *out;
	struct buf            lines;      /* "[path] = line," of everything inside */
	size_t                prefix;     /* octets of r->path in front of the options' own path */
	unsigned              depth;
};

static void put_string(struct buf *out, struct slice s)
{
	(void)buf_append_byte(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c < 0x20 || c == '"' || c == '\\' || c >= 0x7f)
			(void)buf_printf(out, "\\%03u", c);
		else
			(void)buf_append_byte(out, (char)c);
	}
	(void)buf_append_byte(out, '"');
}

/* Exact; Lua has no literal for infinity, but a number too large is one. */
static void put_float(struct buf *out, double n)
{
	if (isnan(n))
		(void)buf_append(out, SLICE("(0/0)"));
	else if (isinf(n))
		(void)buf_append(out, n < 0 ? SLICE("-1e999") : SLICE("1e999"));
	else
		(void)buf_printf(out, "%a", n);
}

static void put_value(struct writer *w);

/* The key at -2, as Lua text and as a part of the path.  False: it cannot travel. */
static bool put_key(struct writer *w)
{
	lua_State *L = w->r->L;
	struct slice name;

	if (lua_isinteger(L, -2)) {
		config_lines_index(&w->r->path, (unsigned)lua_tointeger(L, -2));
		(void)buf_printf(w->out, "[%lld]=", (long long)lua_tointeger(L, -2));
		return true;
	}
	if (lua_type(L, -2) != LUA_TSTRING) {
		config_read_problem(w->r, "option names are strings or whole numbers, not a %s",
		                    luaL_typename(L, -2));
		return false;
	}
	name.ptr = lua_tolstring(L, -2, &name.len);
	config_lines_key(&w->r->path, name);
	(void)buf_append_byte(w->out, '[');
	put_string(w->out, name);
	(void)buf_append(w->out, SLICE("]="));
	return true;
}

static void note_line(struct writer *w)
{
	unsigned line = config_lines_find(w->r->lines, buf_cstr(&w->r->path));
	struct slice path = slice_skip(buf_slice(&w->r->path), w->prefix);

	if (path.len && path.ptr[0] == '.')
		path = slice_skip(path, 1);
	(void)buf_append_byte(&w->lines, '[');
	put_string(&w->lines, path);
	(void)buf_printf(&w->lines, "]=%u,", line);
}

static void put_table(struct writer *w)
{
	lua_State *L = w->r->L;
	size_t len = buf_len(&w->r->path);

	if (++w->depth > DEPTH_MAX || !lua_checkstack(L, 8)) {
		config_read_problem(w->r, "is nested too deeply, or contains itself");
		(void)buf_append(w->out, SLICE("{}"));
		w->depth--;
		return;
	}
	(void)buf_append_byte(w->out, '{');
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		if (put_key(w)) {
			note_line(w);
			put_value(w);
			(void)buf_append_byte(w->out, ',');
		}
		buf_truncate(&w->r->path, len);
	}
	(void)buf_append_byte(w->out, '}');
	w->depth--;
}

static void put_value(struct writer *w)
{
	lua_State *L = w->r->L;
	struct slice s;

	switch (lua_type(L, -1)) {
	case LUA_TBOOLEAN:
		(void)buf_append(w->out, lua_toboolean(L, -1) ? SLICE("true") : SLICE("false"));
		break;
	case LUA_TNUMBER:
		if (lua_isinteger(L, -1))
			(void)buf_printf(w->out, "%lld", (long long)lua_tointeger(L, -1));
		else
			put_float(w->out, lua_tonumber(L, -1));
		break;
	case LUA_TSTRING:
		s.ptr = lua_tolstring(L, -1, &s.len);
		put_string(w->out, s);
		break;
	case LUA_TTABLE:
		put_table(w);
		break;
	default:
		config_read_problem(w->r, "an option may be a string, number, boolean or table, not a %s",
		                    luaL_typename(L, -1));
		(void)buf_append(w->out, SLICE("nil"));
	}
}

void config_options_write(struct config_reader *r, struct buf *out, unsigned index)
{
	struct writer w = { .r = r, .out = out, .prefix = buf_len(&r->path) };

	buf_init(&w.lines, 0);
	(void)buf_printf(out, "[%u]={values=", index);
	put_table(&w);
	(void)buf_append(out, SLICE(",lines={"));
	(void)buf_append(out, buf_slice(&w.lines));
	(void)buf_append(out, SLICE("}},\n"));
	buf_free(&w.lines);
}
