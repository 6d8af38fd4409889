/* Messages between master and worker. */
#include "server/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

struct channel {
	int                 fd;
	struct watch       *watch;
	channel_message_fn *message;
	channel_closed_fn  *closed;
	void               *owner;
	bool                reading, freed;
};

bool server_channel_pair(int fds[2])
{
	int size = 256 * 1024;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return false;
	for (unsigned i = 0; i < 2; i++)
		(void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return true;
}

static void readable(void *owner, int events)
{
	struct channel *c = owner;
	char packet[CHANNEL_MAX];

	(void)events;
	c->reading = true;
	/* A bounded number per turn: a chatty peer must not hold up the loop. */
	for (unsigned i = 0; i < 64 && !c->freed; i++) {
		ssize_t n = recv(c->fd, packet, sizeof(packet), 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			watch_set(c->watch, 0);
			c->closed(c->owner);
			break;
		}
		c->message(c->owner, (enum channel_kind)packet[0], slice_of(packet + 1, (size_t)n - 1));
	}
	c->reading = false;
	if (c->freed)
		free(c);
}

struct channel *server_channel_new(struct loop *l, int fd, channel_message_fn *message,
                                   channel_closed_fn *closed, void *owner)
{
	struct channel *c = MEM_NEW(struct channel);

	*c = (struct channel){ .fd = fd, .message = message, .closed = closed, .owner = owner };
	c->watch = watch_new(l, fd, LOOP_READABLE, readable, c);
	return c;
}

void server_channel_free(struct channel *c)
{
	if (!c)
		return;
	watch_free(c->watch);
	close(c->fd);
	c->freed = true;
	if (!c->reading)
		free(c);
}

void server_channel_last_words(struct channel *c)
{
	if (c && !c->reading)
		readable(c, LOOP_READABLE);
}

int server_channel_fd(const struct channel *c)
{
	return c->fd;
}

enum status server_channel_send(struct channel *c, enum channel_kind kind, struct slice text)
{
	char packet[CHANNEL_MAX];
	size_t len = text.len < sizeof(packet) - 1 ? text.len : sizeof(packet) - 1;

	packet[0] = (char)kind;
	if (len)
		memcpy(packet + 1, text.ptr, len);
	if (send(c->fd, packet, len + 1, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return ST_OK;
	return errno == EAGAIN || errno == ENOBUFS ? ST_BUSY : ST_CLOSED;
}
