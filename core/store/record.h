/* Records of the directory (users, domains, aliases) as octets in the environment and on the
 * wire.  First octet: version. */
#ifndef MOONPOST_STORE_RECORD_H
#define MOONPOST_STORE_RECORD_H

#include "base/arena.h"
#include "base/buf.h"
#include "store/client.h"

void record_put_user(struct buf *out, const struct store_user *u);
void record_put_domain(struct buf *out, const struct store_domain *d);
void record_put_alias(struct buf *out, const struct store_alias *a);

/* Everything is copied to the arena.  CORRUPT. */
enum status record_get_user(struct slice name, struct slice in, struct arena *a,
                            struct store_user *u);
enum status record_get_domain(struct slice name, struct slice in, struct arena *a,
                              struct store_domain *d);
enum status record_get_alias(struct slice address, struct slice in, struct arena *a,
                             struct store_alias *out);

#endif
