/* A generation: one loaded configuration with what belongs to it, TLS certificates and listening
 * sockets.  A reload makes the next one, which inherits the sockets of addresses that stay.
 * Lives in the master; workers have the copy that they were forked with. */
#ifndef MOONPOST_SERVER_GENERATION_H
#define MOONPOST_SERVER_GENERATION_H

#include "script/config.h"
#include "server/privilege.h"

struct generation_socket {
	struct address                address;
	const struct config_listener *listener;
	int                           fd;
	bool                          inherited;
};

struct generation {
	unsigned                  number;         /* 1, 2, ... */
	struct config            *config;
	struct tls_context       *tls;            /* NULL without certificates */
	struct privilege          privilege;
	struct generation_socket *sockets;
	unsigned                  socket_count;
};

/* Load, check, bind.  old: the generation to take sockets from, or NULL.  ticket_key: the same
 * for the whole life of the master.  NULL: error (heap, the caller frees) has one line per problem;
 * old is untouched. */
struct generation *server_generation_new(const char *file, const struct generation *old,
                                         const unsigned char *ticket_key, char **error);

/* Close the sockets that `next` (may be NULL) did not inherit, and free. */
void server_generation_free(struct generation *g, const struct generation *next);

/* Listen no more: clients are refused at once and need not wait for a server that ends. */
void server_generation_close(struct generation *g);

/* In a child: close the sockets of g (may be NULL) that are not among those of `keep`. */
void server_generation_forget(const struct generation *g, const struct generation *keep);

/* "smtp mta 127.0.0.1:2525 [::1]:2525; pop3 pop3 127.0.0.1:2110": what listens where. */
char *server_generation_text(const struct generation *g);

#endif
