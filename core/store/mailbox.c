/* Mailboxes, rows and counters. */
#include "store/mailbox.h"

#include "base/random.h"
#include "store/body.h"

int store_mailbox_find(const struct store_tx *t, struct slice name, uint64_t *id)
{
	struct slice value;
	int rc = store_tx_get(t, DB_NAME, name, &value);

	if (rc == 0 && schema_id_decode(value, id) != ST_OK)
		rc = MDB_CORRUPTED;
	return rc;
}

int store_mailbox_load(const struct store_tx *t, uint64_t id, struct mbox_value *v)
{
	unsigned char key[KEY_SIZE];
	struct slice value;
	int rc = store_tx_get(t, DB_MBOX, schema_key64(key, id), &value);

	if (rc == 0 && schema_mbox_decode(value, v) != ST_OK)
		rc = MDB_CORRUPTED;
	return rc;
}

int store_mailbox_save(const struct store_tx *t, uint64_t id, const struct mbox_value *v)
{
	unsigned char key[KEY_SIZE], value[MBOX_SIZE];

	return store_tx_put(t, DB_MBOX, schema_key64(key, id), schema_mbox_encode(v, value));
}

/* Random, so that a restored backup cannot give numbers that were used after it was taken. */
static int new_uidvalidity(const struct store_tx *t, uint64_t id, uint32_t *out)
{
	int rc;

	do {
		unsigned char key[4], value[9];

		*out = (uint32_t)random_u64();
		schema_put32(key, *out);
		rc = *out == 0
		         ? MDB_KEYEXIST
		         : store_tx_add(t, DB_UIDVALIDITY, slice_of(key, 4), schema_id_encode(id, value));
	} while (rc == MDB_KEYEXIST);
	return rc;
}

int store_mailbox_create(const struct store_tx *t, struct slice name, uint64_t *id,
                         struct mbox_value *v)
{
	unsigned char value[9];
	int rc = store_schema_meta_get(t, "mailbox", id);

	if (rc == 0)
		rc = store_schema_meta_put(t, "mailbox", *id + 1);
	*v = (struct mbox_value){ .uidnext = 1 };
	if (rc == 0)
		rc = new_uidvalidity(t, *id, &v->uidvalidity);
	if (rc == 0)
		rc = store_tx_put(t, DB_NAME, name, schema_id_encode(*id, value));
	return rc ? rc : store_mailbox_save(t, *id, v);
}

bool store_mailbox_full(const struct mbox_value *v, uint64_t octets,
                        const struct store_quota *otherwise)
{
	uint64_t most = v->quota_octets ? v->quota_octets : otherwise->octets;
	uint64_t messages = v->quota_messages ? v->quota_messages : otherwise->messages;

	return (most && (octets > most || v->octets > most - octets)) ||
	       (messages && v->count >= messages);
}

int store_mailbox_add_row(const struct store_tx *t, uint64_t id, struct mbox_value *v,
                          const struct row_value *row)
{
	unsigned char key[KEY_SIZE], value[ROW_SIZE];
	int rc = store_tx_add(t, DB_ROW, schema_key64_64(key, id, v->uidnext),
	                      schema_row_encode(row, value));

	if (rc == MDB_KEYEXIST)
		return MDB_CORRUPTED;            /* uidnext is behind the rows */
	v->uidnext++;
	v->count++;
	v->octets += row->octets;
	return rc;
}

/* Mailbox id and text, as the key of uidltext. */
static struct slice text_key(unsigned char *out, uint64_t id, struct slice uidl)
{
	schema_put64(out, id);
	memcpy(out + 8, uidl.ptr, uidl.len);
	return slice_of(out, 8 + uidl.len);
}

enum { UIDL_MAX = 70 };                  /* RFC 1939, 7 */

int store_mailbox_has_uidl(const struct store_tx *t, uint64_t id, struct slice uidl, bool *has)
{
	unsigned char key[8 + UIDL_MAX];
	struct slice value;

	if (uidl.len == 0 || uidl.len > UIDL_MAX)
		return MDB_BAD_VALSIZE;
	int rc = store_tx_get(t, DB_UIDL_TEXT, text_key(key, id, uidl), &value);

	*has = rc == 0;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int store_mailbox_add_uidl(const struct store_tx *t, uint64_t id, uint64_t uid, struct slice uidl)
{
	unsigned char key[KEY_SIZE], text[8 + UIDL_MAX], value[9];

	if (uidl.len == 0 || uidl.len > UIDL_MAX)
		return MDB_BAD_VALSIZE;
	int rc = store_tx_put(t, DB_UIDL, schema_key64_64(key, id, uid), uidl);

	return rc ? rc
	          : store_tx_put(t, DB_UIDL_TEXT, text_key(text, id, uidl),
	                         schema_id_encode(uid, value));
}

static int del_uidl(const struct store_tx *t, uint64_t id, uint64_t uid)
{
	unsigned char key[KEY_SIZE], text[8 + UIDL_MAX];
	struct slice uidl;
	int rc = store_tx_get(t, DB_UIDL, schema_key64_64(key, id, uid), &uidl);

	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;
	if (uidl.len > UIDL_MAX)
		return MDB_CORRUPTED;
	rc = store_tx_del(t, DB_UIDL_TEXT, text_key(text, id, uidl));
	if (rc == 0 || rc == MDB_NOTFOUND)
		rc = store_tx_del(t, DB_UIDL, schema_key64_64(key, id, uid));
	return rc;
}

int store_mailbox_del_row(const struct store_tx *t, uint64_t id, struct mbox_value *v, uint64_t uid)
{
	unsigned char key[KEY_SIZE];
	struct slice value;
	struct row_value row;
	int rc = store_tx_get(t, DB_ROW, schema_key64_64(key, id, uid), &value);

	if (rc != 0)
		return rc;
	if (schema_row_decode(value, &row) != ST_OK)
		return MDB_CORRUPTED;
	rc = store_tx_del(t, DB_ROW, schema_key64_64(key, id, uid));
	if (rc == 0 && (!v || v->flags & MBOX_FOREIGN_UIDLS))
		rc = del_uidl(t, id, uid);
	if (rc == 0)
		rc = store_body_unref(t, row.msgid);
	if (rc == 0 && v) {
		v->count--;
		v->octets -= row.octets;
	}
	return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
}

int store_mailbox_drop(const struct store_tx *t, struct slice name, uint64_t id)
{
	unsigned char key[KEY_SIZE], value[GC_SIZE];
	struct gc_value gc = { .kind = GC_MAILBOX };
	int rc = store_tx_del(t, DB_NAME, name);

	if (rc == 0)
		rc = store_tx_del(t, DB_MBOX, schema_key64(key, id));
	return rc ? rc
	          : store_tx_put(t, DB_GC, schema_key64_64(key, GC_MAILBOX, id),
	                         schema_gc_encode(&gc, value));
}
