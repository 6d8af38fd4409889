/* Unlinks the blob files of deleted messages, on a flush thread, and has the writer forget their
 * gc records afterwards.  Rests while a backup copies files (STORE_LOCK_FILES). */
#ifndef MOONPOST_STORE_FILE_GC_H
#define MOONPOST_STORE_FILE_GC_H

#include "store/apply.h"

struct file_gc;

struct file_gc_events {
	void (*submit)(void *owner, struct store_request *r);   /* to the writer */
	void (*rested)(void *owner);                            /* nothing is under way any more */
};

struct file_gc *file_gc_new(struct loop *l, struct work_pool *pool, struct store_env *e,
                            struct apply_ids *ids, const struct file_gc_events *events,
                            void *owner);
void file_gc_free(struct file_gc *g);             /* NULL is fine */

void file_gc_soon(struct file_gc *g);             /* there may be work */
void file_gc_committed(struct file_gc *g, enum status st);      /* the writer did its part */
bool file_gc_busy(const struct file_gc *g);

#endif
