/* The generator's loop: connections, TLS, time; options and the result line. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench.h"

enum { READ_SIZE = 256 * 1024, SILENCE_US = 30 * 1000 * 1000, MAX_FAILED = 100 };

int bench_fail(struct bench_conn *c, const char *what, struct slice got)
{
	struct bench_totals *t = &c->run->totals;

	if (!t->first_error[0])
		snprintf(t->first_error, sizeof(t->first_error), "%s: %.*s", what, SLICE_ARG(slice_head(got, 120)));
	t->failed++;
	return -1;
}

int bench_say(struct bench_conn *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	enum status st = buf_vprintf(&c->out, fmt, ap);
	va_end(ap);
	return st == ST_OK ? 0 : -1;
}

void bench_operation_done(struct bench_conn *c, uint64_t octets)
{
	struct bench_totals *t = &c->run->totals;

	t->operations++;
	t->octets += octets;
	bench_record(&t->latency, bench_now_us() - c->operation_us);
}

/* ---- one connection ---- */

static void watch(struct bench_conn *c, bool writing)
{
	struct epoll_event e = { .events = EPOLLIN | (writing ? EPOLLOUT : 0u), .data.ptr = c };

	if (c->want_write != writing)
		epoll_ctl(c->run->epoll, EPOLL_CTL_MOD, c->fd, &e);
	c->want_write = writing;
}

static int connect_one(struct bench_conn *c)
{
	const struct bench_options *o = c->run->options;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)o->port) };
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };
	int one = 1;

	inet_pton(AF_INET, o->host, &to.sin_addr);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -1;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	/* Several source addresses: one has only 28,000 ports. */
	from.sin_addr.s_addr = htonl(0x7f000001u + c->slot % 16);
	if ((ntohl(to.sin_addr.s_addr) >> 24) == 127)
		(void)!bind(c->fd, (struct sockaddr *)&from, sizeof(from));
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		return -1;
	c->connected = c->secure = c->handshaking = c->raw = false;
	c->want_write = true;
	c->step = 0;
	c->began_us = c->operation_us = c->heard_us = bench_now_us();
	c->session = c->run->started++;
	epoll_ctl(c->run->epoll, EPOLL_CTL_ADD, c->fd, &e);
	c->run->open++;
	return 0;
}

static void close_one(struct bench_conn *c)
{
	if (c->ssl) {
		SSL_shutdown(c->ssl);
		SSL_free(c->ssl);
		c->ssl = NULL;
	}
	if (c->fd >= 0) {
		close(c->fd);
		c->run->open--;
	}
	c->fd = -1;
	buf_reset(&c->in);
	buf_reset(&c->out);
}

static int handshake(struct bench_conn *c)
{
	int n = SSL_do_handshake(c->ssl);

	if (n == 1) {
		c->handshaking = false;
		c->secure = true;
		c->run->totals.handshakes++;
		c->run->totals.resumed += SSL_session_reused(c->ssl) != 0;
		watch(c, false);
		return c->run->scenario->start(c);
	}
	n = SSL_get_error(c->ssl, n);
	if (n != SSL_ERROR_WANT_READ && n != SSL_ERROR_WANT_WRITE)
		return bench_fail(c, "TLS handshake", slice_from(ERR_error_string(ERR_get_error(), NULL)));
	watch(c, n == SSL_ERROR_WANT_WRITE);
	return 0;
}

int bench_start_tls(struct bench_conn *c)
{
	c->ssl = SSL_new(c->run->tls);
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_connect_state(c->ssl);
	if (c->run->options->resume && c->run->ticket)
		SSL_set_session(c->ssl, c->run->ticket);
	c->handshaking = true;
	return handshake(c);
}

static int flush(struct bench_conn *c)
{
	while (buf_len(&c->out) && !c->handshaking) {
		struct slice s = buf_slice(&c->out);
		ssize_t n = c->ssl ? SSL_write(c->ssl, s.ptr, (int)s.len)
		                   : send(c->fd, s.ptr, s.len, MSG_NOSIGNAL);

		if (n <= 0) {
			if (c->ssl ? SSL_get_error(c->ssl, (int)n) == SSL_ERROR_WANT_WRITE : errno == EAGAIN) {
				watch(c, true);
				return 0;
			}
			return bench_fail(c, "write", slice_from(strerror(errno)));
		}
		buf_consume(&c->out, (size_t)n);
	}
	watch(c, false);
	return 0;
}

/* Hand what was read to the scenario.  1: the session is over. */
static int digest_input(struct bench_conn *c)
{
	struct slice in = buf_slice(&c->in);
	size_t before = in.len;
	int result = 0;

	while (result == 0 && in.len && !c->handshaking) {
		if (c->raw) {
			size_t had = in.len;

			result = c->run->scenario->octets(c, &in);
			if (in.len == had)
				break;
			continue;
		}
		const char *crlf = memmem(in.ptr, in.len, "\r\n", 2);

		if (!crlf)
			break;
		struct slice text = slice_head(in, (size_t)(crlf - in.ptr));

		in = slice_skip(in, text.len + 2);
		result = c->run->scenario->line(c, text);
	}
	buf_consume(&c->in, before - in.len);
	return result;
}

static int receive(struct bench_conn *c)
{
	for (;;) {
		char *room;

		if (buf_reserve(&c->in, READ_SIZE, &room) != ST_OK)
			return -1;
		ssize_t n = c->ssl ? SSL_read(c->ssl, room, READ_SIZE) : recv(c->fd, room, READ_SIZE, 0);

		if (n <= 0) {
			if (c->ssl ? SSL_get_error(c->ssl, (int)n) == SSL_ERROR_WANT_READ : n < 0 && errno == EAGAIN)
				return 0;
			return bench_fail(c, "the server closed the connection", SLICE(""));
		}
		buf_commit(&c->in, (size_t)n);
		int result = digest_input(c);

		if (result == 0)
			result = flush(c);
		if (result || c->handshaking)
			return result;
		if (!c->ssl && n < READ_SIZE)
			return 0;
	}
}

static int on_event(struct bench_conn *c, uint32_t events)
{
	c->heard_us = c->run->now_us;
	if (!c->connected) {
		c->connected = true;
		watch(c, false);
		if (c->run->options->tls == BENCH_IMPLICIT)
			return bench_start_tls(c);
		if (c->run->scenario->start(c) < 0)
			return -1;
	}
	if (c->handshaking) {
		int result = handshake(c);

		if (result || c->handshaking)
			return result;
	}
	if (events & EPOLLOUT || buf_len(&c->out))
		if (flush(c) < 0)
			return -1;
	return events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? receive(c) : 0;
}

/* ---- the run ---- */

static bool enough(const struct bench_run *r, uint64_t began_us)
{
	const struct bench_options *o = r->options;

	if (o->count)
		return r->started >= o->count;
	return (double)(bench_now_us() - began_us) / 1e6 >= o->seconds;
}

/* A server that owes a reply and says nothing would hold the generator for ever. */
static void end_silence(struct bench_run *r, struct bench_conn *conns)
{
	if (r->options->hold > 0 || r->now_us - r->looked_us < 1000000)
		return;
	r->looked_us = r->now_us;
	for (unsigned i = 0; i < r->options->sessions; i++) {
		if (conns[i].fd < 0 || r->now_us < conns[i].heard_us + SILENCE_US)
			continue;
		bench_fail(&conns[i], "no reply for 30 s", SLICE(""));
		close_one(&conns[i]);
	}
}

static void run(struct bench_run *r, struct bench_conn *conns)
{
	const struct bench_options *o = r->options;
	struct epoll_event events[256];
	uint64_t began = bench_now_us(), held_until = 0;
	unsigned next = 0;

	do {
		/* Sessions are opened a hundred a turn, so that no backlog overflows. */
		for (unsigned i = 0; i < 100 && next < o->sessions && !enough(r, began); i++, next++)
			if (connect_one(&conns[next]) < 0)
				bench_fail(&conns[next], "connect", slice_from(strerror(errno)));
		int n = epoll_wait(r->epoll, events, 256, next < o->sessions ? 0 : 100);

		r->now_us = bench_now_us();
		for (int i = 0; i < n; i++) {
			struct bench_conn *c = events[i].data.ptr;
			int result = on_event(c, events[i].events);

			if (result == 0)
				continue;
			if (result > 0)
				r->totals.sessions++;
			close_one(c);
			if (!enough(r, began) && r->totals.failed < MAX_FAILED)
				connect_one(c);
		}
		end_silence(r, conns);
		if (o->hold > 0 && r->totals.operations >= o->sessions) {
			if (!held_until)
				held_until = bench_now_us() + (uint64_t)(o->hold * 1e6);
			else if (bench_now_us() > held_until)
				return;
		}
	} while (r->open && r->totals.failed < MAX_FAILED);
}

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
	struct bench_run *r = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	SSL_SESSION_free(r->ticket);
	r->ticket = session;
	return 1;
}

static void prepare_tls(struct bench_run *r)
{
	r->tls = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_app_data(r->tls, r);
	SSL_CTX_set_verify(r->tls, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(r->tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                         SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (r->options->resume) {
		SSL_CTX_set_session_cache_mode(r->tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(r->tls, keep_ticket);
	}
}

static double own_cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void report(const struct bench_run *r, double seconds, double cpu, uint64_t memory)
{
	const struct bench_totals *t = &r->totals;
	const struct bench_options *o = r->options;
	double operations = t->operations ? (double)t->operations : 1;

	printf("{\"name\":\"%s\",\"scenario\":\"%s\",\"sessions_at_once\":%u,\"seconds\":%.3f,"
	       "\"sessions\":%lu,\"operations\":%lu,\"per_second\":%.1f,\"mb_per_second\":%.2f,"
	       "\"server_cpu_us\":%.2f,\"client_cpu_us\":%.2f,\"p50_us\":%lu,\"p99_us\":%lu,\"max_us\":%lu,"
	       "\"server_kib\":%lu,\"handshakes\":%lu,\"resumed\":%lu,\"failed\":%lu,\"error\":\"",
	       o->name ? o->name : o->scenario, o->scenario, o->sessions, seconds, t->sessions,
	       t->operations, operations / seconds, (double)t->octets / 1e6 / seconds,
	       cpu * 1e6 / operations, own_cpu() * 1e6 / operations, bench_percentile(&t->latency, 0.5),
	       bench_percentile(&t->latency, 0.99), t->latency.max, memory, t->handshakes, t->resumed,
	       t->failed);
	for (const char *e = t->first_error; *e; e++)
		if (*e != '"' && *e != '\\' && (unsigned char)*e >= 0x20)
			putchar(*e);
	puts("\"}");
}

static void usage(void)
{
	fputs("usage: load --scenario smtp-send|smtp-hello|smtp-idle|pop3-stat|pop3-uidl|pop3-retr|pop3-idle\n"
	      "            --port N [--host 127.0.0.1] [--tls plain|starttls|implicit] [--resume]\n"
	      "            [--sessions N] [--count N | --seconds S] [--messages N] [--size OCTETS]\n"
	      "            [--user FORMAT] [--users N] [--password TEXT] [--keep] [--lmtp]\n"
	      "            [--group PGID] [--hold S] [--name TEXT]\n", stderr);
	exit(64);
}

static enum bench_tls tls_of(const char *text)
{
	static const char *const names[] = { "plain", "starttls", "implicit" };

	for (unsigned i = 0; i < COUNT_OF(names); i++)
		if (strcmp(text, names[i]) == 0)
			return (enum bench_tls)i;
	usage();
	return BENCH_PLAIN;
}

static void read_options(int argc, char **argv, struct bench_options *o)
{
	enum { SCENARIO = 1, PORT, HOST, TLS, RESUME, SESSIONS, COUNT, SECONDS, MESSAGES, SIZE, USER,
	       USERS, PASSWORD, KEEP, LMTP, GROUP, HOLD, NAME };
	static const struct option longs[] = {
		{ "scenario", 1, 0, SCENARIO }, { "port", 1, 0, PORT }, { "host", 1, 0, HOST },
		{ "tls", 1, 0, TLS }, { "resume", 0, 0, RESUME }, { "sessions", 1, 0, SESSIONS },
		{ "count", 1, 0, COUNT }, { "seconds", 1, 0, SECONDS }, { "messages", 1, 0, MESSAGES },
		{ "size", 1, 0, SIZE }, { "user", 1, 0, USER }, { "users", 1, 0, USERS },
		{ "password", 1, 0, PASSWORD }, { "keep", 0, 0, KEEP }, { "lmtp", 0, 0, LMTP },
		{ "group", 1, 0, GROUP }, { "hold", 1, 0, HOLD }, { "name", 1, 0, NAME }, { 0, 0, 0, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case SCENARIO: o->scenario = optarg; break;
		case PORT:     o->port = atoi(optarg); break;
		case HOST:     o->host = optarg; break;
		case TLS:      o->tls = tls_of(optarg); break;
		case RESUME:   o->resume = true; break;
		case SESSIONS: o->sessions = (unsigned)atoi(optarg); break;
		case COUNT:    o->count = (uint64_t)atoll(optarg); break;
		case SECONDS:  o->seconds = atof(optarg); break;
		case MESSAGES: o->messages = (unsigned)atoi(optarg); break;
		case SIZE:     o->size = (size_t)atoll(optarg); break;
		case USER:     o->user = optarg; break;
		case USERS:    o->users = (unsigned)atoi(optarg); break;
		case PASSWORD: o->password = optarg; break;
		case KEEP:     o->keep = true; break;
		case LMTP:     o->lmtp = true; break;
		case GROUP:    o->pgid = atoi(optarg); break;
		case HOLD:     o->hold = atof(optarg); break;
		case NAME:     o->name = optarg; break;
		default:       usage();
		}
	}
	if (!o->scenario || !o->port || !o->users || !o->sessions)
		usage();
}

int main(int argc, char **argv)
{
	struct bench_options o = {
		.host = "127.0.0.1", .sessions = 32, .seconds = 5, .messages = 1, .size = 4096,
		.user = "alice@example.test", .users = 1, .password = "secret",
	};
	struct bench_run r = { .options = &o };

	read_options(argc, argv, &o);
	r.scenario = bench_smtp_scenario(o.scenario);
	if (!r.scenario)
		r.scenario = bench_pop3_scenario(o.scenario);
	if (!r.scenario)
		usage();
	if (o.hold > 0 && !o.count)
		o.count = o.sessions;
	r.epoll = epoll_create1(EPOLL_CLOEXEC);
	prepare_tls(&r);
	bench_message(&r.message, o.size);
	struct bench_conn *conns = mem_array(o.sessions, sizeof(*conns));

	for (unsigned i = 0; i < o.sessions; i++)
		conns[i] = (struct bench_conn){ .fd = -1, .slot = i, .run = &r };
	uint64_t began = bench_now_us();
	double cpu = bench_group_cpu(o.pgid);

	run(&r, conns);
	double seconds = (double)(bench_now_us() - began) / 1e6;

	report(&r, seconds, bench_group_cpu(o.pgid) - cpu, bench_group_memory(o.pgid));
	return r.totals.failed ? 1 : 0;
}
