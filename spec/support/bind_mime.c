/* Header fields, encoded words, transfer encodings and MIME structure for specs. */
#include <lauxlib.h>
#include <lua.h>

#include "mail/field.h"
#include "mail/mime.h"
#include "mail/transfer.h"
#include "mail/words.h"

int luaopen_bind_mime(lua_State *L);

static struct slice check_slice(lua_State *L, int index)
{
	struct slice s;

	s.ptr = luaL_checklstring(L, index, &s.len);
	return s;
}

static void set_slice(lua_State *L, const char *key, struct slice s)
{
	lua_pushlstring(L, s.len ? s.ptr : "", s.len);
	lua_setfield(L, -2, key);
}

static void set_number(lua_State *L, const char *key, uint64_t n)
{
	lua_pushinteger(L, (lua_Integer)n);
	lua_setfield(L, -2, key);
}

/* The buffer's text and frees it, or nil and the status. */
static int push_buf(lua_State *L, enum status st, struct buf *b)
{
	if (st == ST_OK)
		lua_pushlstring(L, buf_len(b) ? buf_slice(b).ptr : "", buf_len(b));
	else
		lua_pushnil(L);
	buf_free(b);
	if (st == ST_OK)
		return 1;
	lua_pushstring(L, status_name(st));
	return 2;
}

static int l_words_encode(lua_State *L)
{
	struct buf out;

	buf_init(&out, 0);
	return push_buf(L, words_encode(check_slice(L, 1), &out), &out);
}

static int l_words_decode(lua_State *L)
{
	struct buf out;

	buf_init(&out, (size_t)luaL_optinteger(L, 2, 0));
	return push_buf(L, words_decode(check_slice(L, 1), &out), &out);
}

/* field_write(name, value, utf8) */
static int l_field_write(lua_State *L)
{
	struct buf out;

	buf_init(&out, 0);
	return push_buf(L, field_write(check_slice(L, 1), check_slice(L, 2), lua_toboolean(L, 3), &out), &out);
}

/* transfer(encoding, octets, piece length) */
static int l_transfer(lua_State *L)
{
	struct slice in = check_slice(L, 2);
	size_t piece = (size_t)luaL_optinteger(L, 3, 1 << 20);
	enum status st = ST_OK;
	struct transfer t;
	struct buf out;

	buf_init(&out, 0);
	transfer_init(&t, transfer_by_name(check_slice(L, 1)));
	for (; in.len && st == ST_OK; in = slice_skip(in, piece))
		st = transfer_decode(&t, slice_head(in, piece), &out);
	if (st == ST_OK)
		st = transfer_finish(&t, &out);
	transfer_clear(&t);
	return push_buf(L, st, &out);
}

static void push_params(lua_State *L, const struct mime_param *p)
{
	lua_newtable(L);
	for (; p; p = p->next) {
		lua_pushlstring(L, p->name.ptr, p->name.len);
		lua_pushlstring(L, p->value.len ? p->value.ptr : "", p->value.len);
		lua_rawset(L, -3);
	}
}

/* mime_header(value) -> main, params */
static int l_mime_header(lua_State *L)
{
	struct mime_param *params;
	struct slice word;
	struct arena a;

	arena_init(&a);
	mime_header_parse(check_slice(L, 1), &a, &word, &params);
	lua_pushlstring(L, word.len ? word.ptr : "", word.len);
	push_params(L, params);
	arena_reset(&a);
	return 2;
}

static void push_part(lua_State *L, const struct mime_part *p)
{
	lua_newtable(L);
	set_slice(L, "type", p->type);
	set_slice(L, "disposition", p->disposition);
	set_slice(L, "filename", p->filename);
	set_slice(L, "encoding", p->encoding);
	set_slice(L, "id", p->id);
	set_number(L, "header_offset", p->header_offset);
	set_number(L, "offset", p->offset);
	set_number(L, "octets", p->octets);
	set_number(L, "depth", p->depth);
	set_number(L, "number", p->number);
	set_number(L, "children", p->children);
	if (p->parent != MIME_NO_PARENT)
		set_number(L, "parent", p->parent + 1);
	push_params(L, p->params);
	lua_setfield(L, -2, "params");
}

/* mime(octets, piece length) -> parts, limited */
static int l_mime(lua_State *L)
{
	struct slice in = check_slice(L, 1);
	size_t piece = (size_t)luaL_optinteger(L, 2, 1 << 20);
	struct mime *m = mime_new();

	for (; in.len; in = slice_skip(in, piece))
		mime_feed(m, slice_head(in, piece));
	mime_finish(m);
	lua_newtable(L);
	for (unsigned i = 0; i < mime_count(m); i++) {
		push_part(L, mime_part(m, i));
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_pushboolean(L, mime_limited(m));
	mime_free(m);
	return 2;
}

int luaopen_bind_mime(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "words_encode", l_words_encode }, { "words_decode", l_words_decode },
		{ "field_write", l_field_write }, { "transfer", l_transfer },
		{ "mime_header", l_mime_header }, { "mime", l_mime }, { NULL, NULL },
	};

	luaL_newlib(L, functions);
	return 1;
}
