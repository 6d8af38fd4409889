/* The peer that does nothing: canned SMTP and POP3 replies, no disk, no checks, one process.
 *
 *   sink SMTP-PORT POP3-PORT [MESSAGES] [OCTETS]
 *
 * What the generator reaches against it is the most that it could measure of anybody. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench.h"

enum { READ_SIZE = 256 * 1024 };

struct peer {
	int        fd;
	bool       pop3, data;
	struct buf in, out;
};

static struct buf message, stat, uidl, list;
static int epoll;

/* A listener is a peer without buffers: its pop3 says what it serves. */
static void serve(struct peer *p, int port, bool pop3)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = p };
	int one = 1;

	*p = (struct peer){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), .pop3 = pop3 };
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(p->fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(p->fd, 4096) < 0) {
		perror("sink");
		exit(1);
	}
	epoll_ctl(epoll, EPOLL_CTL_ADD, p->fd, &e);
}

static void say(struct peer *p, const char *text)
{
	(void)buf_append(&p->out, slice_from(text));
}

static bool smtp(struct peer *p, struct slice line)
{
	if (slice_istarts(line, SLICE("EHLO")) || slice_istarts(line, SLICE("LHLO")))
		say(p, "250-sink\r\n250-PIPELINING\r\n250 SIZE\r\n");
	else if (slice_istarts(line, SLICE("DATA")))
		p->data = true, say(p, "354 go on\r\n");
	else if (slice_istarts(line, SLICE("QUIT")))
		return say(p, "221 bye\r\n"), false;
	else
		say(p, "250 2.0.0 ok\r\n");
	return true;
}

static bool pop3(struct peer *p, struct slice line)
{
	if (slice_istarts(line, SLICE("RETR"))) {
		(void)buf_printf(&p->out, "+OK %zu octets\r\n", buf_len(&message) - 3);
		(void)buf_append(&p->out, buf_slice(&message));
	} else if (slice_istarts(line, SLICE("UIDL"))) {
		(void)buf_append(&p->out, buf_slice(&uidl));
	} else if (slice_istarts(line, SLICE("LIST"))) {
		(void)buf_append(&p->out, buf_slice(&list));
	} else if (slice_istarts(line, SLICE("STAT"))) {
		(void)buf_append(&p->out, buf_slice(&stat));
	} else {
		say(p, "+OK\r\n");
	}
	return !slice_istarts(line, SLICE("QUIT"));
}

/* False: the session is over. */
static bool digest(struct peer *p)
{
	bool on = true;

	while (on) {
		struct slice in = buf_slice(&p->in);
		const char *mark = p->data ? "\r\n.\r\n" : "\r\n";
		const char *end = memmem(in.ptr, in.len, mark, strlen(mark));

		if (!end) {
			/* Of a message only what may be the begin of its end is kept. */
			if (p->data && in.len > 4)
				buf_consume(&p->in, in.len - 4);
			return true;
		}
		if (p->data)
			p->data = false, say(p, "250 2.0.0 thrown away\r\n");
		else
			on = (p->pop3 ? pop3 : smtp)(p, slice_head(in, (size_t)(end - in.ptr)));
		buf_consume(&p->in, (size_t)(end - in.ptr) + strlen(mark));
	}
	return on;
}

static bool flush(struct peer *p)
{
	while (buf_len(&p->out)) {
		struct slice s = buf_slice(&p->out);
		ssize_t n = send(p->fd, s.ptr, s.len, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN;
		buf_consume(&p->out, (size_t)n);
	}
	return true;
}

/* Edge-triggered: what fits no more into one read must be read at once. */
static bool receive(struct peer *p)
{
	bool on = true;
	ssize_t n;

	do {
		char *room;

		if (buf_reserve(&p->in, READ_SIZE, &room) != ST_OK)
			return false;
		n = recv(p->fd, room, READ_SIZE, 0);
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		buf_commit(&p->in, (size_t)n);
		on = digest(p);
	} while (on && n == READ_SIZE);
	return flush(p) && on;
}

static bool on_event(struct peer *p, uint32_t events)
{
	if (!flush(p))
		return false;
	bool good = !(events & ~(uint32_t)EPOLLOUT) || receive(p);

	buf_shrink(&p->in);
	buf_shrink(&p->out);
	return good;
}

static void take(const struct peer *listener)
{
	int fd, one = 1;

	while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct peer *p = MEM_NEW(struct peer);
		struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = p };

		*p = (struct peer){ .fd = fd, .pop3 = listener->pop3 };
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		say(p, p->pop3 ? "+OK sink\r\n" : "220 sink ESMTP\r\n");
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
	}
}

static void leave(struct peer *p)
{
	close(p->fd);
	buf_free(&p->in);
	buf_free(&p->out);
	free(p);
}

static void prepare(unsigned messages, size_t octets)
{
	bench_message(&message, octets);
	(void)buf_printf(&stat, "+OK %u %zu\r\n", messages, messages * (buf_len(&message) - 3));
	(void)buf_printf(&uidl, "+OK\r\n");
	(void)buf_printf(&list, "+OK\r\n");
	for (unsigned i = 1; i <= messages; i++) {
		(void)buf_printf(&uidl, "%u 5f0e1a2b00000%03u\r\n", i, i);
		(void)buf_printf(&list, "%u %zu\r\n", i, buf_len(&message) - 3);
	}
	(void)buf_printf(&uidl, ".\r\n");
	(void)buf_printf(&list, ".\r\n");
}

int main(int argc, char **argv)
{
	struct epoll_event events[256];
	struct peer listeners[2];

	if (argc < 3) {
		fputs("usage: sink SMTP-PORT POP3-PORT [MESSAGES] [OCTETS]\n", stderr);
		return 64;
	}
	prepare(argc > 3 ? (unsigned)atoi(argv[3]) : 100, argc > 4 ? (size_t)atoll(argv[4]) : 4096);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	serve(&listeners[0], atoi(argv[1]), false);
	serve(&listeners[1], atoi(argv[2]), true);
	for (;;) {
		int n = epoll_wait(epoll, events, 256, -1);

		for (int i = 0; i < n; i++) {
			struct peer *p = events[i].data.ptr;

			if (p == &listeners[0] || p == &listeners[1])
				take(p);
			else if (!on_event(p, events[i].events))
				leave(p);
		}
	}
}
