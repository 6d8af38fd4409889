/* Mailboxes of other systems: Maildir with the UIDLs that Dovecot or Courier gave, and mbox.
 * Only files and formats; the store is the business of mailbox_import.c. */
#ifndef MOONPOST_COMMAND_FOREIGN_H
#define MOONPOST_COMMAND_FOREIGN_H

#include "base/arena.h"
#include "base/buf.h"

struct foreign_message {
	const char *path;                 /* Maildir: its file */
	const char *uidl;                 /* NULL: the old system had none, or it is not known */
	uint64_t    uid;                  /* place in the old system's order; 0: not known */
	int64_t     received;             /* seconds since 1970 */
};

struct foreign_maildir {
	struct arena            arena;
	struct foreign_message *messages;             /* in the order of the old system */
	unsigned                count, capacity;
};

/* "maildir", "mbox" or NULL. */
const char *foreign_recognise(const char *path);

/* List cur/ and new/, find the UIDLs.  False with error set (heap, the caller frees). */
bool foreign_maildir_open(struct foreign_maildir *m, const char *path, char **error);
void foreign_maildir_close(struct foreign_maildir *m);

/* Message after message of an mbox file: text is the true octets (line ends as they stand, ">From "
 * unquoted, X-UIDL taken out).  OK, END, IO. */
struct foreign_mbox;
struct foreign_mbox *foreign_mbox_open(const char *path, uint64_t *octets);     /* NULL with errno */
enum status foreign_mbox_next(struct foreign_mbox *m, struct foreign_message *out, struct buf *text);
uint64_t foreign_mbox_position(const struct foreign_mbox *m);
void foreign_mbox_close(struct foreign_mbox *m);

/* LF, CR and CRLF all become CRLF (RFC 5322, 2.3). */
void foreign_to_crlf(struct slice text, struct buf *out);
void foreign_to_lf(struct slice text, struct buf *out);

#endif
