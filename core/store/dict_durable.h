/* Dictionaries in the environment, for what must outlive a restart: changed inside the writer's
 * transactions, read by workers from their own view.
 *
 *   dict      owner, NUL, key                 version, type, expires u64, number u64 or octets
 *   dictdue   expires u64, owner, NUL, key    (only the version octet): what to sweep, and when
 *   dictsum   owner; "" is all                version, entries u64, octets u64
 *
 * Expiry is in microseconds of the wall clock.  Functions say LMDB codes unless they say a status. */
#ifndef MOONPOST_STORE_DICT_DURABLE_H
#define MOONPOST_STORE_DICT_DURABLE_H

#include "store/dict.h"
#include "store/env.h"

struct dict_sum { uint64_t entries, octets; };

/* Change an entry inside a write transaction.  *st and the answer as in dict_decide; TOOBIG also
 * when the owner or all of them have what the settings allow. */
int dict_durable_change(const struct store_tx *t, const struct store_dict_settings *s,
                        const struct dict_query *q, int64_t now_us, struct buf *answer,
                        enum status *st);

/* Remove at most budget expired entries; *removed counts them. */
int dict_durable_sweep(const struct store_tx *t, int64_t now_us, unsigned budget,
                       unsigned *removed);

/* Is there something to sweep? */
bool dict_durable_due(const struct store_tx *t, int64_t now_us);

/* What the owner (or "" for all) has; zero when there is no record. */
int dict_durable_sum(const struct store_tx *t, struct slice owner, struct dict_sum *sum);

/* GET and LIST in a view; the answer's slices point into the map, but for list, into `list`. */
enum status dict_durable_get(const struct store_tx *t, const struct dict_query *q, int64_t now_us,
                             struct dict_answer *a);
enum status dict_durable_list(const struct store_tx *t, const struct dict_query *q, int64_t now_us,
                              struct buf *list, struct dict_answer *a);

/* Do entries, due times and sums agree?  problem() gets a sentence for each that does not. */
void dict_durable_check(const struct store_tx *t, void (*problem)(void *owner, const char *text),
                        void *owner, uint64_t *entries);

#endif
