/* Group commit: one thread takes everything that is queued, puts it into one transaction,
 * commits, and hands the requests back with their answers.  Nobody is told OK before the commit
 * returned.
 *
 * submit, finished and numbers are called on the loop's thread. */
#ifndef MOONPOST_STORE_WRITER_H
#define MOONPOST_STORE_WRITER_H

#include "store/apply.h"
#include "store/client.h"

struct store_writer;

/* wake_fd: an eventfd, written to whenever finished requests wait.  NULL when the environment
 * cannot be written or the thread not be made (logged). */
struct store_writer *store_writer_new(struct store_env *e, const struct store_settings *s,
                                      int wake_fd);

void store_writer_submit(struct store_writer *w, struct store_request *r);

/* Move the finished requests to the (empty) list. */
void store_writer_finished(struct store_writer *w, struct list *out);

/* Is the queue above its limits?  Then the sockets are not read. */
bool store_writer_busy(struct store_writer *w);

/* The environment cannot be trusted any more: the process has to end. */
bool store_writer_failed(struct store_writer *w);

struct apply_ids *store_writer_ids(struct store_writer *w);

/* Ask for a transaction even if nothing is queued: gc and message ids. */
void store_writer_nudge(struct store_writer *w);

/* Fill in what the writer knows. */
void store_writer_numbers(struct store_writer *w, struct store_numbers *n);

/* Commit everything queued, end the thread; finished requests can still be taken. */
void store_writer_stop(struct store_writer *w);
void store_writer_free(struct store_writer *w);

#endif
