/* The control socket: how the command line talks to a running server.  One JSON object per line
 * in each direction; the socket file is readable by the owner alone.
 *
 *   {"command":"status"}                      -> {"ok":true, ...}; with "plugins":true their hooks
 *   {"command":"reload"}                      -> {"ok":true} or {"ok":false,"errors":"..."}
 *   {"command":"reload","plugin":"NAME"}      -> the same; or "plugins":true for all
 *   {"command":"stop"}                        -> {"ok":true}, then the end of the connection
 *   {"command":"why","id":"k3f9xw"}           -> {"ok":true,"decisions":[{...}]}; id: of a reply or session
 *   {"command":"trace","filter":{"ip":"..."}} -> {"ok":true}, then one object per event */
#ifndef MOONPOST_SERVER_CONTROL_H
#define MOONPOST_SERVER_CONTROL_H

#include "server/master.h"
#include "server/transcript.h"

struct control;

/* Listen on path.  NULL with error set (heap, the caller frees). */
struct control *server_control_new(struct master *m, const char *path, char **error);
void server_control_free(struct control *c);              /* unlinks the socket; NULL is fine */

/* In a child: close descriptors, touch nothing else. */
void server_control_forget(struct control *c);

/* In a new worker: what is traced already, so that not one line of its first session is missed. */
void server_control_inherit(const struct control *c, struct transcript *t);

/* From the workers. */
void server_control_traced(struct control *c, struct slice text);
void server_control_numbers(struct control *c, struct slice text);

/* status.c: the answer to status, but for the store's numbers. */
struct cJSON;
struct cJSON *server_control_status(const struct master *m, bool plugins);

#endif
