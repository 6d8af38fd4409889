/* Searches over the octets of messages, 64 octets a step, with the widest vectors this machine
 * has: which, is chosen once, before main() begins.  All variants give the same answers. */
#ifndef MOONPOST_MAIL_SCAN_H
#define MOONPOST_MAIL_SCAN_H

#include "base/slice.h"

/* Where a pass over the lines of a text is; the text comes in pieces that end anywhere.  Only
 * CRLF ends a line; a bare CR or LF is an octet of its line. */
struct scan_lines {
	bool     at_start;                /* the next octet is the first of a line */
	bool     after_cr;                /* the last octet was a CR: bare, unless an LF follows */
	bool     bare;                    /* a bare CR or LF was seen */
	uint32_t octets;                  /* of the current line, without CRLF */
	uint32_t longest;                 /* longest line seen, the current one included */
};

/* Go over text up to the first dot that starts a line: its position, or s.len.  *lines tells
 * where the text in front of it leaves off; clear at_start to go on with the dot. */
size_t scan_lines(struct slice s, struct scan_lines *lines);

/* Position of the first LF that is followed by '.' (LF at s[i], '.' at s[i+1]), or s.len. */
size_t scan_dot_line(struct slice s);

/* What a reader of the text will want to know; it comes in pieces that end anywhere. */
struct scan_facts {
	char     before;                  /* the octet in front of s; LF where a text begins */
	bool     dot_line;                /* a dot was seen behind an LF */
	bool     eight_bit;               /* an octet above 127 was seen */
	uint64_t lines;                   /* CRLFs seen */
};

/* Add what s has. */
void scan_facts(struct slice s, struct scan_facts *facts);

/* For specs: the variants that this machine can run, the best one first, NULL after the last.
 * scan_use takes that one from now on, in the whole process; false if the machine cannot. */
const char *scan_variant(unsigned index);
bool scan_use(const char *variant);

#endif
