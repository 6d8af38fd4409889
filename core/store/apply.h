/* Requests become changes inside the writer's transaction. */
#ifndef MOONPOST_STORE_APPLY_H
#define MOONPOST_STORE_APPLY_H

#include <stdatomic.h>

#include "store/mailbox.h"
#include "store/request.h"

/* Message ids are taken in blocks; the end of the block is durable before an id behind it is
 * used, and a restart goes on with the next block, so no id is ever used twice. */
enum { APPLY_ID_BLOCK = 65536 };
struct apply_ids { _Atomic uint64_t next, limit; };

struct apply {
	struct store_tx    tx;
	struct store_quota quota;         /* of mailboxes without one of their own */
	struct apply_ids  *ids;
	const struct store_dict_settings *dict;
};

/* Skip to the next block and reserve it; LMDB code. */
int apply_ids_begin(struct apply *a);
/* Reserve another block when this one is half used: *limit is to be published after commit. */
int apply_ids_extend(struct apply *a, uint64_t *limit);
/* An id for a file that gets its name before its row exists; false: no reserved id is left. */
bool apply_ids_take(struct apply_ids *ids, uint64_t *id);

/* Do it and set the answer in r.  Logical failures (over quota, no such user) are answers; they
 * change nothing and return 0.  An LMDB code means: abort the transaction.  May be called again
 * for the same request in another transaction. */
int apply_request(struct apply *a, struct store_request *r);

/* Free what deletions left behind, at most budget pages; *freed counts them, *more: there is work
 * left. */
int apply_gc(struct apply *a, uint32_t budget, uint32_t *freed, bool *more);

#endif
