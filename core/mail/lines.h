/* Lines, strictly ended by CRLF (RFC 5321, 2.3.8): a bare CR or LF never ends anything. */
#ifndef MOONPOST_MAIL_LINES_H
#define MOONPOST_MAIL_LINES_H

#include "base/slice.h"

/* Take one line off the front of *in.
 * OK: *line is it without CRLF, *in starts after it.  AGAIN: incomplete, nothing consumed.
 * SYNTAX: a bare CR or bare LF comes first: *line is everything up to the next CRLF without it,
 *   *in starts after that CRLF; or AGAIN while that CRLF is not there yet.
 * TOOBIG: no CRLF within max octets (CRLF counted), nothing consumed: see lines_skip. */
enum status lines_next(struct slice *in, size_t max, struct slice *line);

/* Drop octets up to and with the next CRLF.  OK when it was found; AGAIN: all but a possible CR
 * at the end was dropped. */
enum status lines_skip(struct slice *in);

#endif
