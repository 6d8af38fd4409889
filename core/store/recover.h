/* What the store process puts right when it starts. */
#ifndef MOONPOST_STORE_RECOVER_H
#define MOONPOST_STORE_RECOVER_H

#include "store/env.h"

/* Free the reader slots of dead processes, unlink blob files that got their name but no row
 * before a crash, and leftovers in the spool and of a compaction. */
void recover_directory(struct store_env *e);

#endif
