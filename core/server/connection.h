/* One client: its stream, its protocol machine, and the octets between them.
 *
 *   PROXY header -> TLS handshake (implicit TLS) -> talking <-> STARTTLS/STLS -> closing -> gone
 *
 * Nothing is freed inside an event of the stream: an ended connection goes on the next turn. */
#ifndef MOONPOST_SERVER_CONNECTION_H
#define MOONPOST_SERVER_CONNECTION_H

#include "net/listen.h"
#include "net/stream.h"
#include "server/worker.h"

enum connection_phase { CONNECTION_PROXY, CONNECTION_HANDSHAKE, CONNECTION_TALKING,
                        CONNECTION_CLOSING, CONNECTION_GONE };

struct connection {
	struct list           link;
	struct worker        *worker;
	const struct service_settings *service;
	struct stream        *stream;
	struct machine       *machine;        /* NULL before talking and for refused clients */
	struct facts         *facts;          /* heap, until the machine takes them over */
	enum connection_phase phase;
	struct timer          timeout;        /* of the phase, or the machine's */
	struct timer          lifetime;
	struct tick           turn;
	struct certificate_asked *certificate;   /* certificates.c: a question in flight, or NULL */
	bool                  tls_pending;    /* STARTTLS: the reply is on its way out */
	bool                  blocked;        /* too much unwritten output: no feeding */
	bool                  delaying;
	uint64_t              counted;        /* where on the board; 0: it is not */
};

/* Takes over the descriptor. */
void server_connection_new(struct worker *w, const struct service_settings *service, int fd,
                           const struct address *peer, const struct address *local);

/* The server stops: end the session politely, or at once. */
void server_connection_end(struct connection *c, bool at_once);

#endif
