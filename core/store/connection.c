/* Frames are parsed where they were received; a request keeps its slab alive. */
#include "store/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

enum { SLAB_SIZE = 512 << 10, READ_LEAST = 64 << 10, FDS_MAX = 64, FDS_PER_READ = 16 };

struct connection {
	struct list              link;
	struct connection_owner *owner;
	int                      fd;
	struct watch            *watch;
	struct slab             *slab;
	size_t                   parsed;  /* octets of the slab that belong to whole frames */
	int                      fds[FDS_MAX];     /* received, their frames not yet parsed */
	unsigned                 fd_count;
	struct buf               out;
	unsigned                 in_flight;
	bool                     reading, closed;
};

/* ---- life ---- */

static void free_slab(struct slab *s)
{
	if (s && --s->refs == 0)
		free(s);
}

static void free_when_done(struct connection *c)
{
	if (!c->closed || c->in_flight)
		return;
	list_remove(&c->link);
	free_slab(c->slab);
	buf_free(&c->out);
	free(c);
}

static void close_connection(struct connection *c)
{
	if (c->closed)
		return;
	c->closed = true;
	watch_free(c->watch);
	c->watch = NULL;
	close(c->fd);
	for (unsigned i = 0; i < c->fd_count; i++)
		close(c->fds[i]);
	c->fd_count = 0;
	c->owner->lost(c->owner);
}

static void set_watch(struct connection *c)
{
	watch_set(c->watch, (c->reading ? LOOP_READABLE : 0) | (buf_len(&c->out) ? LOOP_WRITABLE : 0));
}

/* ---- out ---- */

static void flush(struct connection *c)
{
	while (!c->closed && buf_len(&c->out)) {
		struct slice s = buf_slice(&c->out);
		ssize_t n = send(c->fd, s.ptr, s.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0) {
			close_connection(c);
			return;
		}
		buf_consume(&c->out, (size_t)n);
	}
	if (!c->closed)
		set_watch(c);
}

static void append_reply(struct connection *c, uint64_t id, enum status st, struct slice payload)
{
	struct wire_header h = {
		.length = (uint32_t)payload.len, .version = WIRE_VERSION, .type = WIRE_REPLY,
		.status = (uint8_t)st, .id = id,
	};

	(void)buf_append(&c->out, slice_of(&h, sizeof(h)));
	(void)buf_append(&c->out, payload);
}

void connection_reply(struct store_request *r, struct slice payload)
{
	struct connection *c = r->connection;

	if (c && !c->closed)
		append_reply(c, r->id, r->status, payload);
	free_slab(r->slab);
	store_request_free(r);
	if (c) {
		c->in_flight--;
		free_when_done(c);
	}
}

void connection_flush_all(struct connection_owner *o)
{
	LIST_EACH(&o->connections, link) {
		struct connection *c = CONTAINER_OF(link, struct connection, link);

		if (buf_len(&c->out))
			flush(c);
		free_when_done(c);
	}
}

/* ---- in ---- */

static struct slab *new_slab(size_t cap)
{
	struct slab *s = mem_resize(NULL, sizeof(*s) + cap);

	*s = (struct slab){ .refs = 1, .cap = cap };
	return s;
}

/* Room for a good read behind what is there; an incomplete frame moves to the new slab. */
static void make_room(struct connection *c)
{
	struct slab *s = c->slab;
	size_t rest = s ? s->used - c->parsed : 0, need = READ_LEAST;
	struct wire_header h;

	if (s && rest == 0 && s->refs == 1) {
		s->used = c->parsed = 0;             /* nobody uses it: start over, it is warm */
	}
	if (rest >= sizeof(h)) {
		memcpy(&h, s->data + c->parsed, sizeof(h));
		if (sizeof(h) + h.length > rest)
			need = sizeof(h) + h.length - rest;
	}
	if (s && s->cap - s->used >= need)
		return;
	struct slab *fresh = new_slab(rest + need > SLAB_SIZE ? rest + need : SLAB_SIZE);

	if (rest)
		memcpy(fresh->data, s->data + c->parsed, rest);
	fresh->used = rest;
	free_slab(s);
	c->slab = fresh;
	c->parsed = 0;
}

static bool keep_fds(struct connection *c, struct msghdr *m)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
			if (c->fd_count == FDS_MAX) {
				close(fd);
				return false;
			}
			c->fds[c->fd_count++] = fd;
		}
	}
	return !(m->msg_flags & MSG_CTRUNC);
}

/* One frame off the front; NULL when it is not complete or the connection was closed. */
static struct store_request *next_request(struct connection *c)
{
	struct wire_header h;
	size_t rest = c->slab->used - c->parsed;

	if (rest < sizeof(h))
		return NULL;
	memcpy(&h, c->slab->data + c->parsed, sizeof(h));
	if (h.version != WIRE_VERSION || h.length > WIRE_PAYLOAD_MAX ||
	    (h.flags & WIRE_HAS_FD && rest >= sizeof(h) + h.length && c->fd_count == 0)) {
		log_error("a client of the store speaks another version: restart the server", NULL);
		close_connection(c);
		return NULL;
	}
	if (rest < sizeof(h) + h.length)
		return NULL;
	struct store_request *r = store_request_new((enum wire_type)h.type, h.id);

	r->connection = c;
	r->slab = c->slab;
	r->slab->refs++;
	r->payload = slice_of(c->slab->data + c->parsed + sizeof(h), h.length);
	if (h.flags & WIRE_HAS_FD) {
		r->fd = c->fds[0];
		c->fd_count--;
		memmove(c->fds, c->fds + 1, c->fd_count * sizeof(c->fds[0]));
	}
	c->parsed += sizeof(h) + h.length;
	c->in_flight++;
	return r;
}

static ssize_t receive(struct connection *c)
{
	union { char octets[CMSG_SPACE(FDS_PER_READ * sizeof(int))]; struct cmsghdr align; } control;
	struct iovec iov = { c->slab->data + c->slab->used, c->slab->cap - c->slab->used };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.octets, .msg_controllen = sizeof(control.octets),
	};
	ssize_t n = recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n > 0 && !keep_fds(c, &m)) {
		errno = EPROTO;
		return -1;
	}
	return n;
}

static void on_event(void *owner, int events)
{
	struct connection *c = owner;
	struct store_request *r;

	c->in_flight++;                          /* holds the connection during this function */
	if (events & LOOP_WRITABLE)
		flush(c);
	if (events & LOOP_READABLE && !c->closed) {
		make_room(c);
		ssize_t n = receive(c);

		if (n > 0) {
			c->slab->used += (size_t)n;
			while (!c->closed && (r = next_request(c)) != NULL)
				c->owner->received(c->owner, r);
			connection_flush_all(c->owner);
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			close_connection(c);
		}
	}
	c->in_flight--;
	free_when_done(c);
}

void connection_new(struct connection_owner *o, int fd)
{
	struct connection *c = MEM_NEW(struct connection);

	c->owner = o;
	c->fd = fd;
	c->reading = true;
	buf_init(&c->out, 0);
	c->watch = watch_new(o->loop, fd, LOOP_READABLE, on_event, c);
	list_append(&o->connections, &c->link);
	/* A greeting, so that the client knows that somebody is there. */
	append_reply(c, 0, ST_OK, SLICE_NONE);
	flush(c);
}

/* ---- all of them ---- */

void connection_read_all(struct connection_owner *o, bool on)
{
	LIST_EACH(&o->connections, link) {
		struct connection *c = CONTAINER_OF(link, struct connection, link);

		c->reading = on;
		if (!c->closed)
			set_watch(c);
	}
}

unsigned connection_in_flight(const struct connection_owner *o)
{
	unsigned sum = 0;

	LIST_EACH(&o->connections, link)
		sum += CONTAINER_OF(link, struct connection, link)->in_flight;
	return sum;
}

void connection_close_all(struct connection_owner *o, int timeout_ms)
{
	LIST_EACH(&o->connections, link) {
		struct connection *c = CONTAINER_OF(link, struct connection, link);
		struct pollfd p = { .fd = c->fd, .events = POLLOUT };

		flush(c);
		while (!c->closed && buf_len(&c->out) && poll(&p, 1, timeout_ms) > 0)
			flush(c);
		close_connection(c);
		c->in_flight = 0;
		free_when_done(c);
	}
}
