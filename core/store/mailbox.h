/* Mailboxes, rows and counters inside a transaction.  Functions return LMDB codes: anything that
 * is not 0 (and not MDB_NOTFOUND of a look-up) means that the transaction has to be aborted. */
#ifndef MOONPOST_STORE_MAILBOX_H
#define MOONPOST_STORE_MAILBOX_H

#include "store/env.h"
#include "store/schema.h"

struct store_quota { uint64_t octets, messages; };

int store_mailbox_find(const struct store_tx *t, struct slice name, uint64_t *id);
int store_mailbox_load(const struct store_tx *t, uint64_t id, struct mbox_value *v);
int store_mailbox_save(const struct store_tx *t, uint64_t id, const struct mbox_value *v);

/* A new, empty mailbox with a uidvalidity that none ever had. */
int store_mailbox_create(const struct store_tx *t, struct slice name, uint64_t *id,
                         struct mbox_value *v);

/* Would one more message of that many octets break the quota? */
bool store_mailbox_full(const struct mbox_value *v, uint64_t octets,
                        const struct store_quota *otherwise);

/* Append a row and count it in *v (not saved); the uid that it got is v->uidnext before. */
int store_mailbox_add_row(const struct store_tx *t, uint64_t id, struct mbox_value *v,
                          const struct row_value *row);
/* The same under a UIDL of another system. */
int store_mailbox_add_uidl(const struct store_tx *t, uint64_t id, uint64_t uid, struct slice uidl);
int store_mailbox_has_uidl(const struct store_tx *t, uint64_t id, struct slice uidl, bool *has);

/* Delete a row with its UIDL and one reference to its message, and count that in *v (may be
 * NULL).  MDB_NOTFOUND when there is no such row. */
int store_mailbox_del_row(const struct store_tx *t, uint64_t id, struct mbox_value *v,
                          uint64_t uid);

/* Forget name and counters at once; the rows go later, in slices (gc). */
int store_mailbox_drop(const struct store_tx *t, struct slice name, uint64_t id);

#endif
