/* One function per type of request, and the slices of gc. */
#include "store/apply.h"

#include <string.h>

#include "base/clock.h"
#include "store/body.h"
#include "store/dict_durable.h"

/* ---- message ids ---- */

int apply_ids_begin(struct apply *a)
{
	uint64_t high;
	int rc = store_schema_meta_get(&a->tx, "msgid", &high);

	if (rc != 0)
		return rc;
	uint64_t next = (high + APPLY_ID_BLOCK - 1) / APPLY_ID_BLOCK * APPLY_ID_BLOCK;

	a->ids->next = next;
	a->ids->limit = next + APPLY_ID_BLOCK;
	return store_schema_meta_put(&a->tx, "msgid", next + APPLY_ID_BLOCK);
}

int apply_ids_extend(struct apply *a, uint64_t *limit)
{
	*limit = a->ids->limit;
	if (a->ids->next + APPLY_ID_BLOCK / 2 < *limit)
		return 0;
	*limit += APPLY_ID_BLOCK;
	return store_schema_meta_put(&a->tx, "msgid", *limit);
}

bool apply_ids_take(struct apply_ids *ids, uint64_t *id)
{
	*id = atomic_fetch_add(&ids->next, 1);
	return *id < ids->limit;
}

/* ---- messages ---- */

static int find_or_create(struct apply *a, struct slice name, uint64_t *id, struct mbox_value *v)
{
	int rc = store_mailbox_find(&a->tx, name, id);

	if (rc == MDB_NOTFOUND)
		return store_mailbox_create(&a->tx, name, id, v);
	return rc ? rc : store_mailbox_load(&a->tx, *id, v);
}

static int put_message(struct apply *a, struct store_request *r, uint64_t *msgid)
{
	struct msg_value v = {
		.refs = r->count, .flags = r->message.flags, .crc = r->message.crc,
		.octets = r->message.octets, .header_octets = r->message.header_octets,
		.lines = r->message.lines, .received = r->message.received, .sender = r->message.sender,
	};
	int rc = 0;

	*msgid = r->fd >= 0 ? r->msgid : atomic_fetch_add(&a->ids->next, 1);
	if (r->fd < 0)
		rc = store_body_put(&a->tx, *msgid, r->body);
	return rc ? rc : store_body_save(&a->tx, *msgid, &v);
}

static int add_row(struct apply *a, struct store_request *r, uint32_t i, uint64_t msgid)
{
	struct slice name = r->names[i];
	struct row_value row = {
		.msgid = msgid, .octets = r->message.octets,
		.received = r->message.received, .flags = r->message.flags,
	};
	struct mbox_value v = { 0 };
	uint64_t id;
	int rc = find_or_create(a, name, &id, &v);
	uint64_t uid = v.uidnext;

	if (rc == 0)
		rc = store_mailbox_add_row(&a->tx, id, &v, &row);
	if (rc == 0 && r->uidl.len) {
		v.flags |= MBOX_FOREIGN_UIDLS;
		rc = store_mailbox_add_uidl(&a->tx, id, uid, r->uidl);
	}
	memcpy(r->results + r->count + i * sizeof(uid), &uid, sizeof(uid));
	return rc ? rc : store_mailbox_save(&a->tx, id, &v);
}

static int add_rows(struct apply *a, struct store_request *r)
{
	uint64_t msgid;
	int rc = put_message(a, r, &msgid);

	for (uint32_t i = 0; rc == 0 && i < r->count; i++)
		rc = add_row(a, r, i, msgid);
	r->stored = rc == 0;
	return rc;
}

static int check_recipient(struct apply *a, struct store_request *r, uint32_t i)
{
	struct mbox_value v;
	uint64_t id;

	r->results[i] = ST_OK;
	if (r->names[i].len == 0 || r->names[i].len > MAILBOX_NAME_MAX) {
		r->results[i] = ST_TOOBIG;
		return 0;
	}
	int rc = store_mailbox_find(&a->tx, r->names[i], &id);

	if (rc == 0)
		rc = store_mailbox_load(&a->tx, id, &v);
	else if (rc == MDB_NOTFOUND)
		v = (struct mbox_value){ 0 }, rc = 0;
	if (rc == 0 && store_mailbox_full(&v, r->message.octets, &a->quota))
		r->results[i] = ST_QUOTA;
	return rc;
}

/* All recipients or none: the client gives one answer for the message, so one recipient who
 * cannot take it keeps it from the others (they are CANCELED). */
static int deliver(struct apply *a, struct store_request *r)
{
	bool refused = false;

	for (uint32_t i = 0; i < r->count; i++) {
		int rc = check_recipient(a, r, i);

		if (rc != 0)
			return rc;
		refused |= r->results[i] != ST_OK;
	}
	if (!refused)
		return add_rows(a, r);
	for (uint32_t i = 0; i < r->count; i++)
		if (r->results[i] == ST_OK)
			r->results[i] = ST_CANCELED;
	return 0;
}

/* Somebody moves house: quotas do not count. */
static int import(struct apply *a, struct store_request *r)
{
	uint64_t id;
	bool has = false;
	int rc = store_mailbox_find(&a->tx, r->names[0], &id);

	if (rc == 0 && r->uidl.len)
		rc = store_mailbox_has_uidl(&a->tx, id, r->uidl, &has);
	if (rc == MDB_BAD_VALSIZE || r->uidl.len > 70) {
		r->status = ST_TOOBIG;
		return 0;
	}
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	if (has) {
		r->status = ST_EXISTS;
		return 0;
	}
	return add_rows(a, r);
}

static int delete_rows(struct apply *a, struct store_request *r)
{
	struct mbox_value v;
	int rc = store_mailbox_load(&a->tx, r->mailbox, &v);

	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;      /* removed meanwhile: nothing is left to delete */
	for (uint32_t i = 0; i < r->count; i++) {
		uint64_t uid;

		memcpy(&uid, r->uids.ptr + i * sizeof(uid), sizeof(uid));
		rc = store_mailbox_del_row(&a->tx, r->mailbox, &v, uid);
		if (rc != 0 && rc != MDB_NOTFOUND)       /* not found: somebody purged it meanwhile */
			return rc;
	}
	return store_mailbox_save(&a->tx, r->mailbox, &v);
}

/* ---- mailboxes ---- */

static int set_quota(struct apply *a, struct store_request *r)
{
	struct mbox_value v;
	uint64_t id;
	int rc = find_or_create(a, r->names[0], &id, &v);

	v.quota_octets = r->quota_octets;
	v.quota_messages = r->quota_messages;
	return rc ? rc : store_mailbox_save(&a->tx, id, &v);
}

static int remove_mailbox(struct apply *a, struct store_request *r)
{
	uint64_t id;
	int rc = store_mailbox_find(&a->tx, r->names[0], &id);

	if (rc == MDB_NOTFOUND) {
		r->status = ST_NOTFOUND;
		return 0;
	}
	return rc ? rc : store_mailbox_drop(&a->tx, r->names[0], id);
}

/* ---- the directory ---- */

static int put_user(struct apply *a, struct store_request *r)
{
	struct slice old;
	uint64_t id;
	int rc = store_tx_get(&a->tx, DB_USER, r->names[0], &old);

	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	if (r->create != (rc == MDB_NOTFOUND)) {
		r->status = r->create ? ST_EXISTS : ST_NOTFOUND;
		return 0;
	}
	rc = store_tx_put(&a->tx, DB_USER, r->names[0], r->record);
	if (rc == 0 && !r->quota_octets && !r->quota_messages) {
		rc = store_mailbox_find(&a->tx, r->names[0], &id);
		if (rc == MDB_NOTFOUND)          /* no quota to keep and no mailbox yet */
			return 0;
	}
	return rc ? rc : set_quota(a, r);
}

static int remove_record(struct apply *a, struct store_request *r, enum store_db db)
{
	int rc = store_tx_del(&a->tx, db, r->names[0]);

	if (rc == MDB_NOTFOUND) {
		r->status = ST_NOTFOUND;
		return 0;
	}
	return rc;
}

static int remove_user(struct apply *a, struct store_request *r)
{
	return remove_record(a, r, DB_USER);
}

static int put_domain(struct apply *a, struct store_request *r)
{
	return store_tx_put(&a->tx, DB_DOMAIN, r->names[0], r->record);
}

static int remove_domain(struct apply *a, struct store_request *r)
{
	return remove_record(a, r, DB_DOMAIN);
}

static int put_alias(struct apply *a, struct store_request *r)
{
	return store_tx_put(&a->tx, DB_ALIAS, r->names[0], r->record);
}

static int remove_alias(struct apply *a, struct store_request *r)
{
	return remove_record(a, r, DB_ALIAS);
}

/* ---- dictionaries ---- */

enum { SWEEP_BUDGET = 500 };

static int change_dict(struct apply *a, struct store_request *r)
{
	return dict_durable_change(&a->tx, a->dict, &r->dict->query, clock_wall_us(), &r->dict->answer,
	                           &r->status);
}

static int sweep_dict(struct apply *a, struct store_request *r)
{
	unsigned removed;
	int rc = dict_durable_sweep(&a->tx, clock_wall_us(), SWEEP_BUDGET, &removed);

	r->count = removed;
	return rc;
}

static int files_gone(struct apply *a, struct store_request *r)
{
	for (uint32_t i = 0; i < r->count; i++) {
		unsigned char key[KEY_SIZE];
		uint64_t msgid;

		memcpy(&msgid, r->uids.ptr + i * sizeof(msgid), sizeof(msgid));
		int rc = store_tx_del(&a->tx, DB_GC_FILE, schema_key64(key, msgid));

		if (rc != 0 && rc != MDB_NOTFOUND)
			return rc;
	}
	return 0;
}

static int (*const appliers[WIRE__COUNT])(struct apply *, struct store_request *) = {
	[WIRE_DELIVER]        = deliver,
	[WIRE_IMPORT]         = import,
	[WIRE_DELETE]         = delete_rows,
	[WIRE_MAILBOX_QUOTA]  = set_quota,
	[WIRE_MAILBOX_REMOVE] = remove_mailbox,
	[WIRE_USER_PUT]       = put_user,
	[WIRE_USER_REMOVE]    = remove_user,
	[WIRE_DOMAIN_PUT]     = put_domain,
	[WIRE_DOMAIN_REMOVE]  = remove_domain,
	[WIRE_ALIAS_PUT]      = put_alias,
	[WIRE_ALIAS_REMOVE]   = remove_alias,
	[WIRE_DICT]           = change_dict,
	[WIRE_DICT_SWEEP]     = sweep_dict,
	[WIRE_FILES_GONE]     = files_gone,
};

int apply_request(struct apply *a, struct store_request *r)
{
	r->status = ST_OK;
	r->stored = false;
	return appliers[r->type](a, r);
}

/* ---- gc ---- */

static int gc_body(struct apply *a, uint64_t msgid, struct gc_value *gc, uint32_t budget,
                   uint32_t *freed)
{
	unsigned char key[KEY_SIZE], value[GC_SIZE];
	uint32_t left;
	int rc = store_body_del(&a->tx, msgid, gc->chunks, budget, &left);

	*freed += gc->chunks - left;
	gc->chunks = left;
	if (rc != 0)
		return rc;
	struct slice k = schema_key64_64(key, GC_BODY, msgid);

	return left ? store_tx_put(&a->tx, DB_GC, k, schema_gc_encode(gc, value))
	            : store_tx_del(&a->tx, DB_GC, k);
}

/* Rows of a mailbox that was removed; their bodies become gc work of their own. */
static int gc_mailbox(struct apply *a, uint64_t id, uint32_t budget, uint32_t *freed)
{
	unsigned char key[KEY_SIZE];
	MDB_cursor *c;
	int rc = 0;

	for (; budget > 0; budget--) {
		struct slice k = schema_key64_64(key, id, 0), v;

		rc = store_tx_cursor(&a->tx, DB_ROW, &c);
		if (rc != 0)
			return rc;
		rc = store_tx_move(c, MDB_SET_RANGE, &k, &v);
		mdb_cursor_close(c);
		if (rc == MDB_NOTFOUND || (rc == 0 && (k.len != 16 || schema_get64(k.ptr) != id)))
			return store_tx_del(&a->tx, DB_GC, schema_key64_64(key, GC_MAILBOX, id));
		if (rc == 0)
			rc = store_mailbox_del_row(&a->tx, id, NULL, schema_get64(k.ptr + 8));
		if (rc != 0)
			return rc;
		++*freed;
	}
	return 0;
}

static int gc_first(struct apply *a, uint64_t *kind, uint64_t *id, struct gc_value *gc)
{
	struct slice k = SLICE(""), v;
	MDB_cursor *c;
	int rc = store_tx_cursor(&a->tx, DB_GC, &c);

	if (rc != 0)
		return rc;
	rc = store_tx_move(c, MDB_FIRST, &k, &v);
	if (rc == 0 && (k.len != 16 || schema_gc_decode(v, gc) != ST_OK))
		rc = MDB_CORRUPTED;
	if (rc == 0) {
		*kind = schema_get64(k.ptr);
		*id = schema_get64(k.ptr + 8);
	}
	mdb_cursor_close(c);
	return rc;
}

int apply_gc(struct apply *a, uint32_t budget, uint32_t *freed, bool *more)
{
	*freed = 0;
	*more = true;
	while (*freed < budget) {
		struct gc_value gc;
		uint64_t kind, id;
		int rc = gc_first(a, &kind, &id, &gc);

		if (rc == MDB_NOTFOUND) {
			*more = false;
			return 0;
		}
		if (rc == 0)
			rc = kind == GC_BODY ? gc_body(a, id, &gc, budget - *freed, freed)
			                     : gc_mailbox(a, id, (budget - *freed) / 4 + 1, freed);
		if (rc != 0)
			return rc;
	}
	return 0;
}
