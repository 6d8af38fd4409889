/* Memory that is freed together: one arena per mail transaction or per configuration.
 *
 * Embedded in its owner.  Nothing taken from an arena is freed on its own. */
#ifndef MOONPOST_BASE_ARENA_H
#define MOONPOST_BASE_ARENA_H

#include "base/slice.h"

struct arena_block;

struct arena {
	struct arena_block *blocks;    /* newest first */
	size_t              taken;     /* bytes handed out since the last reset */
};

void  arena_init(struct arena *a);
void *arena_alloc(struct arena *a, size_t size);              /* zeroed, aligned for any type */
char *arena_strdup(struct arena *a, struct slice s);          /* NUL-terminated copy */
struct slice arena_copy(struct arena *a, struct slice s);     /* copy as a slice */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void  arena_reset(struct arena *a);                           /* free everything; usable again */
void  arena_wipe(struct arena *a);                            /* the same for secrets: overwritten first */

#endif
