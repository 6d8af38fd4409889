/* Addresses, sockets, the acceptor and the PROXY header for specs. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/listen.h"
#include "net/proxy.h"
#include "bind_net.h"

/* ---- sockets ---- */

/* pair(): two connected descriptors of one machine's own */
static int l_pair(lua_State *L)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
		return bind_net_push_errno(L);
	lua_pushinteger(L, fd[0]);
	lua_pushinteger(L, fd[1]);
	return 2;
}

static int push_address(lua_State *L, const struct address *a)
{
	lua_newtable(L);
	lua_pushstring(L, a->ip);
	lua_setfield(L, -2, "ip");
	lua_pushinteger(L, a->port);
	lua_setfield(L, -2, "port");
	lua_pushboolean(L, a->ipv6);
	lua_setfield(L, -2, "ipv6");
	return 1;
}

static struct address check_address(lua_State *L, int arg)
{
	struct address a;

	if (address_parse(luaL_checkstring(L, arg), &a) != ST_OK)
		luaL_argerror(L, arg, "not an address");
	return a;
}

/* address(text): { ip, port, ipv6 }, or nil and the status */
static int l_address(lua_State *L)
{
	struct address a;
	enum status st = address_parse(luaL_checkstring(L, 1), &a);

	return st == ST_OK ? push_address(L, &a) : bind_net_push_status(L, st);
}

static int l_address_format(lua_State *L)
{
	struct address a = check_address(L, 1);
	char text[64];

	address_format(&a, text, sizeof(text));
	lua_pushstring(L, text);
	return 1;
}

/* listen(address): fd, or nil and the error */
static int l_listen(lua_State *L)
{
	struct address a = check_address(L, 1);
	int fd = listen_open(&a, (int)luaL_optinteger(L, 2, 128));

	if (fd < 0)
		return bind_net_push_errno(L);
	lua_pushinteger(L, fd);
	return 1;
}

static int l_local(lua_State *L)
{
	struct address a;

	return address_local((int)luaL_checkinteger(L, 1), &a) ? push_address(L, &a) : bind_net_push_errno(L);
}

static int l_holder(lua_State *L)
{
	struct address a = check_address(L, 1);
	char text[128];

	listen_holder(&a, text, sizeof(text));
	lua_pushstring(L, text);
	return 1;
}

/* connect(address): fd */
static int l_connect(lua_State *L)
{
	struct address a = check_address(L, 1);
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(a.port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(a.port) };
	int fd = socket(a.ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET6, a.ip, &six.sin6_addr);
	inet_pton(AF_INET, a.ip, &four.sin_addr);
	if (fd < 0 || connect(fd, a.ipv6 ? (struct sockaddr *)&six : (struct sockaddr *)&four,
	                      a.ipv6 ? sizeof(six) : sizeof(four)) < 0) {
		int n = bind_net_push_errno(L);

		if (fd >= 0)
			close(fd);
		return n;
	}
	lua_pushinteger(L, fd);
	return 1;
}

/* send(fd, octets): how many went */
static int l_send(lua_State *L)
{
	size_t len;
	const char *octets = luaL_checklstring(L, 2, &len);
	ssize_t n = send((int)luaL_checkinteger(L, 1), octets, len, MSG_NOSIGNAL);

	if (n < 0)
		return bind_net_push_errno(L);
	lua_pushinteger(L, n);
	return 1;
}

/* recv(fd): what is there ("" at the end), or nil and the error */
static int l_recv(lua_State *L)
{
	static char room[1 << 20];
	ssize_t n = recv((int)luaL_checkinteger(L, 1), room, sizeof(room), MSG_DONTWAIT);

	if (n < 0)
		return bind_net_push_errno(L);
	lua_pushlstring(L, room, (size_t)n);
	return 1;
}

static int l_close(lua_State *L)
{
	close((int)luaL_checkinteger(L, 1));
	return 0;
}

/* end_output(fd): half-close */
static int l_end_output(lua_State *L)
{
	shutdown((int)luaL_checkinteger(L, 1), SHUT_WR);
	return 0;
}

/* reset(fd): close it with RST */
static int l_reset(lua_State *L)
{
	int fd = (int)luaL_checkinteger(L, 1);
	struct linger hard = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
	return 0;
}

/* descriptor_limit(n): the old soft limit */
static int l_descriptor_limit(lua_State *L)
{
	struct rlimit r;

	getrlimit(RLIMIT_NOFILE, &r);
	lua_pushinteger(L, (lua_Integer)r.rlim_cur);
	r.rlim_cur = (rlim_t)luaL_checkinteger(L, 1);
	setrlimit(RLIMIT_NOFILE, &r);
	return 1;
}

struct door { struct acceptor *acceptor; int fn; };

static void on_accepted(void *owner, int fd, const struct address *peer, const struct address *local)
{
	struct door *d = owner;

	lua_rawgeti(bind_net_lua(), LUA_REGISTRYINDEX, d->fn);
	lua_pushinteger(bind_net_lua(), fd);
	push_address(bind_net_lua(), peer);
	push_address(bind_net_lua(), local);
	bind_net_call(3);
}

/* acceptor(fd, fn): fn(fd, peer, local) */
static int l_acceptor(lua_State *L)
{
	struct door *d = lua_newuserdatauv(L, sizeof(*d), 0);

	lua_pushvalue(L, 2);
	d->fn = luaL_ref(L, LUA_REGISTRYINDEX);
	d->acceptor = acceptor_new(bind_net_loop(), (int)luaL_checkinteger(L, 1), on_accepted, d);
	luaL_setmetatable(L, "net.acceptor");
	return 1;
}

static int l_acceptor_pause(lua_State *L)
{
	struct door *d = luaL_checkudata(L, 1, "net.acceptor");

	acceptor_pause(d->acceptor, lua_toboolean(L, 2));
	return 0;
}

static int l_acceptor_free(lua_State *L)
{
	struct door *d = luaL_checkudata(L, 1, "net.acceptor");

	acceptor_free(d->acceptor);
	if (d->acceptor)
		luaL_unref(L, LUA_REGISTRYINDEX, d->fn);
	d->acceptor = NULL;
	return 0;
}

/* ---- the PROXY header ---- */

/* proxy(octets): { local_, source, destination, tls, rest }, or nil and the status */
static int l_proxy(lua_State *L)
{
	struct slice in;
	struct proxy_header h;

	in.ptr = luaL_checklstring(L, 1, &in.len);
	/* A copy of exactly that size, so that the sanitizer sees a read behind it. */
	char *copy = malloc(in.len ? in.len : 1);

	memcpy(copy, in.ptr, in.len);
	in.ptr = copy;
	enum status st = proxy_parse(&in, &h);

	if (st != ST_OK) {
		free(copy);
		return bind_net_push_status(L, st);
	}
	lua_newtable(L);
	lua_pushboolean(L, h.local);
	lua_setfield(L, -2, "is_local");
	lua_pushboolean(L, h.tls);
	lua_setfield(L, -2, "tls");
	push_address(L, &h.source);
	lua_setfield(L, -2, "source");
	push_address(L, &h.destination);
	lua_setfield(L, -2, "destination");
	lua_pushlstring(L, in.ptr, in.len);
	lua_setfield(L, -2, "rest");
	free(copy);
	return 1;
}

void bind_net_add_sockets(lua_State *L)
{
	static const luaL_Reg acceptor[] = {
		{ "pause", l_acceptor_pause }, { "free", l_acceptor_free }, { NULL, NULL },
	};
	static const luaL_Reg functions[] = {
		{ "pair", l_pair }, { "address", l_address }, { "address_format", l_address_format },
		{ "listen", l_listen }, { "local_address", l_local }, { "holder", l_holder },
		{ "connect", l_connect }, { "send", l_send }, { "recv", l_recv }, { "close", l_close },
		{ "end_output", l_end_output }, { "reset", l_reset },
		{ "descriptor_limit", l_descriptor_limit }, { "acceptor", l_acceptor },
		{ "proxy", l_proxy }, { NULL, NULL },
	};

	bind_net_type(L, "net.acceptor", acceptor, l_acceptor_free);
	luaL_setfuncs(L, functions, 0);
}
