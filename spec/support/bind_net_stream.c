/* Streams and TLS contexts for specs. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/certificate.h"
#include "net/stream.h"
#include "net/tls.h"
#include "bind_net.h"

/* ---- TLS contexts ---- */

static struct tls_context **check_context(lua_State *L, int arg)
{
	return luaL_checkudata(L, arg, "net.context");
}

static const char *field(lua_State *L, int table, const char *name)
{
	lua_getfield(L, table, name);
	const char *text = lua_tostring(L, -1);

	lua_pop(L, 1);                                   /* the table keeps it alive */
	return text;
}

static int push_context(lua_State *L, struct tls_context *c, char *error)
{
	if (c == NULL) {
		lua_pushnil(L);
		lua_pushstring(L, error);
		free(error);
		return 2;
	}
	struct tls_context **box = lua_newuserdatauv(L, sizeof(struct tls_context *), 0);

	*box = c;
	luaL_setmetatable(L, "net.context");
	return 1;
}

/* tls { certificates = { { name, chain, key } }, min_version, ciphers, ciphersuites, ticket_key,
 * ticket_lifetime } */
static int l_tls(lua_State *L)
{
	struct tls_settings s = { .min_version = field(L, 1, "min_version"),
	                          .ciphers = field(L, 1, "ciphers"),
	                          .ciphersuites = field(L, 1, "ciphersuites") };
	struct tls_certificate list[16];
	const char *key = field(L, 1, "ticket_key");
	char *error = NULL;

	lua_getfield(L, 1, "certificates");
	s.certificate_count = (unsigned)luaL_len(L, -1);
	s.certificates = list;
	for (unsigned i = 0; i < s.certificate_count && i < COUNT_OF(list); i++) {
		lua_geti(L, -1, i + 1);
		int at = lua_gettop(L);

		list[i] = (struct tls_certificate){ field(L, at, "name"), field(L, at, "chain"),
		                                    field(L, at, "key") };
		lua_pop(L, 1);
	}
	if (key) {
		s.tickets = true;
		memset(s.ticket_key, key[0], sizeof(s.ticket_key));
	}
	lua_getfield(L, 1, "ticket_lifetime");
	s.ticket_lifetime_s = (unsigned)luaL_optinteger(L, -1, 3600);
	struct tls_context *c = tls_context_new(&s, &error);

	return push_context(L, c, error);
}

/* tls_client(ca file or nil, verify) */
static int l_tls_client(lua_State *L)
{
	char *error = NULL;
	struct tls_context *c = tls_context_new_client(lua_tostring(L, 1), lua_toboolean(L, 2), &error);

	return push_context(L, c, error);
}

static int l_context_free(lua_State *L)
{
	tls_context_unref(check_context(L, 1));
	return 0;
}

/* ---- streams ---- */

struct box {
	struct stream *stream;
	int            events, self;      /* registry: table of functions; ourselves while alive */
};

static struct stream *check_stream(lua_State *L)
{
	struct box *b = luaL_checkudata(L, 1, "net.stream");

	luaL_argcheck(L, b->stream, 1, "stream is freed");
	return b->stream;
}

/* Push the function for the event and the stream; false: nobody listens. */
static bool push_event(struct box *b, const char *name)
{
	lua_rawgeti(bind_net_lua(), LUA_REGISTRYINDEX, b->events);
	lua_getfield(bind_net_lua(), -1, name);
	lua_remove(bind_net_lua(), -2);
	if (lua_isnil(bind_net_lua(), -1)) {
		lua_pop(bind_net_lua(), 1);
		return false;
	}
	lua_rawgeti(bind_net_lua(), LUA_REGISTRYINDEX, b->self);
	return true;
}

static void on_readable(void *owner)
{
	if (push_event(owner, "readable"))
		bind_net_call(1);
}

static void on_drained(void *owner)
{
	if (push_event(owner, "drained"))
		bind_net_call(1);
}

static void on_secured(void *owner, enum status st)
{
	if (push_event(owner, "secured")) {
		lua_pushstring(bind_net_lua(), status_name(st));
		bind_net_call(2);
	}
}

static void on_closed(void *owner, enum status st)
{
	if (push_event(owner, "closed")) {
		lua_pushstring(bind_net_lua(), status_name(st));
		bind_net_call(2);
	}
}

/* certificate(stream, name): an answer follows, by stream:certificate */
static bool on_certificate(void *owner, const char *name)
{
	if (!push_event(owner, "certificate"))
		return false;
	lua_pushstring(bind_net_lua(), name);
	bind_net_call(2);
	return true;
}

/* stream:certificate(chain, key): PEM texts, or nothing -> whether it is shown; or nil and why */
static int l_stream_certificate(lua_State *L)
{
	struct stream *s = check_stream(L);
	struct slice chain = SLICE_NONE, key = SLICE_NONE;
	struct certificate *c = NULL;
	char *error = NULL;

	if (lua_isstring(L, 2)) {
		chain.ptr = lua_tolstring(L, 2, &chain.len);
		key.ptr = luaL_checklstring(L, 3, &key.len);
		c = certificate_parse(chain, key, "the spec", &error);
	}
	lua_pushboolean(L, stream_certificate(s, c));
	certificate_free(c);
	if (!error)
		return 1;
	lua_pushnil(L);
	lua_pushstring(L, error);
	free(error);
	return 2;
}

/* stream(fd, { readable = fn, drained = fn, secured = fn, closed = fn, certificate = fn }) */
static int l_stream(lua_State *L)
{
	static const struct stream_events events = {
		.readable = on_readable, .drained = on_drained, .secured = on_secured, .closed = on_closed,
		.certificate = on_certificate,
	};
	int fd = (int)luaL_checkinteger(L, 1);
	struct box *b = lua_newuserdatauv(L, sizeof(*b), 0);

	lua_pushvalue(L, 2);
	b->events = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_pushvalue(L, -1);
	b->self = luaL_ref(L, LUA_REGISTRYINDEX);
	b->stream = stream_new(bind_net_loop(), fd, &events, b);
	luaL_setmetatable(L, "net.stream");
	return 1;
}

static int l_stream_free(lua_State *L)
{
	struct box *b = luaL_checkudata(L, 1, "net.stream");

	if (b->stream) {
		stream_free(b->stream);
		luaL_unref(L, LUA_REGISTRYINDEX, b->events);
		luaL_unref(L, LUA_REGISTRYINDEX, b->self);
	}
	b->stream = NULL;
	return 0;
}

/* input(): what is there, not consumed */
static int l_stream_input(lua_State *L)
{
	struct slice in = buf_slice(stream_input(check_stream(L)));

	lua_pushlstring(L, in.len ? in.ptr : "", in.len);
	return 1;
}

/* take([n]): consume n octets, or all, and return them */
static int l_stream_take(lua_State *L)
{
	struct buf *in = stream_input(check_stream(L));
	size_t n = (size_t)luaL_optinteger(L, 2, (lua_Integer)buf_len(in));
	struct slice head = slice_head(buf_slice(in), n);

	lua_pushlstring(L, head.len ? head.ptr : "", head.len);
	buf_consume(in, n);
	return 1;
}

static int l_stream_append(lua_State *L)
{
	struct slice s;

	s.ptr = luaL_checklstring(L, 2, &s.len);
	if (buf_append(stream_output(check_stream(L)), s) != ST_OK)
		return luaL_error(L, "output is full");
	return 0;
}

static int l_stream_flush(lua_State *L)
{
	stream_flush(check_stream(L), lua_toboolean(L, 2));
	return 0;
}

/* send_file(path, offset, octets) -> how many went, below 0: not from this file */
static int l_stream_send_file(lua_State *L)
{
	int fd = open(luaL_checkstring(L, 2), O_RDONLY | O_CLOEXEC);
	long n = stream_send_file(check_stream(L), fd, (uint64_t)luaL_checkinteger(L, 3),
	                          (size_t)luaL_checkinteger(L, 4));

	if (fd >= 0)
		close(fd);
	lua_pushinteger(L, n);
	return 1;
}

static int l_stream_written(lua_State *L)
{
	lua_pushboolean(L, stream_written(check_stream(L)));
	return 1;
}

static int l_stream_write(lua_State *L)
{
	l_stream_append(L);
	stream_flush(check_stream(L), false);
	return 0;
}

static int l_stream_unwritten(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)buf_len(stream_output(check_stream(L))));
	return 1;
}

static int l_stream_read(lua_State *L)
{
	stream_read(check_stream(L), lua_toboolean(L, 2));
	return 0;
}

static int l_stream_start_tls(lua_State *L)
{
	stream_start_tls(check_stream(L), *check_context(L, 2));
	return 0;
}

static int l_stream_accept_tls(lua_State *L)
{
	stream_accept_tls(check_stream(L), *check_context(L, 2));
	return 0;
}

static int l_stream_connect_tls(lua_State *L)
{
	stream_connect_tls(check_stream(L), *check_context(L, 2), lua_tostring(L, 3));
	return 0;
}

static int l_stream_shutdown(lua_State *L)
{
	stream_shutdown(check_stream(L));
	return 0;
}

static int l_stream_error(lua_State *L)
{
	lua_pushstring(L, stream_error(check_stream(L)));
	return 1;
}

/* tls(): { version, cipher, server_name, resumed } */
static int l_stream_tls(lua_State *L)
{
	struct stream *s = check_stream(L);

	lua_newtable(L);
	lua_pushstring(L, stream_tls_version(s));
	lua_setfield(L, -2, "version");
	lua_pushstring(L, stream_tls_cipher(s));
	lua_setfield(L, -2, "cipher");
	lua_pushstring(L, stream_tls_server_name(s));
	lua_setfield(L, -2, "server_name");
	lua_pushboolean(L, stream_tls_resumed(s));
	lua_setfield(L, -2, "resumed");
	return 1;
}

static int l_stream_binding(lua_State *L)
{
	unsigned char out[64];
	size_t len = 0;
	enum status st = stream_channel_binding(check_stream(L), luaL_checkstring(L, 2), out, &len);

	if (st != ST_OK)
		return bind_net_push_status(L, st);
	lua_pushlstring(L, (char *)out, len);
	return 1;
}

/* memory(): octets the input and the output buffer hold */
static int l_stream_memory(lua_State *L)
{
	struct stream *s = check_stream(L);

	lua_pushinteger(L, (lua_Integer)stream_input(s)->cap);
	lua_pushinteger(L, (lua_Integer)stream_output(s)->cap);
	return 2;
}

void bind_net_add_streams(lua_State *L)
{
	static const luaL_Reg context[] = { { "free", l_context_free }, { NULL, NULL } };
	static const luaL_Reg stream[] = {
		{ "input", l_stream_input }, { "take", l_stream_take }, { "append", l_stream_append },
		{ "flush", l_stream_flush }, { "write", l_stream_write },
		{ "send_file", l_stream_send_file }, { "written", l_stream_written },
		{ "unwritten", l_stream_unwritten }, { "read", l_stream_read },
		{ "start_tls", l_stream_start_tls }, { "certificate", l_stream_certificate },
		{ "accept_tls", l_stream_accept_tls },
		{ "connect_tls", l_stream_connect_tls },
		{ "shutdown", l_stream_shutdown }, { "error", l_stream_error }, { "tls", l_stream_tls },
		{ "binding", l_stream_binding }, { "memory", l_stream_memory },
		{ "free", l_stream_free }, { NULL, NULL },
	};
	static const luaL_Reg functions[] = {
		{ "tls", l_tls }, { "tls_client", l_tls_client }, { "stream", l_stream }, { NULL, NULL },
	};

	bind_net_type(L, "net.context", context, l_context_free);
	bind_net_type(L, "net.stream", stream, l_stream_free);
	luaL_setfuncs(L, functions, 0);
}
