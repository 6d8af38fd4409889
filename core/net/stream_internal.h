/* What stream.c (buffers, events) and stream_tls.c (the TLS layer) share. */
#ifndef MOONPOST_NET_STREAM_INTERNAL_H
#define MOONPOST_NET_STREAM_INTERNAL_H

#include "net/stream.h"

struct ssl_st;

/* How far the TLS layer is. */
enum stream_layer {
	LAYER_PLAIN,
	LAYER_WAITING,                    /* TLS begins when the plain output is written */
	LAYER_HANDSHAKE,
	LAYER_SECURE,
};

struct stream {
	struct loop                *loop;
	struct watch               *watch;
	const struct stream_events *events;
	void                       *owner;
	int                         fd;
	int                         watched;      /* events the watch is set to */
	struct buf                  input, output;
	struct buf                  early;        /* read before the handshake that it belongs to */
	struct tick                 tick;         /* reports what happened inside stream_* calls */
	struct ssl_st              *tls;
	struct tls_context         *context;      /* ours while tls is: OpenSSL calls back into it */
	char                       *error;        /* heap, or NULL */
	enum stream_layer           layer;
	enum status                 failure;      /* not OK: report it and be silent */
	int                         handshake_events;
	size_t                      plain_left;   /* output that goes before the handshake */
	unsigned                    depth;        /* callbacks running: memory must stay */
	bool reading;                     /* the owner wants input */
	bool eof;                         /* the peer sends no more */
	bool blocked;                     /* output waits for the socket */
	bool drained_owed;
	bool read_wants_write, write_wants_read;  /* TLS 1.2 and its renegotiation, key updates */
	bool client;                      /* our side of the handshake */
	bool certificate_asked, certificate_told;  /* events->certificate was called; was answered */
	bool last;                        /* nothing is appended after this output */
	bool shut, shut_done;             /* half-close asked for; done */
	bool reported;                    /* closed() or secured(failure) was called */
	bool freed;
};

/* Outcome of one read or write below zero; 0 is the end of the stream. */
enum { STREAM_AGAIN = -1, STREAM_FAILED = -2 };

/* send(2), again after a signal. */
ssize_t stream_send(struct stream *s, struct slice octets);

/* Remember the failure (the first one counts) and report it on the next turn. */
void stream_fail(struct stream *s, enum status st, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Bring the watch in line with what the stream waits for. */
void stream_watch(struct stream *s);

/* The TLS layer.  Failures are given to stream_fail before they return. */
bool stream_tls_new(struct stream *s, struct tls_context *c, bool client, const char *name);
bool stream_tls_handshake(struct stream *s);              /* a step; true: LAYER_SECURE reached */
long stream_tls_receive(struct stream *s, char *room, size_t size);
long stream_tls_send(struct stream *s, struct slice octets);
bool stream_tls_pending(const struct stream *s);          /* input inside the TLS layer */
void stream_tls_close_notify(struct stream *s);
void stream_tls_free(struct stream *s);

#endif
