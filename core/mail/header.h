/* Header fields of a message (RFC 5322, 2.2), as a pull parser over its octets. */
#ifndef MOONPOST_MAIL_HEADER_H
#define MOONPOST_MAIL_HEADER_H

#include "base/slice.h"

struct header_field {
	struct slice name;                /* without the colon */
	struct slice value;               /* as it stands, folded, without the last CRLF */
	struct slice whole;               /* the octets of the field with its CRLFs */
};

/* Next field off the front of *in.  END at the empty line (taken off too), AGAIN when the field
 * is incomplete, SYNTAX when the line is no field (the line is taken off). */
enum status header_next(struct slice *in, struct header_field *out);

/* A counter that watches header octets pass in pieces: how many Received fields, how many octets.
 * For loop detection and the header limit while a message comes in. */
struct header_counter {
	unsigned received;                /* fields named Received (RFC 5321, 6.3) */
	uint64_t octets;                  /* header octets so far */
	bool     over;                    /* the empty line was seen */
	unsigned char match, column;      /* state */
};
void header_count(struct header_counter *c, struct slice octets);

#endif
