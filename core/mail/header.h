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

/* The same when nothing follows behind *in: a field that ends with the input is whole.  END also
 * when nothing is left; never AGAIN. */
enum status header_next_of_whole(struct slice *in, struct header_field *out);

/* A counter that watches a message pass in pieces: how many Received fields, how many octets of
 * header.  For loop detection and the header limit while a message comes in.  The header is over
 * at the empty line, or in front of a line that is no field (a message without a header).
 * Starts zeroed. */
struct header_counter {
	unsigned received;                /* fields named Received (RFC 5321, 6.3) */
	uint64_t octets;                  /* header octets so far, the empty line included */
	bool     over;
	unsigned char match, column;      /* state: how far the name matched; octets of the line */
	bool     after_cr;
};
void header_count(struct header_counter *c, struct slice octets);

#endif
