/* Encoded words (RFC 2047): text that is not ASCII in header fields that are. */
#ifndef MOONPOST_MAIL_WORDS_H
#define MOONPOST_MAIL_WORDS_H

#include "base/buf.h"

/* UTF-8 text with its words that are not ASCII encoded; each encoded word has at most 75 octets and
 * may be folded behind.  TOOBIG. */
enum status words_encode(struct slice utf8, struct buf *out);

/* Text with its encoded words decoded, as UTF-8.  Charsets: UTF-8, US-ASCII, ISO-8859-1; what is of
 * another charset, or broken, stays as it is.  TOOBIG. */
enum status words_decode(struct slice text, struct buf *out);

/* Append octets of a charset as UTF-8.  UNSUPPORTED: a charset that is not known here, or broken
 * UTF-8; nothing is appended. */
enum status words_convert(struct slice octets, struct slice charset, struct buf *out);

#endif
