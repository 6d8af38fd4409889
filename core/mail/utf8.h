/* UTF-8 as SMTPUTF8 and UTF8 of POP3 allow it (RFC 3629). */
#ifndef MOONPOST_MAIL_UTF8_H
#define MOONPOST_MAIL_UTF8_H

#include "base/slice.h"

bool utf8_valid(struct slice s);                  /* no overlong forms, no surrogates, at most U+10FFFF */
bool utf8_ascii(struct slice s);                  /* no octet above 127 */

#endif
