/* Entries, their due times and their sums, in one transaction with the writer's other requests. */
#include "store/dict_durable.h"

#include "store/schema.h"
#include "store/wire.h"

enum { SWEEP_WHEN_FULL = 256, ENTRY_KEY_MAX = DICT_OWNER_MAX + 1 + DICT_KEY_MAX,
       DUE_KEY_MAX = 8 + ENTRY_KEY_MAX, HEAD_SIZE = 1 + 1 + 8, SUM_SIZE = 1 + 8 + 8 };

/* LMDB's keys have at most 511 octets. */
_Static_assert(DUE_KEY_MAX <= 511, "the longest key does not fit");

/* ---- keys and values ---- */

static struct slice entry_key(unsigned char *out, struct slice owner, struct slice key)
{
	memcpy(out, owner.ptr, owner.len);
	out[owner.len] = '\0';
	if (key.len)
		memcpy(out + owner.len + 1, key.ptr, key.len);
	return slice_of(out, owner.len + 1 + key.len);
}

static struct slice due_key(unsigned char *out, int64_t expires_us, struct slice entry)
{
	schema_put64(out, (uint64_t)expires_us);
	memcpy(out + 8, entry.ptr, entry.len);
	return slice_of(out, 8 + entry.len);
}

static void encode(struct buf *b, const struct dict_item *item)
{
	unsigned char head[HEAD_SIZE + 8] = { VALUE_VERSION, (unsigned char)item->value.type };

	schema_put64(head + 2, (uint64_t)item->expires_us);
	schema_put64(head + HEAD_SIZE, (uint64_t)item->value.number);
	if (item->value.type == DICT_STRING) {
		(void)buf_append(b, slice_of(head, HEAD_SIZE));
		(void)buf_append(b, item->value.octets);
	} else {
		(void)buf_append(b, slice_of(head, sizeof(head)));
	}
}

static enum status decode(struct slice in, struct dict_item *item)
{
	*item = (struct dict_item){ 0 };
	if (in.len < HEAD_SIZE || in.ptr[0] != VALUE_VERSION)
		return ST_CORRUPT;
	item->value.type = (enum dict_type)in.ptr[1];
	item->expires_us = (int64_t)schema_get64(in.ptr + 2);
	if (item->value.type == DICT_STRING) {
		item->value.octets = slice_skip(in, HEAD_SIZE);
		return ST_OK;
	}
	if ((item->value.type != DICT_INTEGER && item->value.type != DICT_BOOLEAN) ||
	    in.len != HEAD_SIZE + 8)
		return ST_CORRUPT;
	item->value.number = (int64_t)schema_get64(in.ptr + HEAD_SIZE);
	return ST_OK;
}

/* ---- sums ---- */

static int decode_sum(struct slice in, struct dict_sum *sum)
{
	if (in.len != SUM_SIZE || in.ptr[0] != VALUE_VERSION)
		return MDB_CORRUPTED;
	*sum = (struct dict_sum){ schema_get64(in.ptr + 1), schema_get64(in.ptr + 9) };
	return 0;
}

/* LMDB has no empty keys: the sum of all is under a NUL. */
static struct slice sum_key(struct slice owner)
{
	return owner.len ? owner : SLICE("\0");
}

int dict_durable_sum(const struct store_tx *t, struct slice owner, struct dict_sum *sum)
{
	struct slice value;
	int rc = store_tx_get(t, DB_DICT_SUM, sum_key(owner), &value);

	*sum = (struct dict_sum){ 0 };
	return rc == MDB_NOTFOUND ? 0 : rc ? rc : decode_sum(value, sum);
}

static int add_to_sum(const struct store_tx *t, struct slice owner, int entries, int64_t octets)
{
	unsigned char value[SUM_SIZE] = { VALUE_VERSION };
	struct dict_sum sum;
	int rc = dict_durable_sum(t, owner, &sum);

	if (rc != 0)
		return rc;
	sum.entries += (uint64_t)(int64_t)entries;
	sum.octets += (uint64_t)octets;
	if (sum.entries == 0 && owner.len)
		return store_tx_del(t, DB_DICT_SUM, owner);
	schema_put64(value + 1, sum.entries);
	schema_put64(value + 9, sum.octets);
	return store_tx_put(t, DB_DICT_SUM, sum_key(owner), slice_of(value, sizeof(value)));
}

static int add_to_sums(const struct store_tx *t, struct slice owner, int entries, int64_t octets)
{
	int rc = add_to_sum(t, owner, entries, octets);

	return rc ? rc : add_to_sum(t, SLICE_NONE, entries, octets);
}

static int has_room(const struct store_tx *t, const struct store_dict_settings *s,
                    struct slice owner, unsigned entries, int64_t octets, bool *room)
{
	struct dict_sum own = { 0 }, all = { 0 };
	int rc = dict_durable_sum(t, owner, &own);

	if (rc == 0)
		rc = dict_durable_sum(t, SLICE_NONE, &all);
	*room = rc == 0 && (octets <= 0 ||
	        (own.octets + (uint64_t)octets <= s->durable_max_plugin_octets &&
	         all.octets + (uint64_t)octets <= s->durable_max_octets &&
	         all.entries + entries <= s->durable_max_entries));
	return rc;
}

/* ---- one entry ---- */

static int del_due(const struct store_tx *t, int64_t expires_us, struct slice entry)
{
	unsigned char key[DUE_KEY_MAX];

	if (expires_us == 0)
		return 0;
	int rc = store_tx_del(t, DB_DICT_DUE, due_key(key, expires_us, entry));

	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int add_due(const struct store_tx *t, int64_t expires_us, struct slice entry)
{
	unsigned char key[DUE_KEY_MAX];
	static const char version = VALUE_VERSION;

	if (expires_us == 0)
		return 0;
	return store_tx_put(t, DB_DICT_DUE, due_key(key, expires_us, entry), slice_of(&version, 1));
}

struct existing { bool there; size_t octets; struct dict_item item; };

static int drop(const struct store_tx *t, struct slice owner, struct slice entry,
                const struct existing *old)
{
	int rc = del_due(t, old->item.expires_us, entry);

	if (rc == 0)
		rc = store_tx_del(t, DB_DICT, entry);
	return rc ? rc : add_to_sums(t, owner, -1, -(int64_t)old->octets);
}

static int put(const struct store_tx *t, const struct store_dict_settings *s,
               const struct dict_query *q, struct slice entry, const struct existing *old,
               const struct dict_item *item, int64_t now_us, enum status *st)
{
	struct buf value;
	bool room;
	unsigned removed;

	buf_init(&value, 0);
	encode(&value, item);
	int64_t octets = (int64_t)(entry.len + buf_len(&value)) - (int64_t)old->octets;
	int rc = has_room(t, s, q->owner, !old->there, octets, &room);

	/* Not while an entry is replaced: the sweep might find it. */
	if (rc == 0 && !room && !old->there) {
		rc = dict_durable_sweep(t, now_us, SWEEP_WHEN_FULL, &removed);
		if (rc == 0)
			rc = has_room(t, s, q->owner, 1, octets, &room);
	}
	if (rc == 0 && !room) {
		*st = ST_TOOBIG;
	} else if (rc == 0) {
		if (!old->there || old->item.expires_us != item->expires_us) {
			rc = old->there ? del_due(t, old->item.expires_us, entry) : 0;
			if (rc == 0)
				rc = add_due(t, item->expires_us, entry);
		}
		if (rc == 0)
			rc = store_tx_put(t, DB_DICT, entry, buf_slice(&value));
		if (rc == 0)
			rc = add_to_sums(t, q->owner, !old->there, octets);
	}
	buf_free(&value);
	return rc;
}

static int load(const struct store_tx *t, struct slice entry, struct existing *old)
{
	struct slice value;
	int rc = store_tx_get(t, DB_DICT, entry, &value);

	*old = (struct existing){ 0 };
	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;
	old->there = true;
	old->octets = entry.len + value.len;
	return decode(value, &old->item) == ST_OK ? 0 : MDB_CORRUPTED;
}

int dict_durable_change(const struct store_tx *t, const struct store_dict_settings *s,
                        const struct dict_query *q, int64_t now_us, struct buf *answer,
                        enum status *st)
{
	unsigned char key[ENTRY_KEY_MAX];
	struct slice entry = entry_key(key, q->owner, q->key);
	struct dict_item item = { 0 };
	struct existing old;
	struct dict_answer a;
	int rc = load(t, entry, &old);

	buf_reset(answer);
	if (rc != 0)
		return rc;
	if (old.there && !dict_expired(&old.item, now_us))
		item = old.item;
	enum dict_change what = dict_decide(q, now_us, &item, &a, st);

	if (*st != ST_OK)
		return 0;
	dict_put_answer(answer, &a);              /* the old value is in the map, until it is changed */
	if (what == DICT_PUT)
		rc = put(t, s, q, entry, &old, &item, now_us, st);
	else if (what == DICT_DROP)
		rc = drop(t, q->owner, entry, &old);
	if (*st != ST_OK)
		buf_reset(answer);
	return rc;
}

/* ---- expiry ---- */

/* The entry that is due first: its due key is copied. */
static int first_due(const struct store_tx *t, unsigned char *copy, struct slice *due)
{
	struct slice key = SLICE(""), value;
	MDB_cursor *c;
	int rc = store_tx_cursor(t, DB_DICT_DUE, &c);

	if (rc != 0)
		return rc;
	rc = store_tx_move(c, MDB_FIRST, &key, &value);
	mdb_cursor_close(c);
	if (rc == 0 && (key.len < 8 || key.len > DUE_KEY_MAX))
		rc = MDB_CORRUPTED;
	if (rc == 0) {
		memcpy(copy, key.ptr, key.len);
		*due = slice_of(copy, key.len);
	}
	return rc;
}

bool dict_durable_due(const struct store_tx *t, int64_t now_us)
{
	unsigned char copy[DUE_KEY_MAX];
	struct slice due;

	return first_due(t, copy, &due) == 0 && (int64_t)schema_get64(due.ptr) <= now_us;
}

static int sweep_one(const struct store_tx *t, struct slice due)
{
	struct slice entry = slice_skip(due, 8), owner = slice_head(entry, slice_find(entry, '\0'));
	struct existing old;
	int rc = load(t, entry, &old);

	if (rc != 0)
		return rc;
	if (old.there && old.item.expires_us == (int64_t)schema_get64(due.ptr))
		return drop(t, owner, entry, &old);
	return store_tx_del(t, DB_DICT_DUE, due);
}

int dict_durable_sweep(const struct store_tx *t, int64_t now_us, unsigned budget, unsigned *removed)
{
	unsigned char copy[DUE_KEY_MAX];
	struct slice due;
	int rc = 0;

	for (*removed = 0; *removed < budget; ++*removed) {
		rc = first_due(t, copy, &due);
		if (rc != 0 || (int64_t)schema_get64(due.ptr) > now_us)
			break;
		rc = sweep_one(t, due);
		if (rc != 0)
			break;
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* ---- reading ---- */

enum status dict_durable_get(const struct store_tx *t, const struct dict_query *q, int64_t now_us,
                             struct dict_answer *a)
{
	unsigned char key[ENTRY_KEY_MAX];
	struct existing old;
	int rc = load(t, entry_key(key, q->owner, q->key), &old);

	*a = (struct dict_answer){ 0 };
	if (rc == 0 && old.there && !dict_expired(&old.item, now_us)) {
		a->value = old.item.value;
		a->done = true;
	}
	return store_env_status(rc);
}

enum status dict_durable_list(const struct store_tx *t, const struct dict_query *q, int64_t now_us,
                              struct buf *list, struct dict_answer *a)
{
	unsigned char first[ENTRY_KEY_MAX], from[ENTRY_KEY_MAX];
	struct slice prefix = entry_key(first, q->owner, q->key), value;
	struct slice after = entry_key(from, q->owner, q->after);
	struct slice key = slice_cmp(after, prefix) > 0 ? after : prefix;
	struct dict_item item;
	MDB_cursor *c;
	int rc = store_tx_cursor(t, DB_DICT, &c);

	*a = (struct dict_answer){ .done = true };
	if (rc == 0) {
		rc = store_tx_move(c, MDB_SET_RANGE, &key, &value);
		for (; rc == 0 && slice_starts(key, prefix); rc = store_tx_move(c, MDB_NEXT, &key, &value)) {
			if (slice_eq(key, after))
				continue;
			if (decode(value, &item) != ST_OK) {
				rc = MDB_CORRUPTED;
				break;
			}
			if (!dict_expired(&item, now_us) &&
			    !dict_list_add(list, a, q, slice_skip(key, q->owner.len + 1), &item.value))
				break;
		}
		mdb_cursor_close(c);
	}
	a->list = buf_slice(list);
	return rc == MDB_NOTFOUND ? ST_OK : store_env_status(rc);
}

/* ---- check ---- */

struct checking {
	const struct store_tx *tx;
	void                 (*problem)(void *owner, const char *text);
	void                  *owner;
	struct dict_sum        own, all;
	uint64_t               due;       /* entries that have a due time */
};

__attribute__((format(printf, 2, 3)))
static void problem(struct checking *c, const char *fmt, ...)
{
	struct buf text;
	va_list ap;

	buf_init(&text, 0);
	va_start(ap, fmt);
	(void)buf_vprintf(&text, fmt, ap);
	va_end(ap);
	c->problem(c->owner, buf_cstr(&text));
	buf_free(&text);
}

static void compare_sum(struct checking *c, struct slice owner, const struct dict_sum *seen)
{
	struct dict_sum sum;
	int rc = dict_durable_sum(c->tx, owner, &sum);

	if (rc != 0 || sum.entries != seen->entries || sum.octets != seen->octets)
		problem(c, "dictionaries of \"%.*s\" count %llu entries of %llu octets, there are %llu of %llu",
		        SLICE_ARG(owner), (unsigned long long)sum.entries, (unsigned long long)sum.octets,
		        (unsigned long long)seen->entries, (unsigned long long)seen->octets);
}

static void check_entry(struct checking *c, struct slice key, struct slice value)
{
	unsigned char due[DUE_KEY_MAX];
	struct dict_item item;
	struct slice found;

	c->own.entries++;
	c->own.octets += key.len + value.len;
	if (decode(value, &item) != ST_OK)
		problem(c, "an entry of a dictionary of \"%.*s\" is broken", (int)slice_find(key, '\0'), key.ptr);
	else if (item.expires_us) {
		c->due++;
		if (store_tx_get(c->tx, DB_DICT_DUE, due_key(due, item.expires_us, key), &found) != 0)
			problem(c, "an entry of a dictionary of \"%.*s\" would never expire",
			        (int)slice_find(key, '\0'), key.ptr);
	}
}

static void end_owner(struct checking *c, struct slice owner)
{
	if (c->own.entries)
		compare_sum(c, owner, &c->own);
	c->all.entries += c->own.entries;
	c->all.octets += c->own.octets;
	c->own = (struct dict_sum){ 0 };
}

void dict_durable_check(const struct store_tx *t, void (*problem_fn)(void *owner, const char *text),
                        void *owner, uint64_t *entries)
{
	struct checking c = { .tx = t, .problem = problem_fn, .owner = owner };
	struct slice key = SLICE(""), value, whose = SLICE_NONE;
	MDB_cursor *m;
	MDB_stat stat = { 0 };
	int rc = store_tx_cursor(t, DB_DICT, &m);

	if (rc == 0) {
		while ((rc = store_tx_move(m, MDB_NEXT, &key, &value)) == 0) {
			struct slice now = slice_head(key, slice_find(key, '\0'));

			if (key.len > ENTRY_KEY_MAX || now.len == key.len) {
				problem(&c, "a key of %zu octets among the dictionaries makes no sense", key.len);
				continue;
			}
			if (!slice_eq(now, whose))
				end_owner(&c, whose);
			whose = now;
			check_entry(&c, key, value);
		}
		mdb_cursor_close(m);
		end_owner(&c, whose);
		compare_sum(&c, SLICE_NONE, &c.all);
		(void)mdb_stat(t->txn, t->env->dbi[DB_DICT_DUE], &stat);
		if (stat.ms_entries != c.due)
			problem(&c, "%llu entries of dictionaries expire, %llu times are noted",
			        (unsigned long long)c.due, (unsigned long long)stat.ms_entries);
	}
	if (rc != MDB_NOTFOUND)
		problem(&c, "the dictionaries cannot be read: %s", mdb_strerror(rc));
	*entries = c.all.entries;
}
