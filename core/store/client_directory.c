/* Users, domains and aliases: read from LMDB at once, changed through the store process. */
#include <stdlib.h>

#include "base/mem.h"
#include "store/client_internal.h"
#include "store/record.h"

/* ---- reading ---- */

enum status client_look_up(struct store_client *c, enum store_db db, struct slice name,
                           client_found_fn *fn, void *arg)
{
	struct slice value;
	enum status st;

	if (name.len == 0)
		return ST_NOTFOUND;
	st = store_view_begin(&c->view);
	if (st != ST_OK)
		return st;
	st = store_env_status(store_tx_get(&c->view.tx, db, name, &value));
	if (st == ST_TOOBIG)
		st = ST_NOTFOUND;                /* longer than any key */
	if (st == ST_OK)
		st = fn(arg, name, value);
	store_view_end(&c->view);
	return st;
}

static int move_behind(MDB_cursor *m, struct slice last, struct slice *key, struct slice *value)
{
	*key = last;
	int rc = store_tx_move(m, last.len ? MDB_SET_RANGE : MDB_FIRST, key, value);

	if (rc == 0 && last.len && slice_eq(*key, last))
		rc = store_tx_move(m, MDB_NEXT, key, value);
	return rc;
}

static void set_cursor(char **cursor, char *to)
{
	if (*cursor && **cursor)
		free(*cursor);
	*cursor = to;
}

enum status client_look_next(struct store_client *c, enum store_db db, char **cursor,
                             client_found_fn *fn, void *arg)
{
	struct slice key, value;
	MDB_cursor *m;
	enum status st = store_view_begin(&c->view);

	if (st != ST_OK)
		return st;
	int rc = store_tx_cursor(&c->view.tx, db, &m);

	if (rc == 0) {
		rc = move_behind(m, slice_from(*cursor), &key, &value);
		st = rc == MDB_NOTFOUND ? ST_END : store_env_status(rc);
		if (st == ST_OK) {
			char *name = mem_slice_dup(key);

			st = fn(arg, key, value);
			set_cursor(cursor, name);
		}
		mdb_cursor_close(m);
	}
	store_view_end(&c->view);
	if (st == ST_END)
		set_cursor(cursor, NULL);
	return st;
}

struct found { struct arena *arena; void *out; };

static enum status found_user(void *arg, struct slice name, struct slice value)
{
	struct found *f = arg;

	return record_get_user(name, value, f->arena, f->out);
}

static enum status found_domain(void *arg, struct slice name, struct slice value)
{
	struct found *f = arg;

	return record_get_domain(name, value, f->arena, f->out);
}

static enum status found_alias(void *arg, struct slice name, struct slice value)
{
	struct found *f = arg;

	return record_get_alias(name, value, f->arena, f->out);
}

enum status store_user_get(struct store_client *c, struct slice name, struct arena *a,
                           struct store_user *out)
{
	return client_look_up(c, DB_USER, name, found_user, &(struct found){ a, out });
}

enum status store_domain_get(struct store_client *c, struct slice name, struct arena *a,
                             struct store_domain *out)
{
	return client_look_up(c, DB_DOMAIN, name, found_domain, &(struct found){ a, out });
}

enum status store_alias_get(struct store_client *c, struct slice address, struct arena *a,
                            struct store_alias *out)
{
	return client_look_up(c, DB_ALIAS, address, found_alias, &(struct found){ a, out });
}

enum status store_user_next(struct store_client *c, char **cursor, struct arena *a,
                            struct store_user *out)
{
	return client_look_next(c, DB_USER, cursor, found_user, &(struct found){ a, out });
}

enum status store_domain_next(struct store_client *c, char **cursor, struct arena *a,
                              struct store_domain *out)
{
	return client_look_next(c, DB_DOMAIN, cursor, found_domain, &(struct found){ a, out });
}

enum status store_alias_next(struct store_client *c, char **cursor, struct arena *a,
                             struct store_alias *out)
{
	return client_look_next(c, DB_ALIAS, cursor, found_alias, &(struct found){ a, out });
}

/* ---- changing ---- */

struct asked { store_done_fn *done; void *owner; };

static void answered(void *owner, enum status st, struct slice payload)
{
	struct asked a = *(struct asked *)owner;

	(void)payload;
	free(owner);
	a.done(a.owner, st);
}

void client_ask(struct store_client *c, struct client_request *r, store_done_fn *done, void *owner)
{
	struct asked *a = MEM_NEW(struct asked);

	a->done = done;
	a->owner = owner;
	client_send(c, r, SLICE_NONE, -1, answered, a);
}

static struct client_request *name_request(enum wire_type type, struct slice name)
{
	struct client_request *r = client_request_new(type);

	wire_put_bytes(&r->head, name);
	return r;
}

static void put_record(struct client_request *r, struct buf *record)
{
	wire_put_bytes(&r->head, buf_slice(record));
	buf_wipe(record);
}

void store_user_put(struct store_client *c, const struct store_user *u, bool create,
                    store_done_fn *done, void *owner)
{
	struct client_request *r = client_request_new(WIRE_USER_PUT);
	struct buf record;

	buf_init(&record, 0);
	record_put_user(&record, u);
	wire_put_u8(&r->head, create);
	wire_put_bytes(&r->head, slice_from(u->name));
	put_record(r, &record);
	wire_put_u64(&r->head, u->quota_octets);
	wire_put_u64(&r->head, u->quota_messages);
	client_ask(c, r, done, owner);
}

void store_user_remove(struct store_client *c, struct slice name, store_done_fn *done, void *owner)
{
	client_ask(c, name_request(WIRE_USER_REMOVE, name), done, owner);
}

void store_domain_put(struct store_client *c, const struct store_domain *d, store_done_fn *done,
                      void *owner)
{
	struct client_request *r = name_request(WIRE_DOMAIN_PUT, slice_from(d->name));
	struct buf record;

	buf_init(&record, 0);
	record_put_domain(&record, d);
	put_record(r, &record);
	r->repeatable = true;
	client_ask(c, r, done, owner);
}

void store_domain_remove(struct store_client *c, struct slice name, store_done_fn *done,
                         void *owner)
{
	client_ask(c, name_request(WIRE_DOMAIN_REMOVE, name), done, owner);
}

void store_alias_put(struct store_client *c, const struct store_alias *a, store_done_fn *done,
                     void *owner)
{
	struct client_request *r = name_request(WIRE_ALIAS_PUT, slice_from(a->address));
	struct buf record;

	buf_init(&record, 0);
	record_put_alias(&record, a);
	put_record(r, &record);
	r->repeatable = true;
	client_ask(c, r, done, owner);
}

void store_alias_remove(struct store_client *c, struct slice address, store_done_fn *done,
                        void *owner)
{
	client_ask(c, name_request(WIRE_ALIAS_REMOVE, address), done, owner);
}
