/* Certificates that plugins give by server name (the hook `certificate`), kept for a while: the one
 * question that is asked before there is a protocol machine. */
#ifndef MOONPOST_SERVER_CERTIFICATES_H
#define MOONPOST_SERVER_CERTIFICATES_H

#include "server/connection.h"

struct certificates;

struct certificates *server_certificates_new(void);
void server_certificates_free(struct certificates *s);    /* NULL is fine */

/* events->certificate of a connection's stream. */
bool server_certificates_ask(struct connection *c, const char *name);

/* The connection ends: no answer is wanted any more. */
void server_certificates_cancel(struct connection *c);

#endif
