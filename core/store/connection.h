/* One client's connection inside the store process: frames in, replies out. */
#ifndef MOONPOST_STORE_CONNECTION_H
#define MOONPOST_STORE_CONNECTION_H

#include "net/loop.h"
#include "store/request.h"

struct connection_owner {
	struct loop *loop;
	struct list  connections;
	/* Takes over the request. */
	void (*received)(struct connection_owner *o, struct store_request *r);
	/* A client is gone. */
	void (*lost)(struct connection_owner *o);
};

void connection_new(struct connection_owner *o, int fd);      /* takes over fd */

/* Queue the answer and free the request; connection_flush_all sends what is queued. */
void connection_reply(struct store_request *r, struct slice payload);
void connection_flush_all(struct connection_owner *o);

/* Off: nothing is read, the clients' sockets fill. */
void connection_read_all(struct connection_owner *o, bool on);

/* Requests that wait for their answer. */
unsigned connection_in_flight(const struct connection_owner *o);

/* Try for at most that long to get the replies out, then close everything. */
void connection_close_all(struct connection_owner *o, int timeout_ms);

#endif
