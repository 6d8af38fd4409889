/* Buffers, events and back-pressure of a connection.  The TLS layer is in net/stream_tls.c.
 *
 * Input is read into one 64 KiB block that all streams of a loop share and that is lent to
 * the stream while its readable() runs; only what the owner leaves there is copied into memory of
 * the stream.  So a session that takes its commands at once costs no allocation, and none while
 * it is idle. */
#include "net/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/loop_internal.h"
#include "net/stream_internal.h"

enum {
	INPUT_MAX = 65536,
	KEEP_OWN = 4096,                  /* more than this left over: read behind it, do not move it */
	TLS_RECORD = 16384,               /* octets in a full record (RFC 8446, 5.1) */
	WRITE_TURN = 262144,              /* TLS output per turn, so that others get theirs */
};

/* Give the stream a large block to read into; its leftover moves along. */
static void lend_block(struct stream *s)
{
	struct loop_block *block = loop_block(s->loop);
	struct buf lent = { block->data, 0, 0, block->cap, s->input.max };
	char *room;

	if (buf_len(&s->input) > KEEP_OWN)
		return;
	*block = (struct loop_block){ NULL, 0 };
	/* The ceiling is of the leftover too, so the whole block is always allowed. */
	if (buf_reserve(&lent, INPUT_MAX, &room) != ST_OK || buf_append(&lent, buf_slice(&s->input)))
		abort();
	buf_free(&s->input);
	s->input = lent;
}

/* Take it back; what the owner has not consumed goes into memory of its own size. */
static void return_block(struct stream *s)
{
	struct loop_block *block = loop_block(s->loop);
	struct buf own = { .max = s->input.max };

	if (s->input.cap < INPUT_MAX || block->data != NULL) {
		buf_shrink(&s->input);
		return;
	}
	(void)buf_append(&own, buf_slice(&s->input));
	*block = (struct loop_block){ s->input.data, s->input.cap };
	s->input = own;
}

void stream_fail(struct stream *s, enum status st, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (s->failure != ST_OK || s->freed)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	free(s->error);
	s->error = mem_strdup(text);
	s->failure = st;
	stream_watch(s);
	loop_tick(s->loop, &s->tick);
}

static void fail_errno(struct stream *s, const char *what)
{
	stream_fail(s, ST_IO, "%s: %s", what, strerror(errno));
}

static bool wants_input(const struct stream *s)
{
	if (s->eof)
		return false;
	if (s->shut_done)
		return true;                         /* waits for the peer's end, drops the rest */
	return s->reading && (s->layer == LAYER_PLAIN || s->layer == LAYER_SECURE) &&
	       buf_len(&s->input) < INPUT_MAX;
}

static int wanted_events(const struct stream *s)
{
	int events = 0;

	if (s->failure != ST_OK)
		return 0;
	if (s->layer == LAYER_HANDSHAKE)
		return s->handshake_events;
	if (wants_input(s) || s->write_wants_read)
		events |= LOOP_READABLE;
	if (s->blocked || s->read_wants_write)
		events |= LOOP_WRITABLE;
	return events;
}

static void set_watch(struct stream *s, int events)
{
	if (events == s->watched)
		return;
	s->watched = events;
	watch_set(s->watch, events);
}

/* Only adds: what is no longer wanted is dropped when it comes (on_event), because owners turn
 * reading off and on for every command and each change would cost a system call. */
void stream_watch(struct stream *s)
{
	set_watch(s, s->failure == ST_OK ? s->watched | wanted_events(s) : 0);
}

static long receive_plain(struct stream *s, char *room, size_t size)
{
	ssize_t n;

	do
		n = recv(s->fd, room, size, 0);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return STREAM_AGAIN;
	fail_errno(s, "reading from the peer");
	return STREAM_FAILED;
}

ssize_t stream_send(struct stream *s, struct slice octets)
{
	ssize_t n;

	do
		n = send(s->fd, octets.ptr, octets.len, MSG_NOSIGNAL | (s->last ? MSG_MORE : 0));
	while (n < 0 && errno == EINTR);
	return n;
}

static long send_plain(struct stream *s, struct slice octets)
{
	ssize_t n = stream_send(s, octets);

	if (n >= 0)
		return n;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return STREAM_AGAIN;
	fail_errno(s, "writing to the peer");
	return STREAM_FAILED;
}

static void half_close(struct stream *s)
{
	if (s->shut_done || s->failure != ST_OK)
		return;
	s->shut_done = true;
	buf_reset(&s->input);
	if (s->layer == LAYER_SECURE)
		stream_tls_close_notify(s);
	if (shutdown(s->fd, SHUT_WR) < 0 && errno != ENOTCONN)
		fail_errno(s, "closing the connection");
}

static void begin_handshake(struct stream *s)
{
	s->layer = LAYER_HANDSHAKE;
	s->handshake_events = LOOP_READABLE;
	buf_shrink(&s->output);
	if (s->client || buf_len(&s->early) > 0)             /* we speak first; it spoke already */
		loop_tick(s->loop, &s->tick);
}

/* What waited for the output to be written. */
static void after_output(struct stream *s)
{
	buf_shrink(&s->output);
	if (s->shut)
		half_close(s);
	if (s->eof)
		stream_fail(s, ST_CLOSED, "%s", "");
}

/* What may be written now: before the handshake only what was there when TLS was asked for. */
static struct slice writable_octets(const struct stream *s)
{
	struct slice octets = buf_slice(&s->output);

	return s->layer == LAYER_WAITING ? slice_head(octets, s->plain_left) : octets;
}

static void write_output(struct stream *s)
{
	struct slice octets;
	size_t turn = 0;

	s->write_wants_read = false;
	s->blocked = false;
	while (s->failure == ST_OK && (octets = writable_octets(s)).len > 0) {
		bool secure = s->layer == LAYER_SECURE;
		long n = secure ? stream_tls_send(s, octets) : send_plain(s, octets);

		if (n < 0) {
			s->blocked = n == STREAM_AGAIN && !s->write_wants_read;
			break;
		}
		buf_consume(&s->output, (size_t)n);
		if (s->layer == LAYER_WAITING)
			s->plain_left -= (size_t)n;
		turn += (size_t)n;
		/* A short write says that the socket is full: asking again would only hear it. */
		if ((!secure && (size_t)n < octets.len) || turn >= WRITE_TURN) {
			s->blocked = (size_t)n < octets.len;
			break;
		}
	}
	if (s->failure == ST_OK && s->layer == LAYER_WAITING && s->plain_left == 0)
		begin_handshake(s);
	else if (s->failure == ST_OK && buf_len(&s->output) == 0)
		after_output(s);
	else
		s->drained_owed = true;
	stream_watch(s);
}

static void release(struct stream *s)
{
	buf_free(&s->input);
	buf_free(&s->output);
	buf_free(&s->early);
	free(s->error);
	free(s);
}

static void enter(struct stream *s)
{
	s->depth++;
}

static void leave(struct stream *s)
{
	if (--s->depth == 0 && s->freed)
		release(s);
}

static bool silent(const struct stream *s)
{
	return s->freed || s->reported || s->failure != ST_OK;
}

static void tell_drained(struct stream *s)
{
	if (!s->drained_owed || silent(s) || !stream_written(s))
		return;
	s->drained_owed = false;
	if (s->events->drained)
		s->events->drained(s->owner);
}

static void on_eof(struct stream *s)
{
	s->eof = true;
	/* A peer that closes its side first may still want the replies to what it sent. */
	if (buf_len(&s->output) == 0 || s->shut_done)
		stream_fail(s, ST_CLOSED, "%s", "");
}

static void discard_input(struct stream *s)
{
	char octets[4096];
	long n = receive_plain(s, octets, sizeof(octets));

	/* Under TLS the peer's close_notify comes first, and its end right behind it. */
	if (n > 0 && n < (long)sizeof(octets))
		n = receive_plain(s, octets, sizeof(octets));
	if (n == 0)
		on_eof(s);
}

static void read_input(struct stream *s)
{
	char *room;
	size_t size, got = 0;
	long n;

	lend_block(s);
	size = INPUT_MAX - buf_len(&s->input);
	if (buf_reserve(&s->input, size, &room) != ST_OK)
		abort();
	s->read_wants_write = false;
	do {
		n = s->layer == LAYER_SECURE ? stream_tls_receive(s, room + got, size - got)
		                             : receive_plain(s, room, size);
		if (n > 0)
			got += (size_t)n;
		/* A full record is one of many; after a short one, asking again would only cost a call. */
	} while (n > 0 && got < size && (n == TLS_RECORD || stream_tls_pending(s)) &&
	         s->layer == LAYER_SECURE);
	buf_commit(&s->input, got);
	if (n > 0 && stream_tls_pending(s))
		loop_tick(s->loop, &s->tick);
	if (got > 0 && !s->freed && !s->reported)
		s->events->readable(s->owner);
	return_block(s);
	if (n == 0 && !s->freed)
		on_eof(s);
}

static void step_handshake(struct stream *s)
{
	if (!stream_tls_handshake(s) || silent(s))
		return;
	if (s->events->secured)
		s->events->secured(s->owner, ST_OK);
	if (silent(s))
		return;
	/* What the owner appended or asked for while the handshake ran. */
	if (buf_len(&s->output) > 0 || s->shut)
		write_output(s);
	if (stream_tls_pending(s) || s->drained_owed)
		loop_tick(s->loop, &s->tick);
}

static void report_failure(struct stream *s)
{
	if (s->reported)
		return;
	s->reported = true;
	tick_cancel(&s->tick);
	if (s->layer == LAYER_WAITING || s->layer == LAYER_HANDSHAKE) {
		if (s->events->secured)
			s->events->secured(s->owner, s->failure);
	} else if (s->events->closed) {
		s->events->closed(s->owner, s->failure);
	}
}

static void on_tick(void *owner)
{
	struct stream *s = owner;

	enter(s);
	if (s->failure != ST_OK) {
		report_failure(s);
	} else if (s->layer == LAYER_HANDSHAKE) {
		step_handshake(s);
	} else if (s->layer != LAYER_WAITING) {
		tell_drained(s);
		if (!silent(s) && wants_input(s) && !s->shut_done && stream_tls_pending(s))
			read_input(s);
	}
	if (!s->freed)
		stream_watch(s);
	leave(s);
}

static void on_readable(struct stream *s)
{
	if (s->shut_done)
		discard_input(s);
	else if (wants_input(s))
		read_input(s);
}

static void on_event(void *owner, int events)
{
	struct stream *s = owner;
	bool readable = events & LOOP_READABLE, writable = events & LOOP_WRITABLE;
	int useless = events & ~wanted_events(s);

	enter(s);
	if (s->layer == LAYER_HANDSHAKE) {
		step_handshake(s);
	} else {
		if ((writable && s->blocked) || (readable && s->write_wants_read)) {
			write_output(s);
			tell_drained(s);
		}
		if (!silent(s) && (readable || (writable && s->read_wants_write)))
			on_readable(s);
	}
	/* An event that nobody waits for would come for ever.  A socket is nearly always writable, so
	 * that one is dropped at once; a reader that only waits for an answer will want its again. */
	if (!s->freed)
		set_watch(s, (s->watched & ~(useless | (events & LOOP_WRITABLE))) | wanted_events(s));
	if (!s->freed && s->failure != ST_OK)
		report_failure(s);
	leave(s);
}

struct stream *stream_new(struct loop *l, int fd, const struct stream_events *events, void *owner)
{
	int flags = fcntl(fd, F_GETFL), on = 1;

	if (flags >= 0 && !(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));   /* not TCP: no harm */
	return stream_new_accepted(l, fd, events, owner);
}

struct stream *stream_new_accepted(struct loop *l, int fd, const struct stream_events *events,
                                   void *owner)
{
	struct stream *s = MEM_NEW(struct stream);

	s->loop = l;
	s->fd = fd;
	s->events = events;
	s->owner = owner;
	s->reading = true;
	buf_init(&s->input, INPUT_MAX);
	buf_init(&s->output, 0);
	buf_init(&s->early, INPUT_MAX);
	tick_init(&s->tick, on_tick, s);
	s->watched = LOOP_READABLE;
	s->watch = watch_new(l, fd, LOOP_READABLE, on_event, s);
	return s;
}

void stream_free(struct stream *s)
{
	if (s == NULL || s->freed)
		return;
	if (s->layer == LAYER_SECURE && !s->shut_done && s->failure == ST_OK)
		stream_tls_close_notify(s);
	tick_cancel(&s->tick);
	watch_free(s->watch);
	stream_tls_free(s);
	close(s->fd);
	s->freed = true;
	if (s->depth == 0)
		release(s);
}

struct buf *stream_input(struct stream *s)
{
	return &s->input;
}

struct buf *stream_output(struct stream *s)
{
	return &s->output;
}

void stream_flush(struct stream *s, bool want_drained)
{
	if (s->failure != ST_OK || s->freed)
		return;
	s->drained_owed |= want_drained;
	/* A blocked socket says itself when it takes more; the handshake goes first. */
	if (!s->blocked && !s->write_wants_read && s->layer != LAYER_HANDSHAKE && !s->shut_done)
		write_output(s);
	if ((s->drained_owed && stream_written(s)) ||
	    (wants_input(s) && stream_tls_pending(s)))
		loop_tick(s->loop, &s->tick);
}

bool stream_written(const struct stream *s)
{
	return buf_len(&s->output) == 0 && !s->blocked;
}

/* The socket's failures end the stream; the others are of the file. */
static bool of_file(int error)
{
	return error == EIO || error == EINVAL || error == ENOSYS || error == EOVERFLOW ||
	       error == EOPNOTSUPP || error == EBADF;
}

long stream_send_file(struct stream *s, int fd, uint64_t offset, size_t octets)
{
	off_t at = (off_t)offset;
	ssize_t n;

	if (s->failure != ST_OK || s->freed || s->layer != LAYER_PLAIN || !stream_written(s))
		return 0;
	do
		n = sendfile(s->fd, fd, &at, octets);
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && of_file(errno)))
		return STREAM_FAILED;
	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
		fail_errno(s, "writing to the peer");
	s->blocked = n < (ssize_t)octets;
	s->drained_owed |= s->blocked;
	stream_watch(s);
	return n < 0 ? 0 : n;
}

void stream_last(struct stream *s)
{
	s->last = true;
}

void stream_read(struct stream *s, bool on)
{
	s->reading = on;
	if (!on || s->failure != ST_OK)
		return;
	stream_watch(s);
	if (stream_tls_pending(s))
		loop_tick(s->loop, &s->tick);
}

static void start_tls(struct stream *s, struct tls_context *c, bool client, const char *name)
{
	if (s->layer != LAYER_PLAIN || s->failure != ST_OK || !stream_tls_new(s, c, client, name))
		return;
	/* Plain text that came before the handshake could be an attacker's (RFC 3207, 4.2; RFC 2595,
	 * 4).  What is still in the kernel is then no TLS record and ends the handshake. */
	buf_reset(&s->input);
	s->plain_left = buf_len(&s->output);
	s->layer = LAYER_WAITING;
	stream_flush(s, false);
}

void stream_start_tls(struct stream *s, struct tls_context *c)
{
	start_tls(s, c, false, NULL);
}

void stream_accept_tls(struct stream *s, struct tls_context *c)
{
	if (s->layer == LAYER_PLAIN)
		(void)buf_append(&s->early, buf_slice(&s->input));
	start_tls(s, c, false, NULL);
}

void stream_connect_tls(struct stream *s, struct tls_context *c, const char *name)
{
	start_tls(s, c, true, name);
}

void stream_shutdown(struct stream *s)
{
	s->shut = true;
	stream_flush(s, false);
}

const char *stream_error(struct stream *s)
{
	return s->error ? s->error : "";
}
