/* What the store process puts right when it starts. */
#ifndef MOONPOST_STORE_RECOVER_H
#define MOONPOST_STORE_RECOVER_H

#include "store/env.h"

/* Free the reader slots of dead processes, unlink blob files that got their name but no row
 * before a crash, and leftovers in the spool and of a compaction.
 *
 * Call it after the first write transaction and before the first request: when a writer was killed
 * between writing its meta page and publishing it, readers see the state before, until the next
 * writer takes over the lock. */
void recover_directory(struct store_env *e);

#endif
