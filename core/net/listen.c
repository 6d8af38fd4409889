/* Addresses as text, listening sockets, and accepting from them.
 * Who holds a busy port is in net/listen_holder.c. */
#include "net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/slice.h"
#include "net/loop.h"

enum { ACCEPT_BATCH = 8, ACCEPT_PAUSE_MS = 100 };

static bool parse_ip(struct slice ip, bool ipv6, struct address *out)
{
	unsigned char binary[16];

	if (ip.len >= sizeof(out->ip))
		return false;
	memcpy(out->ip, ip.ptr, ip.len);
	out->ip[ip.len] = '\0';
	out->ipv6 = ipv6;
	return inet_pton(ipv6 ? AF_INET6 : AF_INET, out->ip, binary) == 1;
}

enum status address_parse(const char *text, struct address *out)
{
	struct slice all = slice_from(text);
	size_t colon = slice_rfind(all, ':');
	struct address a = { "*", 0, false };
	uint64_t port;

	if (colon == all.len || slice_to_u64(slice_skip(all, colon + 1), &port) != ST_OK ||
	    port > UINT16_MAX)
		return ST_SYNTAX;
	struct slice host = slice_head(all, colon);

	a.port = (unsigned short)port;
	if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
		if (!parse_ip(slice_of(host.ptr + 1, host.len - 2), true, &a))
			return ST_SYNTAX;
	} else if (host.len != 0 && !slice_eq(host, SLICE("*")) && !parse_ip(host, false, &a)) {
		return ST_SYNTAX;
	}
	*out = a;
	return ST_OK;
}

void address_format(const struct address *a, char *out, size_t size)
{
	snprintf(out, size, a->ipv6 ? "[%s]:%u" : "%s:%u", a->ip, a->port);
}

bool address_is_any(const struct address *a)
{
	return strcmp(a->ip, "*") == 0;
}

static socklen_t to_sockaddr(const struct address *a, struct sockaddr_storage *out)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
	struct sockaddr_in *four = (struct sockaddr_in *)out;

	memset(out, 0, sizeof(*out));
	if (a->ipv6 || address_is_any(a)) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(a->port);
		if (a->ipv6)
			inet_pton(AF_INET6, a->ip, &six->sin6_addr);
		return sizeof(*six);
	}
	four->sin_family = AF_INET;
	four->sin_port = htons(a->port);
	inet_pton(AF_INET, a->ip, &four->sin_addr);
	return sizeof(*four);
}

static void from_sockaddr(const struct sockaddr_storage *from, struct address *out)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)from;
	const struct sockaddr_in *four = (const struct sockaddr_in *)from;

	*out = (struct address){ "", 0, false };
	if (from->ss_family == AF_INET) {
		out->port = ntohs(four->sin_port);
		inet_ntop(AF_INET, &four->sin_addr, out->ip, sizeof(out->ip));
	} else if (from->ss_family == AF_INET6) {
		/* An IPv4 client of a socket for both families is an IPv4 client. */
		bool mapped = IN6_IS_ADDR_V4MAPPED(&six->sin6_addr);

		out->port = ntohs(six->sin6_port);
		out->ipv6 = !mapped;
		if (mapped)
			inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], out->ip, sizeof(out->ip));
		else
			inet_ntop(AF_INET6, &six->sin6_addr, out->ip, sizeof(out->ip));
	}
}

bool address_local(int fd, struct address *out)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return false;
	from_sockaddr(&sa, out);
	return true;
}

static int fail_open(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	return -1;
}

static int bind_listen(const struct sockaddr_storage *sa, socklen_t len, bool both, int backlog)
{
	int fd = socket(sa->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, only = !both;

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return fail_open(fd);
	if (sa->ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) < 0)
		return fail_open(fd);
	/* Accepted sockets inherit it: replies are small and must not wait for others. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)sa, len) < 0 || listen(fd, backlog) < 0)
		return fail_open(fd);
	return fd;
}

int listen_open(const struct address *a, int backlog)
{
	struct sockaddr_storage sa;
	socklen_t len = to_sockaddr(a, &sa);
	int fd = bind_listen(&sa, len, address_is_any(a), backlog);

	if (fd < 0 && errno == EAFNOSUPPORT && address_is_any(a)) {
		struct address four = { "0.0.0.0", a->port, false };

		len = to_sockaddr(&four, &sa);
		fd = bind_listen(&sa, len, false, backlog);
	}
	return fd;
}

struct acceptor {
	struct loop   *loop;
	struct watch  *watch;
	struct timer   rest;
	int            fd;
	unsigned       batch;             /* how many to try in the next turn */
	bool           paused, resting, complained;
	bool           many_locals;       /* bound to a wildcard: ask each connection */
	struct address local;
	accepted_fn   *fn;
	void          *owner;
	bool          *gone;              /* set when the callback frees us */
};

static void update_watch(struct acceptor *a)
{
	watch_set(a->watch, a->paused || a->resting ? 0 : LOOP_READABLE);
}

static void on_rested(void *owner)
{
	struct acceptor *a = owner;

	a->resting = false;
	update_watch(a);
}

/* Out of descriptors or memory: the connection stays in the kernel's queue; trying at once again
 * would only burn the processor. */
static void rest(struct acceptor *a, int error)
{
	char text[64];

	if (!a->complained) {
		address_format(&a->local, text, sizeof(text));
		log_error("cannot accept connections", "listener", text, "error", strerror(error),
		          "remedy", error == EMFILE ? "raise the limit of open files (ulimit -n) of moonpost"
		                                    : "free descriptors or memory of the machine", NULL);
	}
	a->complained = true;
	a->resting = true;
	timer_start(&a->rest, ACCEPT_PAUSE_MS);
	update_watch(a);
}

static bool out_of_resources(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* One connection; false when there is no more to take in this turn. */
static bool accept_one(struct acceptor *a)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);
	struct address peer, local = a->local;
	int fd = accept4(a->fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK) {
			a->batch = 1;
			return false;
		}
		if (out_of_resources(errno)) {
			rest(a, errno);
			return false;
		}
		/* Others are errors of that one connection (accept(2), "Error handling"). */
		return errno != EBADF && errno != EINVAL && errno != ENOTSOCK;
	}
	a->complained = false;
	from_sockaddr(&sa, &peer);
	if (a->many_locals && !address_local(fd, &local)) {
		close(fd);
		return true;
	}
	a->fn(a->owner, fd, &peer, &local);
	return true;
}

/* Several processes accept from one socket.  Taking all that waits would starve the others, and
 * asking once more after every single connection is a wasted call: the batch grows while the
 * queue is never found empty. */
static void on_acceptable(void *owner, int events)
{
	struct acceptor *a = owner;
	bool gone = false;
	unsigned batch = a->batch;

	(void)events;
	a->gone = &gone;
	for (unsigned i = 0; i < batch && !a->paused && !a->resting; i++)
		if (!accept_one(a) || gone)
			goto out;
	if (a->batch < ACCEPT_BATCH)
		a->batch *= 2;
out:
	if (!gone)
		a->gone = NULL;
}

struct acceptor *acceptor_new(struct loop *l, int fd, accepted_fn *fn, void *owner)
{
	struct acceptor *a = MEM_NEW(struct acceptor);

	a->loop = l;
	a->fd = fd;
	a->fn = fn;
	a->owner = owner;
	a->batch = 1;
	timer_init(&a->rest, l, on_rested, a);
	if (!address_local(fd, &a->local))
		a->local = (struct address){ "", 0, false };
	a->many_locals = strcmp(a->local.ip, "::") == 0 || strcmp(a->local.ip, "0.0.0.0") == 0;
	a->watch = watch_new(l, fd, LOOP_READABLE, on_acceptable, a);
	return a;
}

void acceptor_pause(struct acceptor *a, bool paused)
{
	a->paused = paused;
	update_watch(a);
}

void acceptor_free(struct acceptor *a)
{
	if (a == NULL)
		return;
	if (a->gone)
		*a->gone = true;
	timer_stop(&a->rest);
	watch_free(a->watch);
	free(a);
}
