/* A compacted copy of an environment file, for backup and compact. */
#ifndef MOONPOST_STORE_COPY_H
#define MOONPOST_STORE_COPY_H

#include "store/env.h"
#include "store/maintain.h"

/* Write a snapshot of e without free pages into a new file and flush it.  0, or an LMDB code or
 * errno. */
int copy_environment(MDB_env *e, const char *file, maintain_progress_fn *progress, void *owner);

/* Open an environment file alone, without its lock file: nobody else may write to it. */
int copy_open(const char *file, MDB_env **e);

#endif
