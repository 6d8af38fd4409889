/* Bodies: chunks of one page in the environment, or files under blobs/.  What references reach
 * zero is handed to gc. */
#ifndef MOONPOST_STORE_BODY_H
#define MOONPOST_STORE_BODY_H

#include "store/env.h"
#include "store/schema.h"

enum { BLOB_DIRECTORY_SHIFT = 16 };      /* ids that share a directory: one block of message ids */
enum { STORE_PATH_MAX = 4096 };

/* LMDB codes. */
int store_body_put(const struct store_tx *t, uint64_t msgid, struct slice octets);
/* One chunk; the slice points into the map. */
int store_body_get(const struct store_tx *t, uint64_t msgid, uint32_t chunk, struct slice *out);
/* Delete at most budget chunks, from the last towards the first; *left tells how many remain. */
int store_body_del(const struct store_tx *t, uint64_t msgid, uint32_t chunks, uint32_t budget,
                   uint32_t *left);
int store_body_load(const struct store_tx *t, uint64_t msgid, struct msg_value *v);
int store_body_save(const struct store_tx *t, uint64_t msgid, const struct msg_value *v);

/* One reference less; the last one deletes the msg row and leaves the octets to gc. */
int store_body_unref(const struct store_tx *t, uint64_t msgid);

/* Copy a whole file and flush the copy; 0 or errno. */
int store_body_copy(int from, int to);

/* "<path>/blobs/<block>/<msgid>" in hexadecimal digits; false when it does not fit. */
bool store_body_path(const char *directory, uint64_t msgid, char out[STORE_PATH_MAX]);

/* Flush the unnamed file, give it its name, flush the directory; for a flush thread.
 * OK, NOSPACE, IO (errno kept). */
enum status store_body_link(const char *directory, uint64_t msgid, int fd);
/* Take the name away, and the directory when it became empty and is not a current one. */
enum status store_body_unlink(const char *directory, uint64_t msgid, uint64_t current);

#endif
