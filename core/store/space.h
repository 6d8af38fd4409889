/* Room on the disk and in the map, and the ballast: a file that is given up when the disk is full,
 * so that deletions still find room. */
#ifndef MOONPOST_STORE_SPACE_H
#define MOONPOST_STORE_SPACE_H

#include <stdbool.h>

#include "store/env.h"

/* Octets an unprivileged writer still gets on the directory's file system; false with errno. */
bool space_free(const char *directory, uint64_t *octets);

/* Is the disk as good as full, so that an EIO of a commit means "no space"? */
bool space_exhausted(const struct store_settings *s);

void space_make_ballast(const struct store_settings *s);   /* when missing and there is plenty */
bool space_drop_ballast(const struct store_settings *s);   /* false: there was none */

/* Pages on LMDB's free list; walks it. */
uint64_t space_free_pages(struct store_env *e);

/* May a transaction that needs about that many pages begin?  Keeps a reserve for deletions. */
bool space_map_has_room(struct store_env *e, uint64_t pages);

#endif
