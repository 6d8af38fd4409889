/* Values with parameters: Content-Type, Content-Disposition (RFC 2045, 5.1; RFC 2183; RFC 2231).
 * Lenient: what cannot be understood is left out. */
#ifndef MOONPOST_MAIL_MIME_HEADER_H
#define MOONPOST_MAIL_MIME_HEADER_H

#include "base/arena.h"

/* Parameters of one field, octets of one of them; what is more is left out. */
enum { MIME_HEADER_PARAMS = 64, MIME_HEADER_VALUE = 8192 };

struct mime_param { struct mime_param *next; struct slice name, value; };

/* value as it stands, folded.  *main: the word or type/subtype in front, lower case.  Parameters in
 * the order they stand in; names lower case, continued and encoded ones (RFC 2231, 3 and 4) put
 * together as UTF-8.  All of it lives in the arena. */
void mime_header_parse(struct slice value, struct arena *a, struct slice *main,
                       struct mime_param **params);

/* The value of the first parameter of that name, or SLICE_NONE. */
struct slice mime_header_param(const struct mime_param *params, const char *name);

#endif
