/* The load generator: many closed-loop SMTP or POP3 sessions on one epoll loop.
 *
 * Every reply is checked against what the protocol says must come, within half a minute; every
 * retrieved message against the octets that its reply and LIST name, its body against the length and
 * crc32c that its own header names.  Of the header, to which servers add, only our fields are read.
 *
 * One thread; measured against spec/bench/sink.c, which stores nothing, so that it is known not to
 * be the bottleneck. */
#ifndef MOONPOST_BENCH_H
#define MOONPOST_BENCH_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum bench_tls { BENCH_PLAIN, BENCH_STARTTLS, BENCH_IMPLICIT };

struct bench_options {
	const char    *name;              /* of the workload, copied to the result */
	const char    *scenario;          /* smtp-send, smtp-hello, pop3-stat, pop3-retr, pop3-uidl, idle */
	const char    *host;
	int            port;
	enum bench_tls tls;
	bool           resume;            /* TLS sessions are resumed with tickets */
	unsigned       sessions;          /* at once */
	uint64_t       count;             /* sessions in all; 0: until seconds are over */
	double         seconds;
	unsigned       messages;          /* per session */
	size_t         size;              /* octets of a message */
	const char    *user;              /* "user%u@example.test": %u is the number of the session's slot */
	unsigned       users;
	const char    *password;
	bool           lmtp;              /* LHLO, one reply per recipient */
	bool           keep;              /* pop3: messages are not deleted */
	int            pgid;              /* process group of the server, for its CPU time; 0: none */
	double         hold;              /* idle: seconds to hold all sessions */
};

/* Latencies in microseconds, 64 buckets per power of two. */
struct bench_histogram { uint64_t bucket[64 * 40], count, sum, max; };
void     bench_record(struct bench_histogram *h, uint64_t us);
uint64_t bench_percentile(const struct bench_histogram *h, double p);

struct bench_totals {
	uint64_t sessions, operations, octets, handshakes, resumed, failed;
	struct bench_histogram latency;   /* of one operation: a message sent or fetched, a session */
	char     first_error[256];
};

struct bench_conn;

struct bench_scenario {
	const char *name;
	int (*start)(struct bench_conn *c);                 /* connected (and secure): 0, or -1 */
	/* One whole reply line, without CRLF.  0, -1 on a wrong reply, 1 when the session is over. */
	int (*line)(struct bench_conn *c, struct slice line);
	/* Raw octets while c->raw is set: takes what it can.  As line(). */
	int (*octets)(struct bench_conn *c, struct slice *in);
};

struct bench_conn {
	int      fd;
	unsigned slot;
	SSL     *ssl;
	bool     handshaking, connected, secure, want_write, raw;
	int      step;                    /* the scenario's own */
	unsigned left, awaited, listed, header_lines;
	uint64_t began_us, operation_us, heard_us, session;
	uint64_t octets, declared_octets;         /* of the message that comes */
	uint64_t listed_octets, retrieved_octets; /* of all messages of the session */
	uint64_t body_octets, declared;
	uint32_t crc, declared_crc;
	bool     in_body, pipelines;
	struct buf in, out;
	struct bench_run *run;
};

struct bench_run {
	const struct bench_options  *options;
	const struct bench_scenario *scenario;
	struct bench_totals          totals;
	struct buf                   message;     /* dot-stuffed, with its final dot */
	SSL_CTX                     *tls;
	SSL_SESSION                 *ticket;
	int                          epoll;
	uint64_t                     started;     /* sessions begun */
	uint64_t                     now_us, looked_us;
	unsigned                     open;
};

const struct bench_scenario *bench_smtp_scenario(const char *name);
const struct bench_scenario *bench_pop3_scenario(const char *name);

/* Remember the first error for the report; returns -1. */
int bench_fail(struct bench_conn *c, const char *what, struct slice got);
int bench_say(struct bench_conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void bench_operation_done(struct bench_conn *c, uint64_t octets);
int bench_start_tls(struct bench_conn *c);

/* The message of that many octets, as it goes behind DATA: with its final dot. */
void bench_message(struct buf *out, size_t size);
uint64_t bench_now_us(void);

/* CPU seconds of all processes of a group, ended children included; and their memory in KiB
 * (proportional). */
double   bench_group_cpu(int pgid);
uint64_t bench_group_memory(int pgid);

#endif
