/* What questions do to entries, and their octets on the wire.  The token bucket is kept as one
 * number: the time at which it is full again (the generic cell rate algorithm, with integers, so
 * that no rounding ever gives a token away). */
#include "store/dict.h"

#include "store/wire.h"

/* ---- deciding ---- */

bool dict_expired(const struct dict_item *item, int64_t now_us)
{
	return item->expires_us != 0 && item->expires_us <= now_us;
}

static int64_t expiry(const struct dict_query *q, int64_t now_us)
{
	return q->ttl_us ? now_us + (int64_t)q->ttl_us : 0;
}

static enum dict_change put(const struct dict_query *q, int64_t now_us, struct dict_item *item,
                            struct dict_answer *a)
{
	*item = (struct dict_item){ q->value, expiry(q, now_us) };
	a->done = true;
	return DICT_PUT;
}

static bool same(const struct dict_value *a, const struct dict_value *b)
{
	if (a->type != b->type)
		return false;
	return a->type == DICT_STRING ? slice_eq(a->octets, b->octets)
	                              : a->type == DICT_NONE || a->number == b->number;
}

static enum dict_change compare_and_set(const struct dict_query *q, int64_t now_us,
                                        struct dict_item *item, struct dict_answer *a)
{
	if (!same(&item->value, &q->expected)) {
		a->value = item->value;
		return DICT_KEEP;
	}
	if (q->value.type != DICT_NONE)
		return put(q, now_us, item, a);
	a->done = true;
	return item->value.type == DICT_NONE ? DICT_KEEP : DICT_DROP;
}

static enum dict_change increment(const struct dict_query *q, int64_t now_us,
                                  struct dict_item *item, struct dict_answer *a, enum status *st)
{
	bool fresh = item->value.type == DICT_NONE;
	int64_t sum;

	if (!fresh && item->value.type != DICT_INTEGER) {
		*st = ST_UNSUPPORTED;
		return DICT_KEEP;
	}
	a->value = (struct dict_value){ .type = DICT_INTEGER, .number = fresh ? 0 : item->value.number };
	if (__builtin_add_overflow(a->value.number, q->amount, &sum)) {
		*st = ST_DENIED;
		return DICT_KEEP;
	}
	if (q->flags & DICT_CEILING && sum > q->ceiling)
		return DICT_KEEP;
	a->value.number = sum;
	a->done = true;
	item->value = a->value;
	if (fresh)
		item->expires_us = expiry(q, now_us);
	return DICT_PUT;
}

/* item->value.number: when the bucket is full again, in nanoseconds. */
static enum dict_change take(const struct dict_query *q, int64_t now_us, struct dict_item *item,
                             struct dict_answer *a, enum status *st)
{
	int64_t now = now_us * 1000, full = now;

	if (item->value.type != DICT_NONE && item->value.type != DICT_BUCKET) {
		*st = ST_UNSUPPORTED;
		return DICT_KEEP;
	}
	if (item->value.type == DICT_BUCKET && item->value.number > now)
		full = item->value.number;
	if (full - now > q->ceiling)
		full = now + q->ceiling;              /* the bucket became smaller with a reload */
	a->ns = full + q->amount - now - q->ceiling;
	a->done = a->ns <= 0;
	if (!a->done)
		return DICT_KEEP;
	a->ns = -a->ns;
	if (q->amount == 0)
		return DICT_KEEP;
	full += q->amount;
	*item = (struct dict_item){ { .type = DICT_BUCKET, .number = full }, full / 1000 + 1 };
	return DICT_PUT;
}

enum dict_change dict_decide(const struct dict_query *q, int64_t now_us, struct dict_item *item,
                             struct dict_answer *a, enum status *st)
{
	*st = ST_OK;
	*a = (struct dict_answer){ 0 };
	switch (q->op) {
	case DICT_GET:
		a->value = item->value;
		a->done = a->value.type != DICT_NONE;
		return DICT_KEEP;
	case DICT_SET:
		return put(q, now_us, item, a);
	case DICT_ADD:
		if (item->value.type == DICT_NONE)
			return put(q, now_us, item, a);
		a->value = item->value;
		return DICT_KEEP;
	case DICT_INCR:
		return increment(q, now_us, item, a, st);
	case DICT_DELETE:
		a->done = item->value.type != DICT_NONE;
		return a->done ? DICT_DROP : DICT_KEEP;
	case DICT_CAS:
		return compare_and_set(q, now_us, item, a);
	case DICT_TAKE:
		return take(q, now_us, item, a, st);
	default:
		*st = ST_UNSUPPORTED;
		return DICT_KEEP;
	}
}

/* ---- octets ---- */

void dict_put_value(struct buf *b, const struct dict_value *v)
{
	wire_put_u8(b, (uint8_t)v->type);
	if (v->type == DICT_STRING)
		wire_put_bytes(b, v->octets);
	else if (v->type != DICT_NONE)
		wire_put_u64(b, (uint64_t)v->number);
}

bool dict_get_value(struct slice *in, struct dict_value *v)
{
	uint64_t number = 0;
	uint8_t type;

	if (!wire_get_u8(in, &type) || type > DICT_BUCKET)
		return false;
	*v = (struct dict_value){ .type = type, .octets = SLICE_NONE };
	if (type == DICT_STRING)
		return wire_get_bytes(in, &v->octets) && v->octets.len <= DICT_VALUE_MAX;
	if (type != DICT_NONE && !wire_get_u64(in, &number))
		return false;
	v->number = (int64_t)number;
	return true;
}

void dict_put_query(struct buf *b, const struct dict_query *q)
{
	wire_put_u8(b, (uint8_t)q->op);
	wire_put_u8(b, (uint8_t)q->flags);
	wire_put_u32(b, q->limit);
	wire_put_u64(b, q->ttl_us);
	wire_put_u64(b, (uint64_t)q->amount);
	wire_put_u64(b, (uint64_t)q->ceiling);
	wire_put_bytes(b, q->owner);
	wire_put_bytes(b, q->key);
	wire_put_bytes(b, q->after);
	dict_put_value(b, &q->value);
	dict_put_value(b, &q->expected);
}

/* Times stay far below what 64 bits hold, whatever a client says. */
static bool makes_sense(const struct dict_query *q)
{
	const int64_t longest_us = (int64_t)100 * 366 * 86400 * 1000000;
	const int64_t longest_ns = (int64_t)1 << 60;
	bool stores = q->op == DICT_SET || q->op == DICT_ADD;

	if (q->owner.len == 0 || q->owner.len > DICT_OWNER_MAX || q->key.len == 0 ||
	    q->key.len > DICT_KEY_MAX || q->after.len > DICT_KEY_MAX ||
	    q->ttl_us > (uint64_t)longest_us || q->limit > DICT_LIST_MAX)
		return false;
	if (memchr(q->owner.ptr, 0, q->owner.len))
		return false;
	if (q->op == DICT_TAKE && (q->flags & DICT_DURABLE || q->amount < 0 || q->ceiling <= 0 ||
	                           q->amount > longest_ns || q->ceiling > longest_ns))
		return false;
	return q->value.type != DICT_BUCKET && (!stores || q->value.type != DICT_NONE);
}

enum status dict_get_query(struct slice in, struct dict_query *q)
{
	uint64_t amount, ceiling;
	uint8_t op, flags;

	*q = (struct dict_query){ 0 };
	if (!wire_get_u8(&in, &op) || !wire_get_u8(&in, &flags) || op >= DICT__COUNT ||
	    flags & ~DICT_FLAGS || !wire_get_u32(&in, &q->limit) || !wire_get_u64(&in, &q->ttl_us) ||
	    !wire_get_u64(&in, &amount) || !wire_get_u64(&in, &ceiling) ||
	    !wire_get_bytes(&in, &q->owner) || !wire_get_bytes(&in, &q->key) ||
	    !wire_get_bytes(&in, &q->after) || !dict_get_value(&in, &q->value) ||
	    !dict_get_value(&in, &q->expected) || in.len != 0)
		return ST_SYNTAX;
	q->op = op;
	q->flags = flags;
	q->amount = (int64_t)amount;
	q->ceiling = (int64_t)ceiling;
	return makes_sense(q) ? ST_OK : ST_SYNTAX;
}

void dict_put_answer(struct buf *b, const struct dict_answer *a)
{
	wire_put_u8(b, a->done);
	wire_put_u8(b, a->more);
	wire_put_u32(b, a->count);
	wire_put_u64(b, (uint64_t)a->ns);
	dict_put_value(b, &a->value);
	if (a->list.len)
		(void)buf_append(b, a->list);
}

bool dict_get_answer(struct slice in, struct dict_answer *a)
{
	uint8_t done, more;
	uint64_t ns;

	*a = (struct dict_answer){ 0 };
	if (!wire_get_u8(&in, &done) || !wire_get_u8(&in, &more) || !wire_get_u32(&in, &a->count) ||
	    !wire_get_u64(&in, &ns) || !dict_get_value(&in, &a->value))
		return false;
	a->done = done != 0;
	a->more = more != 0;
	a->ns = (int64_t)ns;
	a->list = in;
	return true;
}

bool dict_list_add(struct buf *list, struct dict_answer *a, const struct dict_query *q,
                   struct slice key, const struct dict_value *v)
{
	if (a->count >= q->limit || buf_len(list) >= DICT_LIST_OCTETS) {
		a->more = true;
		return false;
	}
	wire_put_bytes(list, key);
	dict_put_value(list, v);
	a->count++;
	return true;
}

bool dict_list_next(struct slice *list, struct slice *key, struct dict_value *v)
{
	return list->len && wire_get_bytes(list, key) && dict_get_value(list, v);
}
