/* Sockets of the generation, limits of the configuration, machines of the protocols. */
#include "server/accept.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "pop3/session.h"
#include "server/connection.h"
#include "smtp/session.h"

struct accepting {
	struct accept          *accept;
	struct acceptor        *acceptor;
	struct service_settings service;
};

struct accept {
	struct worker    *worker;
	struct accepting *sockets;
	unsigned          count;
};

static void accepted(void *owner, int fd, const struct address *peer, const struct address *local)
{
	struct accepting *a = owner;

	server_connection_new(a->accept->worker, &a->service, fd, peer, local);
}

/* RFC 8314, 3.3 and RFC 6409, 4.3: what makes a submission service one. */
static void set_service(struct service_settings *s, const struct config *c,
                        const struct config_listener *l)
{
	bool submission = l->service & (SERVICE_SUBMISSION | SERVICE_SUBMISSIONS);

	s->listener = l;
	s->implicit_tls = l->service & (SERVICE_SUBMISSIONS | SERVICE_POP3S);
	s->smtp_protocol = !(l->service & (SERVICE_POP3 | SERVICE_POP3S));
	s->smtp = c->smtp;
	s->smtp.require_auth = c->smtp.require_auth || submission;
}

struct accept *server_accept_new(struct worker *w)
{
	const struct generation *g = w->generation;
	struct accept *a = MEM_NEW(struct accept);

	a->worker = w;
	a->sockets = mem_array(g->socket_count + 1, sizeof(*a->sockets));
	for (; a->count < g->socket_count; a->count++) {
		struct accepting *s = &a->sockets[a->count];

		s->accept = a;
		set_service(&s->service, w->config, g->sockets[a->count].listener);
		s->acceptor = acceptor_new(w->loop, g->sockets[a->count].fd, accepted, s);
	}
	return a;
}

void server_accept_stop(struct accept *a)
{
	for (unsigned i = 0; i < a->count; i++) {
		if (!a->sockets[i].acceptor)
			continue;
		acceptor_free(a->sockets[i].acceptor);
		a->sockets[i].acceptor = NULL;
		/* Our copy: a server that takes over must not wait for the last session here. */
		close(a->worker->generation->sockets[i].fd);
	}
}

void server_accept_free(struct accept *a)
{
	if (!a)
		return;
	server_accept_stop(a);
	free(a->sockets);
	free(a);
}

static void put_refusal(const struct worker *w, const struct service_settings *s, char *out,
                        size_t size, const char *status, const char *text)
{
	/* RFC 5321, 3.8 (421 in place of the greeting); RFC 3206, 4 for POP3. */
	if (s->smtp_protocol)
		snprintf(out, size, "421 %s %s %s, try again later", status, w->config->hostname, text);
	else
		snprintf(out, size, "-ERR [SYS/TEMP] %s, try again later", text);
}

uint64_t server_accept_admit(struct worker *w, const struct service_settings *service,
                             const char *ip, char *refusal, size_t size)
{
	const struct config *c = w->config;
	uint64_t place = server_board_place(w->board, ip);
	const char *limit = NULL;

	if (c->max_sessions && w->open > c->max_sessions) {
		limit = "max_sessions";
		put_refusal(w, service, refusal, size, "4.3.2", "Too many connections");
	} else if (!server_board_enter(w->board, w->slot, place, c->max_sessions_per_ip)) {
		limit = "max_sessions_per_ip";
		put_refusal(w, service, refusal, size, "4.7.0", "Too many connections from your address");
	}
	if (!limit)
		return place;
	BOARD_ADD(w->slot, refused_sessions, 1);
	log_notice("connection refused", "ip", ip, "listener", service->listener->name, "limit", limit,
	           NULL);
	return 0;
}

struct machine *server_accept_machine(struct worker *w, const struct service_settings *service,
                                      const struct machine_setup *transport)
{
	struct machine_setup setup = *transport;

	setup.policy = script_policy(w->script);
	setup.mailboxes = script_mailboxes(w->script);
	setup.observer = &w->transcript.observer;
	setup.tls_available = w->generation->tls && service->listener->tls;
	if (service->smtp_protocol) {
		BOARD_ADD(w->slot, smtp_sessions, 1);
		atomic_fetch_add(&w->slot->gauges.smtp, 1);
		return smtp_session_new(&service->smtp, &setup);
	}
	BOARD_ADD(w->slot, pop3_sessions, 1);
	atomic_fetch_add(&w->slot->gauges.pop3, 1);
	return pop3_session_new(&w->config->pop3, &setup);
}
