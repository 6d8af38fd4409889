/* Writing one header field (RFC 5322, 2.2): its name and value are checked, long lines are folded,
 * text that is not ASCII becomes encoded words.  Nothing that could end the field gets through. */
#ifndef MOONPOST_MAIL_FIELD_H
#define MOONPOST_MAIL_FIELD_H

#include "base/buf.h"

enum {
	FIELD_NAME_MAX  = 76,            /* name and colon fit into a line of 78 */
	FIELD_VALUE_MAX = 65536,         /* octets */
	FIELD_FOLD      = 78,            /* octets of a line, where there is a blank to fold at */
	FIELD_LINE_MAX  = 998,           /* RFC 5322, 2.1.1 */
};

/* ftext = %d33-57 / %d59-126 (RFC 5322, 3.6.8) */
bool field_name_valid(struct slice name);

/* One line of text: no controls but the tab, valid UTF-8.  SYNTAX, TOOBIG. */
enum status field_value_check(struct slice value);

/* "Name: value" CRLF.  utf8: text may stay as it is (SMTPUTF8, RFC 6532).  SYNTAX for a name or value
 * that is not valid, TOOBIG when a word is longer than a line may be, or the value too long. */
enum status field_write(struct slice name, struct slice value, bool utf8, struct buf *out);

#endif
