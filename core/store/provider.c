/* The provider of local mailboxes: opening, delivering, and whether there is room. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "store/client_internal.h"
#include "store/maildrop.h"
#include "store/request.h"
#include "store/space.h"

enum { SPACE_FRESH_MS = 1000 };

static struct store_client *client_of(struct mailbox_provider *p)
{
	return CONTAINER_OF(p, struct store_client, provider);
}

static void open_maildrop(struct mailbox_provider *p, const struct facts *f, struct slice mailbox,
                          maildrop_opened_fn *done, void *owner)
{
	struct maildrop *m;
	enum status st = store_maildrop_open(client_of(p), mailbox, &m);

	(void)f;
	done(owner, st, m);
}

/* Opening answers at once, there is nothing to cancel. */
static void cancel_open(struct mailbox_provider *p, void *owner)
{
	(void)p, (void)owner;
}

/* ---- delivering ---- */

struct delivery_work {
	struct store_client   *client;
	struct delivery       *delivery;
	struct client_request *request;
	uint32_t               count;     /* mailboxes named in the request */
	uint32_t              *of;        /* recipient -> its mailbox in the request; heap */
};

void client_put_message(struct buf *b, const struct message *m, struct slice sender,
                        int64_t received)
{
	struct wire_message w = {
		.octets = m->octets, .lines = m->lines,
		/* Without an empty line all of it is header. */
		.header_octets = m->header_octets ? m->header_octets : m->octets,
		.flags = m->flags, .crc = m->crc, .received = received, .sender = sender,
	};

	wire_put_message(b, &w);
}

struct slice client_body(const struct message *m)
{
	return m->fd < 0 ? buf_slice(&m->memory) : SLICE_NONE;
}

/* A mailbox that several recipients lead to gets one copy. */
static void put_mailboxes(struct delivery_work *w, struct buf *head)
{
	const struct envelope *e = w->delivery->envelope;
	struct map seen;
	struct buf names;

	if (e->recipient_count == 1) {           /* the usual case needs no table */
		w->count = !e->recipients[0].discard;
		wire_put_u32(head, w->count);
		wire_put_bytes(head, e->recipients[0].mailbox);
		return;
	}
	map_init(&seen);
	buf_init(&names, 0);
	for (unsigned i = 0; i < e->recipient_count; i++) {
		const struct envelope_recipient *r = &e->recipients[i];

		if (r->discard)
			continue;
		uintptr_t nth = (uintptr_t)map_get(&seen, r->mailbox);

		if (nth == 0) {
			nth = ++w->count;
			map_put(&seen, r->mailbox, (void *)nth);
			wire_put_bytes(&names, r->mailbox);
		}
		w->of[i] = (uint32_t)nth - 1;
	}
	wire_put_u32(head, w->count);
	(void)buf_append(head, buf_slice(&names));
	buf_free(&names);
	map_free(&seen, NULL);
}

static void free_work(struct delivery_work *w)
{
	w->delivery->work = NULL;
	w->delivery->cancel = NULL;
	free(w->of);
	free(w);
}

static void set_results(struct delivery *d, enum status st)
{
	for (unsigned i = 0; i < d->envelope->recipient_count; i++)
		d->results[i] = d->envelope->recipients[i].discard ? ST_OK : st;
}

static void delivered(void *owner, enum status st, struct slice payload)
{
	struct delivery_work *w = owner;
	struct delivery *d = w->delivery;

	if (st == ST_OK && payload.len != w->count * REQUEST_RESULT)
		st = ST_TEMPFAIL;
	set_results(d, st);
	for (unsigned i = 0; st == ST_OK && i < d->envelope->recipient_count; i++) {
		if (d->envelope->recipients[i].discard)
			continue;
		d->results[i] = (enum status)(unsigned char)payload.ptr[w->of[i]];
		if (d->uids)
			memcpy(&d->uids[i], payload.ptr + w->count + w->of[i] * sizeof(*d->uids),
			       sizeof(*d->uids));
	}
	free_work(w);
	d->done(d->owner, st);
}

static void cancel_delivery(struct delivery *d)
{
	struct delivery_work *w = d->work;

	client_cancel(w->client, w->request);
	free_work(w);
}

static void deliver(struct mailbox_provider *p, struct delivery *d)
{
	struct delivery_work *w = MEM_NEW(struct delivery_work);
	struct client_request *r = client_request_new(WIRE_DELIVER);

	w->client = client_of(p);
	w->delivery = d;
	w->of = mem_array(d->envelope->recipient_count, sizeof(*w->of));
	d->work = w;
	d->cancel = cancel_delivery;
	client_put_message(&r->head, d->message, d->envelope->sender, clock_wall());
	put_mailboxes(w, &r->head);
	if (w->count == 0) {
		/* Everybody's copy is thrown away. */
		buf_free(&r->head);
		free(r);
		set_results(d, ST_OK);
		free_work(w);
		d->done(d->owner, ST_OK);
		return;
	}
	struct client_request *sent = client_send(w->client, r, client_body(d->message),
	                                          d->message->fd, delivered, w);

	if (sent)
		w->request = sent;
}

/* ---- room ---- */

/* The environment does not shrink: after it filled the disk and mail was deleted, there is room
 * inside it. */
static uint64_t room_inside(struct store_client *c, uint64_t disk)
{
	MDB_stat stat;

	if (disk >= c->settings.min_free_octets)
		return 0;                        /* nobody needs to know */
	mdb_env_stat(c->env->env, &stat);
	return space_free_pages(c->env) * stat.ms_psize;
}

static enum status room(struct mailbox_provider *p, uint64_t octets)
{
	struct store_client *c = client_of(p);
	uint64_t now = clock_ms(), want = octets + octets / 2;

	if (client_overloaded(c))
		return ST_OVERLOAD;
	if (now < c->full_until_ms)
		return ST_NOSPACE;
	if (c->space_at_ms == 0 || now - c->space_at_ms >= SPACE_FRESH_MS) {
		if (!space_free(c->path, &c->space_octets))
			c->space_octets = 0;
		c->space_inside = room_inside(c, c->space_octets);
		c->space_at_ms = now;
	}
	if (want < c->settings.min_free_octets)
		want = c->settings.min_free_octets;
	if (c->space_octets >= want || (octets <= MESSAGE_IN_MEMORY_MAX && c->space_inside >= want))
		return ST_OK;
	return ST_NOSPACE;
}

const struct mailbox_ops client_provider_ops = {
	.open = open_maildrop,
	.cancel_open = cancel_open,
	.deliver = deliver,
	.room = room,
};
