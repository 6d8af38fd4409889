/* Parts are views: type and place come from mail/mime, octets are read from the message when they
 * are asked for.  A large message is gone through in several turns of the loop. */
#include "script/part.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "hook/message.h"
#include "mail/mime.h"
#include "script/lib.h"
#include "script/state.h"
#include "script/view.h"

static const char metatable[] = "moonpost.Part";
static const char decoding_metatable[] = "moonpost.Decoding";

enum {
	FEED_STEP       = 65536,
	FEED_PER_TURN   = 1024 * 1024,   /* octets gone through before other sessions get a turn */
	DECODE_STEP     = 49152,         /* octets read for one decoded piece */
	CONTENT_DEFAULT = 1024 * 1024,
};

struct part { unsigned index; };     /* its user value is the message */

static const struct mime_part *check_part(lua_State *L, int index, struct message **m)
{
	struct part *p = luaL_checkudata(L, index, metatable);

	if (index < 0 && index > LUA_REGISTRYINDEX)
		index = lua_absindex(L, index);
	(void)lua_getiuservalue(L, index, 1);
	*m = view_check(L, -1);
	lua_pop(L, 1);
	if (!(*m)->mime || p->index >= mime_count((*m)->mime))
		luaL_error(L, "the parts of this message are gone");
	return mime_part((*m)->mime, p->index);
}

/* ---- message:parts ---- */

/* AGAIN: a turn's worth is done, there is more. */
static enum status go_through(struct message *m)
{
	char *room = mem_array(FEED_STEP, 1);
	enum status st = ST_OK;
	uint64_t end = m->mime_octets + FEED_PER_TURN;

	if (!m->mime)
		m->mime = mime_new();
	while (st == ST_OK && m->mime_octets < m->octets && m->mime_octets < end) {
		size_t len = FEED_STEP;

		st = message_read(m, m->mime_octets, room, &len);
		if (st == ST_OK)
			mime_feed(m->mime, slice_of(room, len));
		m->mime_octets += st == ST_OK ? len : 0;
	}
	free(room);
	if (st == ST_OK && m->mime_octets < m->octets)
		return ST_AGAIN;
	if (st == ST_OK)
		mime_finish(m->mime);
	m->mime_whole = st == ST_OK;
	return st;
}

static int push_list(lua_State *L, struct message *m)
{
	unsigned count = mime_count(m->mime);

	lua_createtable(L, (int)count, 1);
	for (unsigned i = 0; i < count; i++) {
		struct part *p = lua_newuserdatauv(L, sizeof(*p), 1);

		p->index = i;
		luaL_setmetatable(L, metatable);
		lua_pushvalue(L, 1);
		lua_setiuservalue(L, -2, 1);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_pushboolean(L, mime_limited(m->mime));
	lua_setfield(L, -2, "limited");
	return 1;
}

static int go_on(lua_State *L, int status, lua_KContext context)
{
	struct message *m = view_check(L, 1);
	enum status st = m->mime_whole ? ST_OK : go_through(m);

	(void)status, (void)context;
	if (st == ST_OK)
		return push_list(L, m);
	if (st != ST_AGAIN)
		return view_fail(L, "io", "the message cannot be read");
	struct call *c = call_check(L, "message:parts");

	call_wake(call_ticket(c));
	return call_suspend(L, c, NULL, NULL, go_on);
}

int part_list(lua_State *L)
{
	(void)view_check(L, 1);
	lua_settop(L, 1);
	return go_on(L, LUA_OK, 0);
}

/* ---- octets ---- */

/* part:header(name [, all]): as message:header */
static int l_header(lua_State *L)
{
	struct message *m;
	const struct mime_part *p = check_part(L, 1, &m);
	uint64_t octets = p->offset - p->header_offset;
	struct slice header;

	if (octets > MIME_FIELDS_MAX)
		octets = MIME_FIELDS_MAX;
	lua_settop(L, 3);
	if (!view_push_octets(L, m, p->header_offset, (size_t)octets))
		return view_fail(L, "io", "the message cannot be read");
	header.ptr = lua_tolstring(L, -1, &header.len);
	lua_insert(L, 1);                     /* keeps the text alive */
	lua_remove(L, 2);
	return view_push_field(L, header);
}

/* part:read(offset, max) -> octets of the body as they were sent, "" at the end */
static int l_read(lua_State *L)
{
	struct message *m;
	const struct mime_part *p = check_part(L, 1, &m);
	uint64_t offset;
	size_t max;

	view_check_range(L, &offset, &max);
	if (offset >= p->octets) {
		lua_pushliteral(L, "");
		return 1;
	}
	if (max > p->octets - offset)
		max = (size_t)(p->octets - offset);
	return view_push_octets(L, m, p->offset + offset, max) ? 1
	       : view_fail(L, "io", "the message cannot be read");
}

struct decoding { struct transfer transfer; struct buf out; uint64_t at; bool over; };

static int l_decoding_gc(lua_State *L)
{
	struct decoding *d = lua_touserdata(L, 1);

	transfer_clear(&d->transfer);
	buf_free(&d->out);
	return 0;
}

static struct decoding *push_decoding(lua_State *L, const struct mime_part *p)
{
	struct decoding *d = lua_newuserdatauv(L, sizeof(*d), 0);

	*d = (struct decoding){ 0 };
	transfer_init(&d->transfer, p->transfer);
	buf_init(&d->out, 0);
	luaL_setmetatable(L, decoding_metatable);
	return d;
}

/* One more piece into d->out. */
static enum status decode_some(struct decoding *d, const struct message *m, const struct mime_part *p)
{
	uint64_t left = p->octets - d->at;
	size_t len = left < DECODE_STEP ? (size_t)left : DECODE_STEP;
	char *room = mem_array(DECODE_STEP, 1);
	enum status st = message_read(m, p->offset + d->at, room, &len);

	if (st == ST_OK)
		st = transfer_decode(&d->transfer, slice_of(room, len), &d->out);
	free(room);
	d->at += len;
	d->over = st != ST_OK || d->at >= p->octets || len == 0;
	return st == ST_OK && d->over ? transfer_finish(&d->transfer, &d->out) : st;
}

static int next_piece(lua_State *L)
{
	struct message *m;
	const struct mime_part *p = check_part(L, lua_upvalueindex(1), &m);
	struct decoding *d = lua_touserdata(L, lua_upvalueindex(2));

	if (d->over)
		return 0;
	buf_reset(&d->out);
	if (decode_some(d, m, p) != ST_OK)
		return luaL_error(L, "part:decode: the message cannot be read");
	lib_push_slice(L, buf_slice(&d->out));
	return 1;
}

/* for octets in part:decode() do: the decoded body in pieces, any of which may be empty */
static int l_decode(lua_State *L)
{
	struct message *m;
	const struct mime_part *p = check_part(L, 1, &m);

	lua_settop(L, 1);
	(void)push_decoding(L, p);
	lua_pushcclosure(L, next_piece, 2);
	return 1;
}

/* part:content([max]) -> the decoded body as one string, or nil, why, word */
static int l_content(lua_State *L)
{
	struct message *m;
	const struct mime_part *p = check_part(L, 1, &m);
	lua_Integer max = luaL_optinteger(L, 2, CONTENT_DEFAULT);
	struct decoding *d;

	luaL_argcheck(L, max >= 1 && max <= VIEW_READ_MAX, 2, "1 octet to 16 MiB");
	/* What is encoded as intended is at most three times as long, but for its line ends. */
	if (p->octets > 4 * (uint64_t)max + DECODE_STEP)
		return view_fail(L, "limit", "the part is larger than that");
	d = push_decoding(L, p);
	while (!d->over && buf_len(&d->out) <= (size_t)max)
		if (decode_some(d, m, p) != ST_OK)
			return view_fail(L, "io", "the message cannot be read");
	if (buf_len(&d->out) > (size_t)max)
		return view_fail(L, "limit", "the part is larger than that");
	lib_push_slice(L, buf_slice(&d->out));
	return 1;
}

/* ---- the object ---- */

static void push_params(lua_State *L, const struct mime_param *p)
{
	lua_newtable(L);
	for (; p; p = p->next) {
		lib_push_slice(L, p->name);
		lib_push_slice(L, p->value);
		lua_rawset(L, -3);
	}
}

static void push_or_nil(lua_State *L, struct slice s)
{
	if (s.len)
		lib_push_slice(L, s);
	else
		lua_pushnil(L);
}

static bool push_text(lua_State *L, const struct mime_part *p, const char *key)
{
	const struct { const char *name; struct slice value; } texts[] = {
		{ "type", p->type }, { "disposition", p->disposition }, { "filename", p->filename },
		{ "encoding", p->encoding }, { "id", p->id },
		{ "charset", mime_header_param(p->params, "charset") },
	};

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		if (strcmp(texts[i].name, key) == 0) {
			push_or_nil(L, texts[i].value);
			return true;
		}
	}
	return false;
}

static bool push_number(lua_State *L, const struct mime_part *p, const char *key)
{
	const struct { const char *name; uint64_t value; } numbers[] = {
		{ "offset", p->offset }, { "octets", p->octets }, { "depth", p->depth },
		{ "children", p->children }, { "number", p->number },
		{ "parent", p->parent == MIME_NO_PARENT ? 0 : (uint64_t)p->parent + 1 },
	};

	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		if (strcmp(numbers[i].name, key) == 0) {
			lua_pushinteger(L, (lua_Integer)numbers[i].value);
			return true;
		}
	}
	return false;
}

static int l_index(lua_State *L)
{
	struct message *m;
	const struct mime_part *p = check_part(L, 1, &m);
	const char *key = luaL_checkstring(L, 2);

	if (lua_getfield(L, lua_upvalueindex(1), key) != LUA_TNIL || push_text(L, p, key) ||
	    push_number(L, p, key))
		return 1;
	if (strcmp(key, "parameters") != 0)
		return luaL_error(L, "part has no \"%s\"; there are type, parameters, charset, disposition, "
		                  "filename, encoding, id, offset, octets, depth, children, number, parent, "
		                  "header, read, decode and content", key);
	push_params(L, p->params);
	return 1;
}

void part_prepare(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "header", l_header }, { "read", l_read }, { "decode", l_decode }, { "content", l_content },
		{ NULL, NULL },
	};

	luaL_newmetatable(L, metatable);
	luaL_newlib(L, methods);
	lua_pushcclosure(L, l_index, 1);
	lua_setfield(L, -2, "__index");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	luaL_newmetatable(L, decoding_metatable);
	lua_pushcfunction(L, l_decoding_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 2);
}
