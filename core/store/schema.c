/* Encoding and decoding of keys and values. */
#include "store/schema.h"

#include "base/random.h"
#include "store/env.h"

void schema_put32(unsigned char *out, uint32_t n)
{
	n = __builtin_bswap32(n);
	memcpy(out, &n, sizeof(n));
}

void schema_put64(unsigned char *out, uint64_t n)
{
	n = __builtin_bswap64(n);
	memcpy(out, &n, sizeof(n));
}

uint32_t schema_get32(const void *in)
{
	uint32_t n;

	memcpy(&n, in, sizeof(n));
	return __builtin_bswap32(n);
}

uint64_t schema_get64(const void *in)
{
	uint64_t n;

	memcpy(&n, in, sizeof(n));
	return __builtin_bswap64(n);
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the byte swaps above assume it");

struct slice schema_key64(unsigned char *out, uint64_t a)
{
	schema_put64(out, a);
	return slice_of(out, 8);
}

struct slice schema_key64_64(unsigned char *out, uint64_t a, uint64_t b)
{
	schema_put64(out, a);
	schema_put64(out + 8, b);
	return slice_of(out, 16);
}

struct slice schema_key64_32(unsigned char *out, uint64_t a, uint32_t b)
{
	schema_put64(out, a);
	schema_put32(out + 8, b);
	return slice_of(out, 12);
}

/* Writing and reading in sequence. */
static unsigned char *w32(unsigned char *at, uint32_t n)
{
	schema_put32(at, n);
	return at + 4;
}

static unsigned char *w64(unsigned char *at, uint64_t n)
{
	schema_put64(at, n);
	return at + 8;
}

static uint32_t r32(const char **at)
{
	*at += 4;
	return schema_get32(*at - 4);
}

static uint64_t r64(const char **at)
{
	*at += 8;
	return schema_get64(*at - 8);
}

static enum status begin_value(struct slice in, size_t least, const char **at)
{
	if (in.len < least || in.ptr[0] != VALUE_VERSION)
		return ST_CORRUPT;
	*at = in.ptr + 1;
	return ST_OK;
}

struct slice schema_mbox_encode(const struct mbox_value *v, unsigned char out[MBOX_SIZE])
{
	unsigned char *at = out;

	*at++ = VALUE_VERSION;
	at = w32(at, v->uidvalidity);
	at = w64(at, v->uidnext);
	at = w64(at, v->count);
	at = w64(at, v->octets);
	at = w64(at, v->quota_octets);
	at = w64(at, v->quota_messages);
	w32(at, v->flags);
	return slice_of(out, MBOX_SIZE);
}

enum status schema_mbox_decode(struct slice in, struct mbox_value *v)
{
	const char *at;

	if (begin_value(in, MBOX_SIZE, &at) != ST_OK)
		return ST_CORRUPT;
	v->uidvalidity = r32(&at);
	v->uidnext = r64(&at);
	v->count = r64(&at);
	v->octets = r64(&at);
	v->quota_octets = r64(&at);
	v->quota_messages = r64(&at);
	v->flags = r32(&at);
	return ST_OK;
}

struct slice schema_row_encode(const struct row_value *v, unsigned char out[ROW_SIZE])
{
	unsigned char *at = out;

	*at++ = VALUE_VERSION;
	at = w64(at, v->msgid);
	at = w64(at, v->octets);
	at = w64(at, (uint64_t)v->received);
	w32(at, v->flags);
	return slice_of(out, ROW_SIZE);
}

enum status schema_row_decode(struct slice in, struct row_value *v)
{
	const char *at;

	if (begin_value(in, ROW_SIZE, &at) != ST_OK)
		return ST_CORRUPT;
	v->msgid = r64(&at);
	v->octets = r64(&at);
	v->received = (int64_t)r64(&at);
	v->flags = r32(&at);
	return ST_OK;
}

struct slice schema_msg_encode(const struct msg_value *v, unsigned char out[MSG_SIZE + SENDER_MAX])
{
	struct slice sender = slice_head(v->sender, SENDER_MAX);
	unsigned char *at = out;

	*at++ = VALUE_VERSION;
	at = w32(at, v->refs);
	at = w64(at, v->octets);
	at = w64(at, v->header_octets);
	at = w64(at, v->lines);
	at = w32(at, v->flags);
	at = w32(at, v->crc);
	at = w64(at, (uint64_t)v->received);
	if (sender.len)
		memcpy(at, sender.ptr, sender.len);
	return slice_of(out, MSG_SIZE + sender.len);
}

enum status schema_msg_decode(struct slice in, struct msg_value *v)
{
	const char *at;

	if (begin_value(in, MSG_SIZE, &at) != ST_OK)
		return ST_CORRUPT;
	v->refs = r32(&at);
	v->octets = r64(&at);
	v->header_octets = r64(&at);
	v->lines = r64(&at);
	v->flags = r32(&at);
	v->crc = r32(&at);
	v->received = (int64_t)r64(&at);
	v->sender = slice_skip(in, MSG_SIZE);
	return ST_OK;
}

struct slice schema_gc_encode(const struct gc_value *v, unsigned char out[GC_SIZE])
{
	out[0] = VALUE_VERSION;
	out[1] = (unsigned char)v->kind;
	schema_put32(out + 2, v->chunks);
	return slice_of(out, GC_SIZE);
}

enum status schema_gc_decode(struct slice in, struct gc_value *v)
{
	const char *at;

	if (begin_value(in, GC_SIZE, &at) != ST_OK)
		return ST_CORRUPT;
	v->kind = (enum gc_kind)*at++;
	v->chunks = r32(&at);
	return v->kind == GC_BODY || v->kind == GC_MAILBOX ? ST_OK : ST_CORRUPT;
}

struct slice schema_id_encode(uint64_t id, unsigned char out[9])
{
	out[0] = VALUE_VERSION;
	schema_put64(out + 1, id);
	return slice_of(out, 9);
}

enum status schema_id_decode(struct slice in, uint64_t *id)
{
	const char *at;

	if (begin_value(in, 9, &at) != ST_OK)
		return ST_CORRUPT;
	*id = r64(&at);
	return ST_OK;
}

/* ---- meta ---- */

int store_schema_meta_get(const struct store_tx *t, const char *name, uint64_t *n)
{
	struct slice value;
	int rc = store_tx_get(t, DB_META, slice_from(name), &value);

	if (rc == 0 && schema_id_decode(value, n) != ST_OK)
		rc = MDB_CORRUPTED;
	return rc;
}

int store_schema_meta_put(const struct store_tx *t, const char *name, uint64_t n)
{
	unsigned char value[9];

	return store_tx_put(t, DB_META, slice_from(name), schema_id_encode(n, value));
}

int store_schema_create(const struct store_tx *t)
{
	unsigned char uuid[16];
	uint64_t version;
	int rc = store_schema_meta_get(t, "version", &version);

	if (rc == 0 && version >= SCHEMA_OLDEST && version < SCHEMA_VERSION)
		return store_schema_meta_put(t, "version", SCHEMA_VERSION);
	if (rc != MDB_NOTFOUND)
		return rc;
	random_bytes(uuid, sizeof(uuid));
	rc = store_tx_put(t, DB_META, SLICE("uuid"), slice_of(uuid, sizeof(uuid)));
	if (rc == 0)
		rc = store_schema_meta_put(t, "msgid", 1);
	if (rc == 0)
		rc = store_schema_meta_put(t, "mailbox", 1);
	return rc ? rc : store_schema_meta_put(t, "version", SCHEMA_VERSION);
}
