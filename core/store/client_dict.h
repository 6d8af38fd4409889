/* The worker's side of dictionaries.  Durable ones are read at once from the worker's own view of
 * the environment; everything else is a request to the store process, pipelined with the others. */
#ifndef MOONPOST_STORE_CLIENT_DICT_H
#define MOONPOST_STORE_CLIENT_DICT_H

#include "store/client.h"
#include "store/dict.h"

struct client_dict;                   /* a request under way */

/* OK with the answer, valid during the call; UNSUPPORTED, DENIED and TOOBIG as in dict.h; NOSPACE: the disk
 * is full; TEMPFAIL, OVERLOAD, IO: the store process is away or too busy, what became of the request
 * is not known; CANCELED: the client was freed. */
typedef void client_dict_fn(void *owner, enum status st, const struct dict_answer *a);

/* Ask the store process.  The query is copied.  done comes later, or before this returns; NULL is
 * returned then, else what client_dict_cancel takes. */
struct client_dict *client_dict_ask(struct store_client *c, const struct dict_query *q,
                                    client_dict_fn *done, void *owner);
void client_dict_cancel(struct client_dict *d);       /* done will not come */

/* GET and LIST of durable ones, at once.  The answer lives in out. */
enum status client_dict_read(struct store_client *c, const struct dict_query *q, struct buf *out,
                             struct dict_answer *a);

#endif
