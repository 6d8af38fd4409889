/* A maildrop for a command, opened and locked as a POP3 session would. */
#ifndef MOONPOST_COMMAND_DROP_H
#define MOONPOST_COMMAND_DROP_H

#include "command/access.h"
#include "hook/mailbox.h"

/* NULL after a complaint (in use, not readable), *code is the exit code. */
struct maildrop *drop_open(struct access *a, const char *mailbox, int *code);

/* Octets from offset, at least one, appended to out; none at the end of the message. */
enum status drop_read(struct access *a, struct maildrop *m, unsigned index, uint64_t offset,
                      struct buf *out);

/* Delete all its messages. */
enum status drop_empty(struct access *a, struct maildrop *m);

#endif
