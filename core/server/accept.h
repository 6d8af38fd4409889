/* Accepting clients: the one place that puts a stream, a protocol machine and the answerers
 * together, and the limits that a client meets before it may speak. */
#ifndef MOONPOST_SERVER_ACCEPT_H
#define MOONPOST_SERVER_ACCEPT_H

#include "hook/machine.h"
#include "server/worker.h"

/* What all sessions of one listener have in common. */
struct service_settings {
	const struct config_listener *listener;
	bool                 implicit_tls;
	bool                 smtp_protocol;
	struct smtp_settings smtp;            /* the configured ones with this service's switches */
};

struct accept;

/* Start accepting on all sockets of the worker's generation. */
struct accept *server_accept_new(struct worker *w);
void server_accept_stop(struct accept *a);        /* no new clients; sessions go on */
void server_accept_free(struct accept *a);

/* Count the client against the limits: its place on the board (server_board_leave), or 0 and
 * refusal is the line to send, without CRLF. */
uint64_t server_accept_admit(struct worker *w, const struct service_settings *service,
                             const char *ip, char *refusal, size_t size);

/* The machine of a client whose facts are complete. */
struct machine *server_accept_machine(struct worker *w, const struct service_settings *service,
                                      const struct machine_setup *transport);

#endif
