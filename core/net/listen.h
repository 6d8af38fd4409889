/* Listening sockets, and accepting from them. */
#ifndef MOONPOST_NET_LISTEN_H
#define MOONPOST_NET_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct loop;

struct address {
	char           ip[46];            /* textual, no brackets; "*": all of IPv4 and IPv6 */
	unsigned short port;
	bool           ipv6;
};

/* "127.0.0.1:2525", "[::1]:2525", "*:25" (all IPv4 and IPv6), ":25".  Port 0: any free one.
 * SYNTAX. */
enum status address_parse(const char *text, struct address *out);

/* "127.0.0.1:2525", "[::1]:2525". */
void address_format(const struct address *a, char *out, size_t size);

/* Whether it is the "*" address. */
bool address_is_any(const struct address *a);

/* The address the descriptor is bound to; false with errno.  IPv4 mapped into IPv6 is IPv4. */
bool address_local(int fd, struct address *out);

/* Bind and listen; the descriptor or -1 with errno.  IPv6 sockets are IPv6 only, but "*" is one
 * socket for both (IPv4 alone on machines without IPv6). */
int listen_open(const struct address *a, int backlog);

/* Who has that port: "nginx (process 812)" or "" when it cannot be seen.  For messages. */
void listen_holder(const struct address *a, char *out, size_t size);

struct acceptor;
typedef void accepted_fn(void *owner, int fd, const struct address *peer,
                         const struct address *local);

/* Accept from fd (borrowed) until freed; fn takes over the non-blocking descriptor and may free
 * the acceptor.  Out of descriptors: one log line, then it tries again every 100 ms. */
struct acceptor *acceptor_new(struct loop *l, int fd, accepted_fn *fn, void *owner);
void acceptor_pause(struct acceptor *a, bool paused);
void acceptor_free(struct acceptor *a);

#endif
