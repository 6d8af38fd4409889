/* The lock of a maildrop (RFC 1939, 8): an OFD lock on one file per mailbox.  It conflicts within
 * and across processes, and the kernel frees it with the process. */
#ifndef MOONPOST_STORE_LOCK_H
#define MOONPOST_STORE_LOCK_H

#include "base/slice.h"

/* OK: *fd holds the lock until closed.  last_use (may be NULL): the time of the last lock_used, or
 * when the file was made; 0 if it is made now.  BUSY, IO. */
enum status lock_take(const char *directory, struct slice mailbox, int *fd, int64_t *last_use);

/* The holder of fd remembers seconds since 1970 as last_use of the next. */
void lock_used(int fd, int64_t seconds);

/* Remove the file of a mailbox that is no more; the caller holds its lock. */
void lock_remove(const char *directory, struct slice mailbox);

#endif
