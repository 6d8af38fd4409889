/* core/mail for specs.  Functions that can fail answer nil and the status name. */
#include <lauxlib.h>
#include <lua.h>

#include "mail/address.h"
#include "mail/base64.h"
#include "mail/date.h"
#include "mail/dots.h"
#include "mail/header.h"
#include "mail/idna.h"
#include "mail/lines.h"
#include "mail/params.h"
#include "mail/status_code.h"
#include "mail/trace.h"
#include "mail/utf8.h"

int luaopen_bind_mail(lua_State *L);

static struct slice check_slice(lua_State *L, int index)
{
	struct slice s;

	s.ptr = luaL_checklstring(L, index, &s.len);
	return s;
}

static struct slice opt_slice(lua_State *L, int index)
{
	struct slice s;

	s.ptr = luaL_optlstring(L, index, "", &s.len);
	return s;
}

/* A slice as a string; the absent one as nil. */
static void push_slice(lua_State *L, struct slice s)
{
	if (s.ptr)
		lua_pushlstring(L, s.ptr, s.len);
	else
		lua_pushnil(L);
}

static void set_slice(lua_State *L, const char *key, struct slice s)
{
	lua_pushlstring(L, s.len ? s.ptr : "", s.len);
	lua_setfield(L, -2, key);
}

static int push_status(lua_State *L, enum status st)
{
	lua_pushnil(L);
	lua_pushstring(L, status_name(st));
	return 2;
}

static int push_buf(lua_State *L, enum status st, struct buf *b)
{
	if (st == ST_OK)
		lua_pushlstring(L, buf_len(b) ? buf_slice(b).ptr : "", buf_len(b));
	buf_free(b);
	return st == ST_OK ? 1 : push_status(L, st);
}

/* lines_next(text, max) -> status, line or nil, rest */
static int l_lines_next(lua_State *L)
{
	struct slice in = check_slice(L, 1), line;
	enum status st = lines_next(&in, (size_t)luaL_checkinteger(L, 2), &line);

	lua_pushstring(L, status_name(st));
	push_slice(L, line);
	push_slice(L, in);
	return 3;
}

/* lines_skip(text) -> status, rest */
static int l_lines_skip(lua_State *L)
{
	struct slice in = check_slice(L, 1);
	enum status st = lines_skip(&in);

	lua_pushstring(L, status_name(st));
	push_slice(L, in);
	return 2;
}

static bool read_piece(struct dots_reader *r, struct slice piece, luaL_Buffer *out, struct slice *rest)
{
	for (;;) {
		struct slice text;
		enum status st = dots_read(r, &piece, &text);

		luaL_addlstring(out, text.len ? text.ptr : "", text.len);
		*rest = piece;
		if (st != ST_OK)
			return st == ST_END;
	}
}

/* dots_read({piece, ...}) -> text, ended, rest of the last piece read, {bare, max_line, unread} */
static int l_dots_read(lua_State *L)
{
	struct dots_reader r;
	struct slice rest = SLICE_NONE;
	luaL_Buffer out;
	bool ended = false;
	lua_Integer count = luaL_len(L, 1), i;

	dots_reader_init(&r);
	luaL_buffinit(L, &out);
	for (i = 1; i <= count && !ended; i++) {
		struct slice piece;

		lua_geti(L, 1, i);
		piece.ptr = lua_tolstring(L, -1, &piece.len);
		lua_pop(L, 1);                        /* the table keeps it alive */
		ended = read_piece(&r, piece, &out, &rest);
	}
	luaL_pushresult(&out);
	lua_pushboolean(L, ended);
	lua_pushlstring(L, rest.len ? rest.ptr : "", rest.len);
	lua_createtable(L, 0, 3);
	lua_pushboolean(L, r.lines.bare);
	lua_setfield(L, -2, "bare");
	lua_pushinteger(L, r.lines.longest);
	lua_setfield(L, -2, "max_line");
	lua_pushinteger(L, count - i + 1);
	lua_setfield(L, -2, "unread");
	return 4;
}

/* dots_write({piece, ...}) -> stuffed text with its end */
static int l_dots_write(lua_State *L)
{
	struct dots_writer w;
	struct buf out;
	enum status st = ST_OK;
	lua_Integer count = luaL_len(L, 1);

	dots_writer_init(&w);
	buf_init(&out, (size_t)luaL_optinteger(L, 2, 0));
	for (lua_Integer i = 1; i <= count && st == ST_OK; i++) {
		struct slice piece;

		lua_geti(L, 1, i);
		piece.ptr = lua_tolstring(L, -1, &piece.len);
		lua_pop(L, 1);
		st = dots_write(&w, piece, &out);
	}
	if (st == ST_OK)
		st = dots_finish(&w, &out);
	return push_buf(L, st, &out);
}

static int push_address(lua_State *L, enum status st, const struct address_parts *p, struct arena *a)
{
	struct slice user, detail;

	if (st != ST_OK) {
		arena_reset(a);
		return push_status(L, st);
	}
	lua_createtable(L, 0, 9);
	set_slice(L, "whole", p->whole);
	set_slice(L, "localpart", p->localpart);
	set_slice(L, "plain", p->plain);
	set_slice(L, "domain", p->domain);
	set_slice(L, "canonical", address_canonical(p, a));
	address_split_detail(p->plain, '+', &user, &detail);
	set_slice(L, "user", user);
	set_slice(L, "detail", detail);
	lua_pushboolean(L, p->utf8);
	lua_setfield(L, -2, "utf8");
	lua_pushboolean(L, p->literal);
	lua_setfield(L, -2, "literal");
	arena_reset(a);
	return 1;
}

static unsigned check_flags(lua_State *L, int index)
{
	const char *letters = luaL_optstring(L, index, "");

	return (strchr(letters, 'e') ? ADDRESS_EMPTY_OK : 0u) |
	       (strchr(letters, 'p') ? ADDRESS_NO_DOMAIN_OK : 0u) |
	       (strchr(letters, 'u') ? ADDRESS_UTF8 : 0u);
}

/* address_path(text, flags: letters e(mpty) p(ostmaster) u(tf8)) -> parts, rest */
static int l_address_path(lua_State *L)
{
	struct slice in = check_slice(L, 1);
	struct arena a;
	struct address_parts p;

	arena_init(&a);
	enum status st = address_parse_path(&in, check_flags(L, 2), &a, &p);
	int n = push_address(L, st, &p, &a);

	push_slice(L, in);
	return n + 1;
}

static int l_address_mailbox(lua_State *L)
{
	struct arena a;
	struct address_parts p;

	arena_init(&a);
	enum status st = address_parse_mailbox(check_slice(L, 1), check_flags(L, 2), &a, &p);

	return push_address(L, st, &p, &a);
}

static int l_address_domain(lua_State *L)
{
	lua_pushstring(L, status_name(address_check_domain(check_slice(L, 1), lua_toboolean(L, 2))));
	return 1;
}

static int l_address_split(lua_State *L)
{
	struct slice user, detail, delimiter = check_slice(L, 2);

	address_split_detail(check_slice(L, 1), delimiter.len ? delimiter.ptr[0] : 0, &user, &detail);
	push_slice(L, user);
	push_slice(L, detail);
	return 2;
}

/* params(text) -> {{keyword, value or false}, ...}, status at the end */
static int l_params(lua_State *L)
{
	struct slice in = check_slice(L, 1), keyword, value;
	enum status st;

	lua_newtable(L);
	for (lua_Integer i = 1; (st = params_next(&in, &keyword, &value)) == ST_OK; i++) {
		lua_createtable(L, 2, 0);
		push_slice(L, keyword);
		lua_rawseti(L, -2, 1);
		if (value.ptr)
			push_slice(L, value);
		else
			lua_pushboolean(L, false);
		lua_rawseti(L, -2, 2);
		lua_rawseti(L, -2, i);
	}
	lua_pushstring(L, status_name(st));
	return 2;
}

static int l_xtext_decode(lua_State *L)
{
	struct buf out;

	buf_init(&out, 0);
	enum status st = params_xtext_decode(check_slice(L, 1), &out);

	return push_buf(L, st, &out);
}

static int l_xtext_encode(lua_State *L)
{
	struct buf out;

	buf_init(&out, 0);
	params_xtext_encode(check_slice(L, 1), &out);
	return push_buf(L, ST_OK, &out);
}

static int l_base64_decode(lua_State *L)
{
	struct buf out;

	buf_init(&out, (size_t)luaL_optinteger(L, 2, 0));
	enum status st = base64_decode(check_slice(L, 1), &out);

	return push_buf(L, st, &out);
}

static int l_base64_encode(lua_State *L)
{
	struct buf out;

	buf_init(&out, (size_t)luaL_optinteger(L, 2, 0));
	enum status st = base64_encode(check_slice(L, 1), &out);

	return push_buf(L, st, &out);
}

static int l_utf8_valid(lua_State *L)
{
	lua_pushboolean(L, utf8_valid(check_slice(L, 1)));
	return 1;
}

static int l_utf8_ascii(lua_State *L)
{
	lua_pushboolean(L, utf8_ascii(check_slice(L, 1)));
	return 1;
}

/* header_fields(text, whole) -> {{name, value, whole} or false for no field, ...}, status, rest */
static int l_header_fields(lua_State *L)
{
	struct slice in = check_slice(L, 1);
	struct header_field f;
	bool whole = lua_toboolean(L, 2);
	lua_Integer i = 1;

	lua_newtable(L);
	for (;;) {
		enum status st = whole ? header_next_of_whole(&in, &f) : header_next(&in, &f);

		if (st == ST_SYNTAX) {
			lua_pushboolean(L, false);
		} else if (st == ST_OK) {
			lua_createtable(L, 0, 3);
			set_slice(L, "name", f.name);
			set_slice(L, "value", f.value);
			set_slice(L, "whole", f.whole);
		} else {
			lua_pushstring(L, status_name(st));
			push_slice(L, in);
			return 3;
		}
		lua_rawseti(L, -2, i++);
	}
}

/* header_count({piece, ...}) -> received, octets, over */
static int l_header_count(lua_State *L)
{
	struct header_counter c = { 0 };
	lua_Integer count = luaL_len(L, 1);

	for (lua_Integer i = 1; i <= count; i++) {
		struct slice piece;

		lua_geti(L, 1, i);
		piece.ptr = lua_tolstring(L, -1, &piece.len);
		lua_pop(L, 1);
		header_count(&c, piece);
	}
	lua_pushinteger(L, c.received);
	lua_pushinteger(L, (lua_Integer)c.octets);
	lua_pushboolean(L, c.over);
	return 3;
}

static struct slice field(lua_State *L, const char *key)
{
	lua_getfield(L, 1, key);
	struct slice s = opt_slice(L, -1);

	lua_pop(L, 1);                                /* the table keeps it alive */
	return s;
}

static int l_trace_received(lua_State *L)
{
	struct buf out;

	buf_init(&out, 0);
	lua_getfield(L, 1, "when");
	struct trace t = {
		.helo = field(L, "helo"), .remote_ip = field(L, "remote_ip"),
		.hostname = field(L, "hostname"), .protocol = field(L, "protocol").ptr,
		.id = field(L, "id"), .recipient = field(L, "recipient"), .tls = field(L, "tls"),
		.when = lua_tointeger(L, -1),
	};

	trace_received(&t, &out);
	return push_buf(L, ST_OK, &out);
}

static int l_trace_return_path(lua_State *L)
{
	struct buf out;

	buf_init(&out, 0);
	trace_return_path(check_slice(L, 1), &out);
	return push_buf(L, ST_OK, &out);
}

/* trace_protocol(esmtp, tls, authenticated, smtputf8) */
static int l_trace_protocol(lua_State *L)
{
	lua_pushstring(L, trace_protocol(lua_toboolean(L, 1), lua_toboolean(L, 2),
	                                 lua_toboolean(L, 3), lua_toboolean(L, 4)));
	return 1;
}

static int l_date_format(lua_State *L)
{
	char out[DATE_SIZE];

	date_format(luaL_checkinteger(L, 1), out);
	lua_pushstring(L, out);
	return 1;
}

static int l_date_parse(lua_State *L)
{
	int64_t seconds;
	enum status st = date_parse(check_slice(L, 1), &seconds);

	if (st != ST_OK)
		return push_status(L, st);
	lua_pushinteger(L, seconds);
	return 1;
}

static int l_status_code_valid(lua_State *L)
{
	lua_pushboolean(L, status_code_valid(check_slice(L, 1)));
	return 1;
}

/* idna_spell(domain) -> ascii, unicode; or status */
static int l_idna_spell(lua_State *L)
{
	struct idna_spellings s;
	struct arena a;

	arena_init(&a);
	enum status st = idna_spell(check_slice(L, 1), &a, &s);

	if (st == ST_OK) {
		push_slice(L, s.ascii);
		push_slice(L, s.unicode);
	} else {
		lua_pushstring(L, status_name(st));
	}
	arena_reset(&a);
	return st == ST_OK ? 2 : 1;
}

int luaopen_bind_mail(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "lines_next", l_lines_next },
		{ "lines_skip", l_lines_skip },
		{ "dots_read", l_dots_read },
		{ "dots_write", l_dots_write },
		{ "address_path", l_address_path },
		{ "address_mailbox", l_address_mailbox },
		{ "address_domain", l_address_domain },
		{ "address_split", l_address_split },
		{ "params", l_params },
		{ "xtext_decode", l_xtext_decode },
		{ "xtext_encode", l_xtext_encode },
		{ "base64_decode", l_base64_decode },
		{ "base64_encode", l_base64_encode },
		{ "utf8_valid", l_utf8_valid },
		{ "utf8_ascii", l_utf8_ascii },
		{ "idna_spell", l_idna_spell },
		{ "header_fields", l_header_fields },
		{ "header_count", l_header_count },
		{ "trace_received", l_trace_received },
		{ "trace_return_path", l_trace_return_path },
		{ "trace_protocol", l_trace_protocol },
		{ "date_format", l_date_format },
		{ "date_parse", l_date_parse },
		{ "status_code_valid", l_status_code_valid },
		{ NULL, NULL },
	};

	luaL_newlib(L, functions);
	return 1;
}
