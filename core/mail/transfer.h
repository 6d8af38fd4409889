/* Content-Transfer-Encoding undone (RFC 2045, 6), in a stream that is cut anywhere.  Lenient, as
 * readers of mail must be: what does not belong to the encoding is skipped or passed on. */
#ifndef MOONPOST_MAIL_TRANSFER_H
#define MOONPOST_MAIL_TRANSFER_H

#include "base/buf.h"

enum transfer_encoding {
	TRANSFER_IDENTITY,               /* 7bit, 8bit, binary, and names nobody knows */
	TRANSFER_BASE64,
	TRANSFER_QUOTED_PRINTABLE,
};

/* The encoding of a name, any case. */
enum transfer_encoding transfer_by_name(struct slice name);

struct transfer {
	enum transfer_encoding encoding;
	uint32_t bits;                   /* base64: digits not yet written */
	unsigned digits;
	char     held[3];                /* quoted-printable: "=" and what may belong to it */
	unsigned held_count;
	struct buf blanks;               /* quoted-printable: dropped in front of a line end */
};

void transfer_init(struct transfer *t, enum transfer_encoding encoding);
void transfer_clear(struct transfer *t);

/* Append the decoded octets of in.  TOOBIG. */
enum status transfer_decode(struct transfer *t, struct slice in, struct buf *out);

/* Nothing follows: what is held back. */
enum status transfer_finish(struct transfer *t, struct buf *out);

#endif
