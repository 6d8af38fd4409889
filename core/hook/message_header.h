/* The header of a message on its way in, as policy sees and changes it.  Changes are seen by
 * everybody who looks afterwards, and reach the octets with message_header_apply alone. */
#ifndef MOONPOST_HOOK_MESSAGE_HEADER_H
#define MOONPOST_HOOK_MESSAGE_HEADER_H

#include "hook/message.h"

/* A header that is longer can be neither looked at nor changed (smtp.max_header_octets is the limit
 * of those that are taken); what changes make of it may not be longer either. */
enum { MESSAGE_HEADER_MAX = 1024 * 1024 };

struct message_header {
	struct buf octets;                /* with the empty line, if there is one */
	bool       changed;
	unsigned   version;               /* counts changes */
};

/* Its octets, with the empty line; borrowed until the next change.  TOOBIG, IO. */
enum status message_header_read(struct message *m, struct slice *out);
unsigned message_header_version(const struct message *m);

/* utf8: the message may carry UTF-8 in its header (SMTPUTF8).  SYNTAX: a name or value that cannot
 * stand in a header; TOOBIG; IO.  A failure changes nothing.
 * add: behind all fields, or in front of all but Return-Path.  set: in place of the first field of
 * that name, the others of it are removed; where there is none it is added.  remove: all of it. */
enum status message_header_add(struct message *m, struct slice name, struct slice value, bool utf8, bool top);
enum status message_header_set(struct message *m, struct slice name, struct slice value, bool utf8);
enum status message_header_remove(struct message *m, struct slice name, unsigned *removed);

/* Write the message anew when its header was changed.  IO, NOSPACE, TOOBIG: it is useless then. */
enum status message_header_apply(struct message *m);

void message_header_free(struct message *m);

#endif
