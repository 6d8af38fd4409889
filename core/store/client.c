/* The connection to the store process: requests out, answers in, and what happens when it is
 * away.
 *
 * Requests made in one turn of the loop leave together, straight from their owners' memory.  A
 * lost connection leaves the fate of the sent ones open: they end with TEMPFAIL (an SMTP client
 * then tries again; a message may be there twice, never not at all), but those that do no harm
 * twice are sent again. */
#include "store/client_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum {
	AWAY_MS = 2000,                  /* how long requests wait for a store that is away */
	SILENT_MS = 5000,                /* and for the first sign of life of a new connection */
	ANSWER_MS = 120000,              /* and for its answer */
	SWEEP_MS = 250, BACKOFF_MS = 20, BACKOFF_MAX_MS = 1000,
	IOV_COUNT = 64, READ_SIZE = 64 << 10, SLOTS_FIRST = 64,
};

/* ---- slots: from the id in an answer to the request ---- */

static void take_slot(struct store_client *c, struct client_request *r)
{
	if (c->slots_used == c->slot_count) {
		uint32_t count = c->slot_count ? c->slot_count * 2 : SLOTS_FIRST;

		c->slots = mem_resize(c->slots, count * sizeof(struct client_request *));
		memset(c->slots + c->slot_count, 0,
		       (count - c->slot_count) * sizeof(struct client_request *));
		c->free_hint = c->slot_count;
		c->slot_count = count;
	}
	while (c->slots[c->free_hint])
		c->free_hint = (c->free_hint + 1) % c->slot_count;
	c->slots[c->free_hint] = r;
	c->slots_used++;
	r->id = (uint64_t)++c->generation << 32 | c->free_hint;
}

static struct client_request *find(struct store_client *c, uint64_t id)
{
	uint32_t slot = (uint32_t)id;
	struct client_request *r = slot < c->slot_count ? c->slots[slot] : NULL;

	return r && r->id == id ? r : NULL;
}

static void free_request(struct store_client *c, struct client_request *r)
{
	if (r->id) {
		c->slots[(uint32_t)r->id] = NULL;
		c->free_hint = (uint32_t)r->id;
		c->slots_used--;
	}
	list_remove(&r->link);
	buf_free(&r->head);
	free(r->own);
	free(r);
}

static size_t size_of(const struct client_request *r)
{
	return buf_len(&r->head) + r->body.len;
}

static void finish(struct store_client *c, struct client_request *r, enum status st,
                   struct slice payload)
{
	client_reply_fn *done = r->done;
	void *owner = r->owner;

	free_request(c, r);
	if (done)
		done(owner, st, payload);
}

static void leave_unsent(struct store_client *c, struct client_request *r)
{
	c->unsent_octets -= size_of(r);
	list_remove(&r->link);
}

/* ---- the connection ---- */

static void on_event(void *owner, int events);

static void wait_to_reconnect(struct store_client *c)
{
	timer_start(&c->reconnect, c->backoff_ms);
	c->backoff_ms = c->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : c->backoff_ms * 2;
}

static void try_connect(void *owner)
{
	struct store_client *c = owner;

	c->fd = store_connect(&c->settings);
	if (c->fd < 0) {
		wait_to_reconnect(c);
		return;
	}
	c->watch = watch_new(c->loop, c->fd, LOOP_READABLE, on_event, c);
	loop_tick(c->loop, &c->flush);
}

static void give_up(struct store_client *c, struct list *requests)
{
	struct list *link;

	while ((link = list_shift(requests)) != NULL)
		finish(c, CONTAINER_OF(link, struct client_request, link), ST_TEMPFAIL, SLICE_NONE);
}

static void disconnect(struct store_client *c)
{
	struct list lost, *link;

	watch_free(c->watch);
	c->watch = NULL;
	close(c->fd);
	c->fd = -1;
	c->away_since_ms = clock_ms();
	buf_free(&c->in);
	list_init(&lost);
	LIST_EACH(&c->unsent, at)
		CONTAINER_OF(at, struct client_request, link)->sent = 0;
	while ((link = list_shift(&c->sent)) != NULL) {
		struct client_request *r = CONTAINER_OF(link, struct client_request, link);

		if (r->repeatable && r->done) {
			r->sent = 0;
			r->since_ms = c->away_since_ms;
			c->unsent_octets += size_of(r);
			list_append(&c->unsent, &r->link);
		} else {
			list_append(&lost, &r->link);
		}
	}
	log_warn("the store process is away", "directory", c->path, NULL);
	wait_to_reconnect(c);
	give_up(c, &lost);
}

/* ---- out ---- */

static unsigned gather(struct client_request *r, struct iovec *iov)
{
	struct slice head = slice_skip(buf_slice(&r->head), r->sent);
	size_t skip = r->sent > buf_len(&r->head) ? r->sent - buf_len(&r->head) : 0;
	struct slice body = slice_skip(r->body, skip);
	unsigned n = 0;

	if (head.len)
		iov[n++] = (struct iovec){ (void *)(uintptr_t)head.ptr, head.len };
	if (body.len)
		iov[n++] = (struct iovec){ (void *)(uintptr_t)body.ptr, body.len };
	return n;
}

static ssize_t send_some(struct store_client *c)
{
	union { char octets[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { 0 };
	struct iovec iov[IOV_COUNT];
	struct msghdr m = { .msg_iov = iov };

	LIST_EACH(&c->unsent, link) {
		struct client_request *r = CONTAINER_OF(link, struct client_request, link);

		if (r->fd >= 0 && r->sent == 0) {
			if (m.msg_iovlen > 0)
				break;                   /* a descriptor goes with the first octet sent */
			m.msg_control = control.octets;
			m.msg_controllen = sizeof(control.octets);
			struct cmsghdr *h = CMSG_FIRSTHDR(&m);

			h->cmsg_level = SOL_SOCKET;
			h->cmsg_type = SCM_RIGHTS;
			h->cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(h), &r->fd, sizeof(int));
		}
		m.msg_iovlen += gather(r, iov + m.msg_iovlen);
		if (m.msg_iovlen + 2 > IOV_COUNT)
			break;
	}
	return sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void mark_sent(struct store_client *c, size_t n)
{
	while (n > 0) {
		struct client_request *r = CONTAINER_OF(c->unsent.next, struct client_request, link);
		size_t rest = size_of(r) - r->sent, part = n < rest ? n : rest;

		r->sent += part;
		n -= part;
		if (part < rest)
			return;
		leave_unsent(c, r);
		list_append(&c->sent, &r->link);
		if (!r->repeatable)
			buf_free(&r->head);
	}
}

static void flush(void *owner)
{
	struct store_client *c = owner;

	while (c->fd >= 0 && !list_empty(&c->unsent)) {
		ssize_t n = send_some(c);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS))
			break;
		if (n < 0) {
			disconnect(c);
			return;
		}
		mark_sent(c, (size_t)n);
	}
	if (c->fd >= 0)
		watch_set(c->watch, LOOP_READABLE | (list_empty(&c->unsent) ? 0 : LOOP_WRITABLE));
}

/* ---- in ---- */

static bool take_reply(struct store_client *c)
{
	struct slice in = buf_slice(&c->in);
	struct wire_header h;

	if (in.len < sizeof(h))
		return false;
	memcpy(&h, in.ptr, sizeof(h));
	if (in.len < sizeof(h) + h.length)
		return false;
	if (h.version != WIRE_VERSION) {
		log_error("the store process speaks another version: restart the server", NULL);
		disconnect(c);
		return false;
	}
	struct client_request *r = find(c, h.id);        /* none: the greeting, or a cancelled one */
	/* The callbacks may send, but only this function's caller reads into the buffer. */
	struct slice payload = slice_head(slice_skip(in, sizeof(h)), h.length);

	c->backoff_ms = BACKOFF_MS;
	c->away_since_ms = 0;
	if (h.status == ST_NOSPACE)
		c->full_until_ms = clock_ms() + 1000;
	if (r)
		finish(c, r, h.status < ST__COUNT ? (enum status)h.status : ST_TEMPFAIL, payload);
	buf_consume(&c->in, sizeof(h) + h.length);
	return true;
}

static void receive(struct store_client *c)
{
	char *room;

	(void)buf_reserve(&c->in, READ_SIZE, &room);
	ssize_t n = recv(c->fd, room, READ_SIZE, MSG_DONTWAIT);

	if (n > 0) {
		buf_commit(&c->in, (size_t)n);
		while (take_reply(c))
			;
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		disconnect(c);
	}
}

static void on_event(void *owner, int events)
{
	struct store_client *c = owner;

	if (events & LOOP_READABLE)
		receive(c);
	if (events & LOOP_WRITABLE && c->fd >= 0)
		flush(c);
}

/* ---- time ---- */

static void sweep_list(struct store_client *c, struct list *from, uint64_t limit_ms)
{
	uint64_t now = clock_ms();
	struct list late;

	list_init(&late);
	LIST_EACH(from, link) {
		struct client_request *r = CONTAINER_OF(link, struct client_request, link);

		if (now - r->since_ms < limit_ms || (from == &c->unsent && r->sent > 0))
			continue;
		if (from == &c->unsent)
			leave_unsent(c, r);
		else
			list_remove(&r->link);
		list_append(&late, &r->link);
	}
	give_up(c, &late);
}

static void sweep(void *owner)
{
	struct store_client *c = owner;

	sweep_list(c, &c->unsent, c->fd < 0 ? AWAY_MS : ANSWER_MS);
	sweep_list(c, &c->sent, c->away_since_ms ? SILENT_MS : ANSWER_MS);
	if (c->slots_used)
		timer_start(&c->sweep, SWEEP_MS);
}

/* ---- requests ---- */

struct client_request *client_request_new(enum wire_type type)
{
	struct client_request *r = MEM_NEW(struct client_request);

	list_init(&r->link);
	buf_init(&r->head, 0);
	wire_begin(&r->head, type);
	r->fd = -1;
	return r;
}

bool client_overloaded(const struct store_client *c)
{
	return c->slots_used >= c->settings.max_queued_requests ||
	       c->unsent_octets >= c->settings.max_queued_octets ||
	       (c->fd < 0 && c->away_since_ms && clock_ms() - c->away_since_ms > AWAY_MS);
}

struct client_request *client_send(struct store_client *c, struct client_request *r,
                                   struct slice body, int fd, client_reply_fn *done, void *owner)
{
	struct wire_header *h;

	r->body = fd >= 0 ? SLICE_NONE : body;
	r->fd = fd;
	r->done = done;
	r->owner = owner;
	r->since_ms = clock_ms();
	enum status st = client_overloaded(c) ? ST_OVERLOAD
	               : size_of(r) - sizeof(*h) > WIRE_PAYLOAD_MAX ? ST_TOOBIG : ST_OK;

	if (st != ST_OK) {
		finish(c, r, st, SLICE_NONE);
		return NULL;
	}
	take_slot(c, r);
	wire_finish(&r->head, r->id, r->body.len, fd >= 0 ? WIRE_HAS_FD : 0);
	c->unsent_octets += size_of(r);
	list_append(&c->unsent, &r->link);
	loop_tick(c->loop, &c->flush);
	if (c->sweep.at_ms == 0)
		timer_start(&c->sweep, SWEEP_MS);
	return r;
}

void client_cancel(struct store_client *c, struct client_request *r)
{
	bool sent = r->sent == size_of(r) || buf_len(&r->head) == 0;

	r->done = NULL;
	if (sent)
		return;
	if (r->sent == 0) {
		leave_unsent(c, r);
		free_request(c, r);
	} else if (r->body.len && !r->own) {
		/* The frame has begun and must be ended; its octets were the owner's. */
		r->own = mem_resize(NULL, r->body.len);
		memcpy(r->own, r->body.ptr, r->body.len);
		r->body.ptr = r->own;
	}
}

/* ---- life ---- */

struct store_client *store_client_new(struct loop *l, struct work_pool *files,
                                      const struct store_settings *s, char **error)
{
	struct store_env *env;

	*error = NULL;
	if (store_env_open(s, STORE_ENV_READ, &env, error) != ST_OK)
		return NULL;
	struct store_client *c = MEM_NEW(struct store_client);

	c->loop = l;
	c->files = files;
	c->env = env;
	c->settings = *s;
	c->settings.path = c->path = mem_strdup(s->path);
	c->spool = store_env_path(s->path, "spool");
	c->provider.ops = &client_provider_ops;
	c->provider.spool = c->spool;
	store_view_init(&c->view, env);
	list_init(&c->unsent);
	list_init(&c->sent);
	buf_init(&c->in, 0);
	tick_init(&c->flush, flush, c);
	timer_init(&c->sweep, l, sweep, c);
	timer_init(&c->reconnect, l, try_connect, c);
	c->backoff_ms = BACKOFF_MS;
	c->away_since_ms = clock_ms();
	c->fd = -1;
	try_connect(c);
	return c;
}

void store_client_free(struct store_client *c)
{
	struct list *link;

	if (!c)
		return;
	tick_cancel(&c->flush);
	timer_stop(&c->sweep);
	timer_stop(&c->reconnect);
	watch_free(c->watch);
	if (c->fd >= 0)
		close(c->fd);
	while ((link = list_shift(&c->unsent)) || (link = list_shift(&c->sent)))
		finish(c, CONTAINER_OF(link, struct client_request, link), ST_CANCELED, SLICE_NONE);
	free(c->slots);
	buf_free(&c->in);
	store_view_clear(&c->view);
	store_env_close(&c->env);
	free(c->spool);
	free(c->path);
	free(c);
}

struct mailbox_provider *store_client_mailboxes(struct store_client *c)
{
	return &c->provider;
}
