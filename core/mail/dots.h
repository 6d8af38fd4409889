/* Dot-stuffing (RFC 5321, 4.5.2; RFC 1939, 3), both ways, in a stream that is cut anywhere. */
#ifndef MOONPOST_MAIL_DOTS_H
#define MOONPOST_MAIL_DOTS_H

#include "mail/scan.h"

#include "base/buf.h"

/* The receiving side: DATA until CRLF.CRLF. */
struct dots_reader {
	unsigned char state;
	struct scan_lines lines;          /* bare: refuse after the end; a stuffed dot is not counted */
};

void dots_reader_init(struct dots_reader *r);

/* Take octets off the front of *in; *text is the next run of message octets, unstuffed, borrowed
 * from *in (no copy; a run ends where a stuffed dot was left out or where the input ends).
 * *text is to be used whatever is returned, and may be empty.
 * OK: there is more in *in, call again.  END: the final dot was read, *in starts behind it.
 * AGAIN: *in is used up (all of it was taken). */
enum status dots_read(struct dots_reader *r, struct slice *in, struct slice *text);

/* The sending side.  Only CRLF ends a line here too, so that dots_read gives back the same octets. */
struct dots_writer {
	bool inside;                      /* false: at the start of a line */
	bool after_cr;
};

void dots_writer_init(struct dots_writer *w);
enum status dots_write(struct dots_writer *w, struct slice text, struct buf *out);

/* CRLF if the text did not end with one, then ".CRLF". */
enum status dots_finish(struct dots_writer *w, struct buf *out);

#endif
