/* ESMTP parameters behind MAIL and RCPT (RFC 5321, 4.1.2) and xtext (RFC 3461, 4). */
#ifndef MOONPOST_MAIL_PARAMS_H
#define MOONPOST_MAIL_PARAMS_H

#include "base/buf.h"

/* Take the next "KEYWORD[=value]" off the front of *in, skipping spaces.  value: SLICE_NONE (ptr
 * NULL) without "=".  END when nothing is left, SYNTAX. */
enum status params_next(struct slice *in, struct slice *keyword, struct slice *value);

enum status params_xtext_decode(struct slice in, struct buf *out);    /* SYNTAX */
void        params_xtext_encode(struct slice in, struct buf *out);

#endif
