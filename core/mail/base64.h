/* base64 (RFC 4648, 4), strict: padding is required, nothing else is allowed. */
#ifndef MOONPOST_MAIL_BASE64_H
#define MOONPOST_MAIL_BASE64_H

#include "base/buf.h"

enum status base64_decode(struct slice in, struct buf *out);          /* SYNTAX, TOOBIG */
enum status base64_encode(struct slice in, struct buf *out);          /* TOOBIG */

#endif
