/* Maintenance of the store for the command line: check, backup, compact.
 * They work while the store process runs (backup, check) or need it stopped (compact says so). */
#ifndef MOONPOST_STORE_MAINTAIN_H
#define MOONPOST_STORE_MAINTAIN_H

#include "store/store.h"

/* Called now and then with what is done and how much there is; total 0: not known. */
typedef void maintain_progress_fn(void *owner, const char *what, uint64_t done, uint64_t total);

/* Called for each thing found wrong: one English sentence naming key and numbers. */
typedef void maintain_problem_fn(void *owner, const char *text);

struct maintain_report {
	uint64_t mailboxes, rows, messages, octets, files, problems;
	uint64_t entries;                 /* of durable dictionaries */
};

/* Counters = rows, refs = rows, crc32c of every body, files = msg rows, sums of dictionaries.  OK
 * with problems > 0 is possible: read the report. */
enum status maintain_check(const struct store_settings *s, maintain_progress_fn *progress,
                           maintain_problem_fn *problem, void *owner,
                           struct maintain_report *report, char **error);

/* A consistent copy in the directory `to` (must not exist or be empty). */
enum status maintain_backup(const struct store_settings *s, const char *to,
                            maintain_progress_fn *progress, void *owner, char **error);

/* Rewrite the environment without free pages.  BUSY while the store process runs. */
enum status maintain_compact(const struct store_settings *s, maintain_progress_fn *progress,
                             void *owner, uint64_t *before, uint64_t *after, char **error);

#endif
