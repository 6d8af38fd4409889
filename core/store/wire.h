/* What client and store process say to each other over the unix socket: frames of a fixed header
 * and a payload, in the machine's own byte order (both ends are this program on this machine).
 * A descriptor of a large message travels with the first octet of its frame (SCM_RIGHTS). */
#ifndef MOONPOST_STORE_WIRE_H
#define MOONPOST_STORE_WIRE_H

#include "base/buf.h"

enum { WIRE_VERSION = 2, WIRE_HAS_FD = 1, WIRE_PAYLOAD_MAX = 16 << 20 };

/*        symbol           payload of the request -> of the reply */
#define WIRE_LIST(X)       \
	X(REPLY)               /* header.status; payload of the request's type */ \
	X(DELIVER)             /* wire_message, count, mailbox names, octets -> status octets, uids */ \
	X(IMPORT)              /* wire_message, 1, mailbox name, uidl or "", octets */ \
	X(DELETE)              /* mailbox id, count, uids */ \
	X(MAILBOX_QUOTA)       /* name, octets, messages */ \
	X(MAILBOX_REMOVE)      /* name */ \
	X(USER_PUT)            /* create, name, record, quota octets, quota messages */ \
	X(USER_REMOVE)         /* name */ \
	X(DOMAIN_PUT)          /* name, record */ \
	X(DOMAIN_REMOVE)       /* name */ \
	X(ALIAS_PUT)           /* address, record */ \
	X(ALIAS_REMOVE)        /* address */ \
	X(NUMBERS)             /* -> struct store_numbers */ \
	X(DICT)                /* dict_put_query -> dict_put_answer (dict.h) */ \
	X(DICT_SWEEP)          /* inside the store process: expired entries go; count of them */ \
	X(FILES_GONE)          /* inside the store process: these blob files are unlinked */

enum wire_type {
#define X(name) WIRE_##name,
	WIRE_LIST(X)
#undef X
	WIRE__COUNT
};

struct wire_header {
	uint32_t length;                  /* octets of the payload */
	uint8_t  version, type, status, flags;
	uint64_t id;                      /* chosen by the client, repeated in the reply */
};

/* Facts of a message as they travel; its octets follow at the end of the payload unless the frame
 * carries a descriptor. */
struct wire_message {
	uint64_t octets, lines, header_octets;
	int64_t  received;
	uint32_t flags, crc;
	struct slice sender;
};

/* Writers append to a buf without ceiling. */
void wire_put_u8(struct buf *b, uint8_t n);
void wire_put_u32(struct buf *b, uint32_t n);
void wire_put_u64(struct buf *b, uint64_t n);
void wire_put_bytes(struct buf *b, struct slice s);           /* length first */
void wire_put_message(struct buf *b, const struct wire_message *m);

/* Readers take off the front of *in; false when it is too short. */
bool wire_get_u8(struct slice *in, uint8_t *n);
bool wire_get_u32(struct slice *in, uint32_t *n);
bool wire_get_u64(struct slice *in, uint64_t *n);
bool wire_get_bytes(struct slice *in, struct slice *s);
bool wire_get_message(struct slice *in, struct wire_message *m);

/* A header in front of a payload that is to be appended; wire_finish sets the rest of it; its
 * length includes body octets that follow elsewhere. */
void wire_begin(struct buf *b, enum wire_type type);
void wire_finish(struct buf *b, uint64_t id, size_t body, uint8_t flags);

const char *wire_type_name(enum wire_type type);

#endif
