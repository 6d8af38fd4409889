/* Mailboxes for the command line, and the numbers of the store process. */
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/client_internal.h"
#include "store/lock.h"
#include "store/mailbox.h"

struct found { struct store_client *client; struct arena *arena; struct store_mailbox *out; };

static enum status found_mailbox(void *arg, struct slice name, struct slice value)
{
	struct found *f = arg;
	struct mbox_value v;
	uint64_t id;

	if (schema_id_decode(value, &id) != ST_OK ||
	    store_mailbox_load(&f->client->view.tx, id, &v) != 0)
		return ST_CORRUPT;
	*f->out = (struct store_mailbox){
		.name = arena_strdup(f->arena, name), .id = id, .count = v.count, .octets = v.octets,
		.quota_octets = v.quota_octets, .quota_messages = v.quota_messages,
		.uidnext = v.uidnext, .uidvalidity = v.uidvalidity,
	};
	return ST_OK;
}

enum status store_mailbox_get(struct store_client *c, struct slice name, struct arena *a,
                              struct store_mailbox *out)
{
	return client_look_up(c, DB_NAME, name, found_mailbox, &(struct found){ c, a, out });
}

enum status store_mailbox_next(struct store_client *c, char **cursor, struct arena *a,
                               struct store_mailbox *out)
{
	return client_look_next(c, DB_NAME, cursor, found_mailbox, &(struct found){ c, a, out });
}

struct room_question { struct store_client *client; uint64_t octets; };

static enum status check_room(void *arg, struct slice name, struct slice value)
{
	struct room_question *q = arg;
	struct store_quota otherwise = {
		q->client->settings.default_quota_octets, q->client->settings.default_quota_messages,
	};
	struct mbox_value v;
	uint64_t id;

	(void)name;
	if (schema_id_decode(value, &id) != ST_OK ||
	    store_mailbox_load(&q->client->view.tx, id, &v) != 0)
		return ST_CORRUPT;
	return store_mailbox_full(&v, q->octets, &otherwise) ? ST_QUOTA : ST_OK;
}

enum status store_mailbox_room(struct store_client *c, struct slice name, uint64_t octets)
{
	struct room_question q = { c, octets };
	enum status st = client_look_up(c, DB_NAME, name, check_room, &q);

	if (st != ST_NOTFOUND)
		return st;
	struct store_quota otherwise = {
		c->settings.default_quota_octets, c->settings.default_quota_messages,
	};

	return store_mailbox_full(&(struct mbox_value){ 0 }, octets, &otherwise) ? ST_QUOTA : ST_OK;
}

void store_mailbox_quota(struct store_client *c, struct slice name, uint64_t octets,
                         uint64_t messages, store_done_fn *done, void *owner)
{
	struct client_request *r = client_request_new(WIRE_MAILBOX_QUOTA);

	wire_put_bytes(&r->head, name);
	wire_put_u64(&r->head, octets);
	wire_put_u64(&r->head, messages);
	r->repeatable = true;
	client_ask(c, r, done, owner);
}

/* ---- removing: with the lock, so that no session looks at it ---- */

struct removal {
	struct store_client *client;
	char                *name;
	int                  lock_fd;
	store_done_fn       *done;
	void                *owner;
};

static void removed(void *owner, enum status st)
{
	struct removal r = *(struct removal *)owner;

	free(owner);
	if (st == ST_OK)
		lock_remove(r.client->path, slice_from(r.name));
	close(r.lock_fd);
	free(r.name);
	r.done(r.owner, st);
}

void store_mailbox_remove(struct store_client *c, struct slice name, store_done_fn *done,
                          void *owner)
{
	int lock_fd;
	enum status st = lock_take(c->path, name, &lock_fd, NULL);

	if (st != ST_OK) {
		done(owner, st);
		return;
	}
	struct removal *removal = MEM_NEW(struct removal);
	struct client_request *r = client_request_new(WIRE_MAILBOX_REMOVE);

	*removal = (struct removal){ c, mem_slice_dup(name), lock_fd, done, owner };
	wire_put_bytes(&r->head, name);
	client_ask(c, r, removed, removal);
}

/* ---- import ---- */

struct asked_import { store_done_fn *done; void *owner; };

static void imported(void *owner, enum status st, struct slice payload)
{
	struct asked_import a = *(struct asked_import *)owner;

	(void)payload;
	free(owner);
	a.done(a.owner, st);
}

void store_mailbox_import(struct store_client *c, struct slice name, struct message *m,
                          const char *uidl, int64_t received, store_done_fn *done, void *owner)
{
	struct client_request *r = client_request_new(WIRE_IMPORT);
	struct asked_import *a = MEM_NEW(struct asked_import);

	a->done = done;
	a->owner = owner;
	client_put_message(&r->head, m, SLICE_NONE, received);
	wire_put_bytes(&r->head, name);
	wire_put_bytes(&r->head, slice_from(uidl));
	client_send(c, r, client_body(m), m->fd, imported, a);
}

/* ---- numbers ---- */

struct asked_numbers { store_numbers_fn *done; void *owner; };

static void counted(void *owner, enum status st, struct slice payload)
{
	struct asked_numbers a = *(struct asked_numbers *)owner;
	struct store_numbers n = { 0 };

	free(owner);
	if (st == ST_OK && payload.len == sizeof(n))
		memcpy(&n, payload.ptr, sizeof(n));
	else if (st == ST_OK)
		st = ST_UNSUPPORTED;
	a.done(a.owner, st, &n);
}

void store_numbers_get(struct store_client *c, store_numbers_fn *done, void *owner)
{
	struct client_request *r = client_request_new(WIRE_NUMBERS);
	struct asked_numbers *a = MEM_NEW(struct asked_numbers);

	a->done = done;
	a->owner = owner;
	r->repeatable = true;
	client_send(c, r, SLICE_NONE, -1, counted, a);
}
