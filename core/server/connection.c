/* Moving octets between a client's stream and its machine, and obeying what the machine wants. */
#include "server/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/proxy.h"
#include "server/accept.h"
#include "server/certificates.h"

enum {
	ROUNDS_PER_TURN = 16,             /* feeds and drains of one session before others get a turn */
	LINGER_MS = 2000,                 /* for the peer to close after our last octet */
	CLOSE_MS = 30000,                 /* to write the last octets out */
};

static void pump(struct connection *c, bool progress);
static void begin(struct connection *c);

static void gone(void *owner)
{
	struct connection *c = owner;

	if (c->phase == CONNECTION_GONE)
		return;
	c->phase = CONNECTION_GONE;
	loop_tick(c->worker->loop, &c->turn);
}

static void connection_free(struct connection *c)
{
	struct worker *w = c->worker;

	timer_stop(&c->timeout);
	timer_stop(&c->lifetime);
	tick_cancel(&c->turn);
	server_certificates_cancel(c);
	if (c->machine) {
		atomic_fetch_sub(c->service->smtp_protocol ? &w->slot->gauges.smtp : &w->slot->gauges.pop3,
		                 1);
		c->machine->ops->free(c->machine);        /* its last event ends the Lua session */
	} else {
		facts_clear(c->facts);
		free(c->facts);
	}
	stream_free(c->stream);
	if (c->counted)
		server_board_leave(w->slot, c->counted);
	list_remove(&c->link);
	w->open--;
	free(c);
	server_worker_left(w);
}

/* ---- output ---- */

/* The machine's replies become the stream's output; without a copy when that is empty. */
static void take_output(struct connection *c)
{
	struct buf *from = &c->machine->out, *to = stream_output(c->stream);

	if (buf_len(from) == 0)
		return;
	if (buf_len(to) == 0) {
		struct buf swap = *to;

		to->data = from->data, to->start = from->start, to->end = from->end, to->cap = from->cap;
		from->data = swap.data, from->start = from->end = 0, from->cap = swap.cap;
		return;
	}
	if (buf_append(to, buf_slice(from)) == ST_OK)
		buf_reset(from);
}

static bool write_out(struct connection *c, bool want_drained)
{
	stream_flush(c->stream, false);
	if (stream_written(c->stream))
		return true;
	if (want_drained)
		stream_flush(c->stream, true);
	return false;
}

/* Closing a socket that still gets input resets the connection, which may take our last reply away
 * from the client.  One that said QUIT in clear sends nothing more: no need to wait for its end. */
static bool may_close(const struct connection *c)
{
	return c->machine && c->machine->quit && !c->machine->facts.tls.active &&
	       buf_len(stream_input(c->stream)) == 0;
}

static void start_closing(struct connection *c)
{
	stream_last(c->stream);
	bool written = write_out(c, true);

	if (written && may_close(c)) {
		gone(c);
		return;
	}
	c->phase = CONNECTION_CLOSING;
	timer_start(&c->timeout, CLOSE_MS);
	stream_read(c->stream, true);
	if (written) {
		stream_shutdown(c->stream);
		timer_start(&c->timeout, LINGER_MS);
	}
}

/* ---- TLS ---- */

static void start_tls(struct connection *c)
{
	c->tls_pending = false;
	c->phase = CONNECTION_HANDSHAKE;
	timer_start(&c->timeout, c->worker->config->handshake_timeout_ms);
	/* Behind a PROXY header the ClientHello may be here already; behind STARTTLS nothing may. */
	if (c->machine)
		stream_start_tls(c->stream, c->worker->generation->tls);
	else
		stream_accept_tls(c->stream, c->worker->generation->tls);
}

static void fill_tls_facts(struct connection *c, struct tls_facts *t)
{
	const char *name = stream_tls_server_name(c->stream);

	t->active = true;
	t->resumed = stream_tls_resumed(c->stream);
	t->version = stream_tls_version(c->stream);
	t->cipher = stream_tls_cipher(c->stream);
	free(t->server_name);
	t->server_name = name ? mem_strdup(name) : NULL;
}

static const struct facts *facts_of(const struct connection *c)
{
	return c->machine ? &c->machine->facts : c->facts;
}

/* What goes wrong before there is a machine, or beside it. */
static void observe_error(struct connection *c, struct slice text)
{
	struct observer *o = &c->worker->transcript.observer;
	struct event e = {
		.kind = EVENT_ERROR, .facts = facts_of(c), .line = text, .state = "HANDSHAKE",
	};

	o->event(o, &e);
}

static void secured(void *owner, enum status st)
{
	struct connection *c = owner;
	const struct facts *f = facts_of(c);

	if (c->phase == CONNECTION_GONE)
		return;
	if (st != ST_OK) {
		BOARD_ADD(c->worker->slot, tls_failures, 1);
		log_info("TLS handshake failed", "session", f->id, "ip", f->remote_ip, "listener",
		         c->service->listener->name, "why", stream_error(c->stream), NULL);
		observe_error(c, slice_from(stream_error(c->stream)));
		gone(c);
		return;
	}
	BOARD_ADD(c->worker->slot, tls_handshakes, 1);
	c->worker->arrivals++;
	if (!c->machine) {
		fill_tls_facts(c, &c->facts->tls);
		begin(c);
		return;
	}
	fill_tls_facts(c, &c->machine->facts.tls);
	c->phase = CONNECTION_TALKING;
	c->machine->ops->tls_started(c->machine);
	pump(c, true);
}

static enum status channel_binding(void *host, const char *type, unsigned char out[64], size_t *len)
{
	struct connection *c = host;

	return stream_channel_binding(c->stream, type, out, len);
}

/* ---- talking ---- */

/* Feed what has come.  False when the machine took nothing: it needs more, or it wants something
 * else than input. */
static bool feed(struct connection *c, bool *progress)
{
	struct buf *input = stream_input(c->stream);
	struct slice in = buf_slice(input);
	size_t had = in.len;

	if (had == 0)
		return false;
	c->machine->ops->feed(c->machine, &in);
	buf_consume(input, had - in.len);
	if (had == in.len)
		return c->machine->wants != MACHINE_READ;
	*progress = true;
	return true;
}

static void restart_timeout(struct connection *c)
{
	const struct machine *m = c->machine;

	if (m->wants == MACHINE_WAIT && m->delay_ms) {
		if (!c->delaying)
			timer_start(&c->timeout, m->delay_ms);
		c->delaying = true;
	} else if (m->wants == MACHINE_WAIT || m->timeout_ms == 0) {
		timer_stop(&c->timeout);      /* whoever answers has time limits of its own */
	} else {
		timer_start(&c->timeout, m->timeout_ms);
	}
}

static void send_file(struct connection *c, bool *progress)
{
	struct machine *m = c->machine;
	long sent = 0;

	if (write_out(c, true))
		sent = stream_send_file(c->stream, m->file.fd, m->file.offset, m->file.octets);
	*progress |= sent > 0;
	m->ops->file_sent(m, sent);
}

/* One turn of obeying: true to go on at once. */
static bool obey(struct connection *c, bool *progress)
{
	struct machine *m = c->machine;

	take_output(c);
	if (m->wants == MACHINE_READ && buf_len(stream_output(c->stream)) > MACHINE_OUT_HIGH &&
	    !write_out(c, true)) {
		c->blocked = true;            /* the client does not read its replies: no new ones */
		return false;
	}
	switch (m->wants) {
	case MACHINE_READ:
		return feed(c, progress);
	case MACHINE_WAIT:
		return false;
	case MACHINE_DRAIN:
		if (!write_out(c, true))
			return false;
		*progress = true;
		m->ops->drained(m);
		return true;
	case MACHINE_FILE:
		send_file(c, progress);
		return true;
	case MACHINE_TLS:
		if (write_out(c, true))
			start_tls(c);
		else
			c->tls_pending = true;
		return false;
	case MACHINE_CLOSE:
		start_closing(c);
		return false;
	}
	return false;
}

/* Let the machine go on until it needs something.  progress: the client did something, or the
 * machine did, so that its time-out starts anew; a line that trickles in octet by octet is none. */
static void pump(struct connection *c, bool progress)
{
	unsigned rounds = 0;

	c->blocked = false;
	while (rounds++ < ROUNDS_PER_TURN && obey(c, &progress))
		;
	if (c->phase != CONNECTION_TALKING)
		return;
	if (rounds > ROUNDS_PER_TURN)
		loop_tick(c->worker->loop, &c->turn);
	if (!c->blocked && buf_len(stream_output(c->stream)) > 0)
		stream_flush(c->stream, c->machine->wants == MACHINE_DRAIN);
	stream_read(c->stream, c->machine->wants == MACHINE_READ && !c->blocked);
	machine_rest(c->machine);
	if (progress)
		restart_timeout(c);
}

/* An answer came: on with the session, but not from within whoever answered. */
static void changed(void *host)
{
	struct connection *c = host;

	loop_tick(c->worker->loop, &c->turn);
}

static void begin(struct connection *c)
{
	struct machine_setup setup = {
		.host = c,
		.host_changed = changed,
		.channel_binding = channel_binding,
		.sends_files = true,
		.facts = *c->facts,
	};

	free(c->facts);
	c->facts = NULL;
	c->machine = server_accept_machine(c->worker, c->service, &setup);
	c->phase = CONNECTION_TALKING;
	c->machine->ops->start(c->machine);
	if (c->worker->stopping)
		c->machine->ops->end(c->machine);
	pump(c, true);
}

/* ---- before talking: who is it, and may it come in ---- */

static void refuse(struct connection *c, const char *line)
{
	/* A client that waits for a TLS handshake cannot read a line of text. */
	if (c->service->implicit_tls && !c->facts->tls.active) {
		gone(c);
		return;
	}
	(void)buf_printf(stream_output(c->stream), "%s\r\n", line);
	start_closing(c);
}

static void set_remote(struct facts *f, const struct address *peer)
{
	snprintf(f->remote_ip, sizeof(f->remote_ip), "%s", peer->ip);
	f->remote_port = peer->port;
	f->loopback = strncmp(peer->ip, "127.", 4) == 0 || strcmp(peer->ip, "::1") == 0;
}

static void set_local(struct facts *f, const struct address *local)
{
	snprintf(f->local_ip, sizeof(f->local_ip), "%s", local->ip);
	f->local_port = local->port;
}

/* The client's address is known for good. */
static void identify(struct connection *c)
{
	const struct config *config = c->worker->config;
	char refusal[256];

	c->facts->trusted = config_network_match(config->xclient_trusted,
	                                        config->xclient_trusted_count, c->facts->remote_ip);
	c->counted = server_accept_admit(c->worker, c->service, c->facts->remote_ip, refusal,
	                                 sizeof(refusal));
	if (!c->counted) {
		refuse(c, refusal);
		return;
	}
	if (c->service->implicit_tls)
		start_tls(c);
	else
		begin(c);
}

static void read_proxy_header(struct connection *c)
{
	struct buf *input = stream_input(c->stream);
	struct slice in = buf_slice(input);
	size_t had = in.len;
	struct proxy_header header;
	enum status st = proxy_parse(&in, &header);

	if (st == ST_AGAIN)
		return;
	if (st != ST_OK) {
		log_warn("not a PROXY header", "ip", c->facts->remote_ip, "listener",
		         c->service->listener->name, NULL);
		gone(c);
		return;
	}
	buf_consume(input, had - in.len);
	if (!header.local) {
		set_remote(c->facts, &header.source);
		set_local(c->facts, &header.destination);
	}
	identify(c);
}

/* ---- events ---- */

static void readable(void *owner)
{
	struct connection *c = owner;

	switch (c->phase) {
	case CONNECTION_PROXY:
		read_proxy_header(c);
		break;
	case CONNECTION_TALKING:
		pump(c, false);
		break;
	case CONNECTION_HANDSHAKE:
		break;
	case CONNECTION_CLOSING: case CONNECTION_GONE:
		buf_reset(stream_input(c->stream));
		break;
	}
}

static void drained(void *owner)
{
	struct connection *c = owner;

	if (c->phase == CONNECTION_CLOSING) {
		stream_shutdown(c->stream);
		timer_start(&c->timeout, LINGER_MS);
	} else if (c->phase == CONNECTION_TALKING && c->tls_pending) {
		start_tls(c);
	} else if (c->phase == CONNECTION_TALKING) {
		pump(c, true);
	}
}

static void closed(void *owner, enum status st)
{
	struct connection *c = owner;

	if (st != ST_CLOSED && c->phase == CONNECTION_TALKING)
		log_debug("connection lost", "session", c->machine->facts.id, "why",
		          stream_error(c->stream), NULL);
	gone(c);
}

static void turn(void *owner)
{
	struct connection *c = owner;

	if (c->phase == CONNECTION_GONE)
		connection_free(c);
	else if (c->phase == CONNECTION_TALKING)
		pump(c, true);
}

static void timed_out(void *owner)
{
	struct connection *c = owner;

	if (c->phase != CONNECTION_TALKING) {
		if (c->phase != CONNECTION_CLOSING)
			log_info("connection timed out before it spoke", "ip", facts_of(c)->remote_ip, "listener",
			         c->service->listener->name, NULL);
		gone(c);
	} else if (c->delaying) {
		c->delaying = false;
		c->machine->ops->delayed(c->machine);
		pump(c, true);
	} else if (c->blocked || c->machine->wants != MACHINE_READ) {
		gone(c);                      /* it does not read what we send */
	} else {
		c->machine->ops->timed_out(c->machine);
		pump(c, true);
	}
}

static void lived_too_long(void *owner)
{
	struct connection *c = owner;

	log_notice("session ended: it lasted longer than max_session_time", "ip",
	           facts_of(c)->remote_ip, NULL);
	server_connection_end(c, false);
	/* The second time there is no mercy. */
	c->lifetime.fn = gone;
	timer_start(&c->lifetime, CLOSE_MS);
}

static bool choose_certificate(void *owner, const char *name)
{
	return server_certificates_ask(owner, name);
}

static const struct stream_events events = {
	.certificate = choose_certificate,
	.readable = readable,
	.drained = drained,
	.secured = secured,
	.closed = closed,
};

void server_connection_new(struct worker *w, const struct service_settings *service, int fd,
                           const struct address *peer, const struct address *local)
{
	struct connection *c = MEM_NEW(struct connection);

	c->worker = w;
	c->service = service;
	c->stream = stream_new_accepted(w->loop, fd, &events, c);
	list_append(&w->connections, &c->link);
	w->open++;
	w->arrivals++;
	timer_init(&c->timeout, w->loop, timed_out, c);
	timer_init(&c->lifetime, w->loop, lived_too_long, c);
	tick_init(&c->turn, turn, c);
	c->facts = MEM_NEW(struct facts);
	facts_init(c->facts);
	c->facts->protocol = service->smtp_protocol ? PROTOCOL_SMTP : PROTOCOL_POP3;
	c->facts->service = service->listener->service;
	c->facts->listener = service->listener->name;
	c->facts->hostname = w->config->hostname;
	set_remote(c->facts, peer);
	set_local(c->facts, local);
	if (w->config->max_session_ms)
		timer_start(&c->lifetime, w->config->max_session_ms);
	if (!service->listener->proxy) {
		identify(c);
		return;
	}
	if (!config_network_match(w->config->proxy_trusted, w->config->proxy_trusted_count, peer->ip)) {
		log_warn("connection refused: this listener takes clients of proxy_trusted alone", "ip",
		         peer->ip, "listener", service->listener->name, NULL);
		gone(c);
		return;
	}
	c->phase = CONNECTION_PROXY;
	timer_start(&c->timeout, w->config->handshake_timeout_ms);
	stream_read(c->stream, true);
}

void server_connection_end(struct connection *c, bool at_once)
{
	if (c->phase == CONNECTION_GONE)
		return;
	if (at_once || c->phase == CONNECTION_PROXY || c->phase == CONNECTION_HANDSHAKE) {
		gone(c);
	} else if (c->phase == CONNECTION_TALKING) {
		c->machine->ops->end(c->machine);
		pump(c, true);
	}
}
