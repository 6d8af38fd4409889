/* Dictionaries in the memory of the store process: gone with it.  Used on its I/O loop alone, so
 * what all workers do to an entry happens one after the other.
 *
 * Entries of an owner are in the order of their keys (a skip list).  Room is counted in octets and
 * entries, for all and for each owner; when it is used up the entries that nobody asked for longest
 * go, first those that are over, then of the owner that is over its share, then of all. */
#ifndef MOONPOST_STORE_DICT_MEMORY_H
#define MOONPOST_STORE_DICT_MEMORY_H

#include "store/dict.h"
#include "store/store.h"

struct dict_memory;

struct dict_memory_numbers { uint64_t entries, octets, evicted, expired, refused; };

/* The settings are copied. */
struct dict_memory *dict_memory_new(const struct store_dict_settings *s);
void dict_memory_free(struct dict_memory *m);         /* NULL is fine */

/* Do it and append the answer.  OK; as dict_decide; TOOBIG: no room (DICT_REFUSE, or the entry alone
 * is larger than what there may be). */
enum status dict_memory_run(struct dict_memory *m, const struct dict_query *q, int64_t now_us,
                            struct buf *answer);

/* Free what has expired, at most so many entries; how many there were. */
unsigned dict_memory_sweep(struct dict_memory *m, int64_t now_us, unsigned budget);

void dict_memory_numbers(const struct dict_memory *m, struct dict_memory_numbers *n);

#endif
