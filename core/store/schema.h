/* Keys and values of the databases.  Numbers are big-endian; every value begins with a version
 * octet (1 now), so that a later version can read both.
 *
 *   meta         name                       u64 (version, msgid, mailbox) or 16 octets (uuid)
 *   name         canonical mailbox name     mailbox id
 *   mbox         mailbox id                 struct mbox_value
 *   uidvalidity  uidvalidity u32            mailbox id; kept for ever, so none is used twice
 *   row          mailbox id, uid            struct row_value
 *   uidl         mailbox id, uid            UIDL text of another system
 *   uidltext     mailbox id, text           uid
 *   msg          msgid                      struct msg_value
 *   body         msgid, chunk u32           at most BODY_CHUNK octets, no version octet
 *   gc           kind u64, id               struct gc_value: bodies and mailboxes to free in slices
 *   gcfile       msgid                      (only the version octet) blob files to unlink
 *   user, domain, alias                     see record.h
 *   dict, dictdue, dictsum                  see dict_durable.h
 *
 * UIDL = uidvalidity + uid.  uidnext is stored, never derived from rows. */
#ifndef MOONPOST_STORE_SCHEMA_H
#define MOONPOST_STORE_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct store_tx;

enum {
	/* 2: dictionaries.  A store of version 1 gets them when it is opened for writing. */
	SCHEMA_VERSION = 2, SCHEMA_OLDEST = 1,
	VALUE_VERSION = 1,
	BODY_CHUNK = 4080,                /* with LMDB's page header exactly one page */
	BODY_INLINE_MAX = 16 * BODY_CHUNK,
	SENDER_MAX = 1024,
	MAILBOX_NAME_MAX = 400,
	KEY_SIZE = 32,
	MBOX_SIZE = 1 + 4 + 5 * 8 + 4,
	ROW_SIZE = 1 + 3 * 8 + 4,
	MSG_SIZE = 1 + 4 + 3 * 8 + 4 + 4 + 8,
	GC_SIZE = 1 + 1 + 4,
};

enum mbox_flag { MBOX_FOREIGN_UIDLS = 1 };
struct mbox_value {
	uint32_t uidvalidity, flags;
	uint64_t uidnext, count, octets, quota_octets, quota_messages;
};

struct row_value {
	uint64_t msgid, octets;
	int64_t  received;
	uint32_t flags;                   /* enum message_flag of core/hook/message.h */
};

struct msg_value {
	uint32_t refs, flags, crc;
	uint64_t octets, header_octets, lines;
	int64_t  received;
	struct slice sender;              /* reverse-path; decode: points into the map */
};

enum gc_kind { GC_BODY = 1, GC_MAILBOX = 2 };
struct gc_value { enum gc_kind kind; uint32_t chunks; };

/* Big-endian numbers. */
void     schema_put32(unsigned char *out, uint32_t n);
void     schema_put64(unsigned char *out, uint64_t n);
uint32_t schema_get32(const void *in);
uint64_t schema_get64(const void *in);

/* Keys; out has KEY_SIZE octets and must live as long as the slice. */
struct slice schema_key64(unsigned char *out, uint64_t a);
struct slice schema_key64_64(unsigned char *out, uint64_t a, uint64_t b);
struct slice schema_key64_32(unsigned char *out, uint64_t a, uint32_t b);

/* Encoders return the octets in out; decoders say CORRUPT on a wrong size or version. */
struct slice schema_mbox_encode(const struct mbox_value *v, unsigned char out[MBOX_SIZE]);
enum status  schema_mbox_decode(struct slice in, struct mbox_value *v);
struct slice schema_row_encode(const struct row_value *v, unsigned char out[ROW_SIZE]);
enum status  schema_row_decode(struct slice in, struct row_value *v);
struct slice schema_msg_encode(const struct msg_value *v, unsigned char out[MSG_SIZE + SENDER_MAX]);
enum status  schema_msg_decode(struct slice in, struct msg_value *v);
struct slice schema_gc_encode(const struct gc_value *v, unsigned char out[GC_SIZE]);
enum status  schema_gc_decode(struct slice in, struct gc_value *v);
struct slice schema_id_encode(uint64_t id, unsigned char out[9]);
enum status  schema_id_decode(struct slice in, uint64_t *id);

/* Chunks that a body of that many octets takes. */
static inline uint32_t schema_chunks(uint64_t octets)
{
	return (uint32_t)((octets + BODY_CHUNK - 1) / BODY_CHUNK);
}

/* ---- meta; LMDB codes ---- */

/* Version and uuid where they are missing; an older version becomes ours. */
int store_schema_create(const struct store_tx *t);
int store_schema_meta_get(const struct store_tx *t, const char *name, uint64_t *n);
int store_schema_meta_put(const struct store_tx *t, const char *name, uint64_t n);

#endif
