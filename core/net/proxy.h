/* The PROXY protocol header, versions 1 and 2, as a pull parser without I/O. */
#ifndef MOONPOST_NET_PROXY_H
#define MOONPOST_NET_PROXY_H

#include "base/slice.h"
#include "net/listen.h"

struct proxy_header {
	bool           local;             /* LOCAL or UNKNOWN: use the connection's own addresses */
	struct address source, destination;
	bool           tls;               /* v2 PP2_TYPE_SSL said the client used TLS */
};

/* OK: *out is set and *in starts behind the header.  AGAIN: incomplete.  SYNTAX: not a PROXY
 * header (at most 536 octets are looked at). */
enum status proxy_parse(struct slice *in, struct proxy_header *out);

#endif
