/* The structure of a message (RFC 2045, 2046): which parts it has, and where their octets lie.  A
 * push parser: octets come in pieces, cut anywhere; of the bodies nothing is kept.
 *
 *     struct mime *m = mime_new();
 *     while (...) mime_feed(m, octets);
 *     mime_finish(m);
 *     for (unsigned i = 0; i < mime_count(m); i++) ... mime_part(m, i) ...
 *     mime_free(m);
 *
 * Heap, one owner.  Parts are in the order of their beginnings; part 0 is the message itself. */
#ifndef MOONPOST_MAIL_MIME_H
#define MOONPOST_MAIL_MIME_H

#include "mail/mime_header.h"
#include "mail/transfer.h"

/* What is beyond them is not taken apart, and mime_limited() says so. */
enum {
	MIME_DEPTH_MAX    = 20,          /* parts within parts */
	MIME_PARTS_MAX    = 1000,
	MIME_FIELDS_MAX   = 65536,       /* octets of one part's header that are looked at */
	MIME_MEMORY_MAX   = 1024 * 1024, /* octets kept of types, names and parameters */
	MIME_BOUNDARY_MAX = 200,         /* RFC 2046, 5.1.1: 70 */
};

enum { MIME_NO_PARENT = UINT32_MAX };

struct mime_part {
	struct slice       type;         /* "text/plain", lower case; never empty */
	struct mime_param *params;       /* of Content-Type */
	struct slice       disposition;  /* "attachment", lower case, or "" */
	struct slice       filename;     /* of Content-Disposition, else `name` of Content-Type, or "" */
	struct slice       encoding;     /* as the header names it, lower case, or "" */
	struct slice       id;           /* Content-ID without brackets, or "" */
	enum transfer_encoding transfer;
	uint64_t           header_offset, offset;     /* in the message: header, body */
	uint64_t           octets;       /* of the body, as it was sent */
	unsigned           parent;       /* index, or MIME_NO_PARENT */
	unsigned           depth;        /* 0: the message */
	unsigned           children;
	unsigned           number;       /* among the parts of its parent, from 1 */
};

struct mime;

struct mime *mime_new(void);
void mime_free(struct mime *m);                   /* NULL is fine */
void mime_feed(struct mime *m, struct slice octets);
void mime_finish(struct mime *m);                 /* nothing follows */

unsigned mime_count(const struct mime *m);
const struct mime_part *mime_part(const struct mime *m, unsigned i);
bool mime_limited(const struct mime *m);

#endif
