/* A hash map from byte strings to pointers.  Keys are copied; values are the caller's.
 * The hash is keyed per process, so that a peer cannot choose colliding keys. */
#ifndef MOONPOST_BASE_MAP_H
#define MOONPOST_BASE_MAP_H

#include "base/slice.h"

/* Who does not know the seed cannot choose keys that share a value. */
uint64_t map_hash(struct slice key, uint64_t seed);

struct map_entry;

struct map {
	struct map_entry **buckets;
	size_t             bucket_count, count;
};

void  map_init(struct map *m);
void *map_get(const struct map *m, struct slice key);                /* NULL when absent */
void *map_put(struct map *m, struct slice key, void *value);         /* the old value, or NULL */
void *map_remove(struct map *m, struct slice key);                   /* the old value, or NULL */
void  map_free(struct map *m, void (*free_value)(void *value));      /* free_value may be NULL */

/* Visit all; the callback may not change the map.  False stops the walk. */
void map_each(const struct map *m, bool (*fn)(void *arg, struct slice key, void *value), void *arg);

#endif
