/* A connected byte stream, plain or TLS, with buffers and back-pressure.
 *
 * Input is read only while reading is on (it is at first) into one buffer with a ceiling of 64 KiB;
 * output is appended to a buffer and flushed.  Idle streams hold no buffer memory.
 * Heap, one owner.  Events come from the loop, never from inside a stream_* call, and every event
 * may free the stream. */
#ifndef MOONPOST_NET_STREAM_H
#define MOONPOST_NET_STREAM_H

#include "base/buf.h"
#include "net/loop.h"
#include "net/tls.h"

struct stream;
struct certificate;

struct stream_events {
	/* New bytes in stream_input(); consume with buf_consume.  More are read while the input is
	 * under its ceiling and reading is on.  Who consumes later, outside of this event, calls
	 * stream_read(s, true) or stream_flush() afterwards, for the input may have been full. */
	void (*readable)(void *owner);
	/* stream_output() is all written. */
	void (*drained)(void *owner);
	/* The TLS handshake is over: OK, or it failed (the stream is closed; reason in
	 * stream_error). */
	void (*secured)(void *owner, enum status st);
	/* Optional; server handshake, from inside of it: the client asks for that server, or for none (NULL).
	 * True: stream_certificate() follows, before this returns or later; the handshake waits.  May not
	 * free the stream. */
	bool (*certificate)(void *owner, const char *name);
	/* The peer closed or an error came: CLOSED, IO (also: TLS ended without close_notify).  A peer
	 * that closed only its side still gets the output first.  No further events. */
	void (*closed)(void *owner, enum status st);
};

/* Takes over the descriptor (non-blocking, TCP_NODELAY is set where it applies). */
struct stream *stream_new(struct loop *l, int fd, const struct stream_events *events, void *owner);

/* The same for a descriptor from an acceptor, which has set both: two system calls less. */
struct stream *stream_new_accepted(struct loop *l, int fd, const struct stream_events *events,
                                   void *owner);

/* Close and free.  Output not yet written is dropped; a TLS close_notify is tried once. */
void stream_free(struct stream *s);

struct buf *stream_input(struct stream *s);
struct buf *stream_output(struct stream *s);      /* append here, then stream_flush */

/* Write as much as the socket takes now; the rest follows by itself, then drained() comes (also
 * when all was written at once: on the next turn, only if wanted was asked by want_drained). */
void stream_flush(struct stream *s, bool want_drained);

/* Is all output with the kernel, and does it take more now? */
bool stream_written(const struct stream *s);

/* Send octets of a file from where they lie, behind output that is written (stream_written), without
 * TLS: as many as the socket takes now, and their number is returned.  When that is less than all,
 * drained() comes as soon as it takes more; nothing is kept of the file.  Below 0: the file does not
 * give them (it is shorter, it cannot be read, it is of a kind that cannot be sent).
 * A page of the file that is not in memory is waited for: who calls knows that it is. */
long stream_send_file(struct stream *s, int fd, uint64_t offset, size_t octets);

/* What is flushed from now on is the last, a shutdown or free follows at once: the kernel may send
 * both in one packet. */
void stream_last(struct stream *s);

/* Turn reading on or off.  Off is back-pressure: the kernel's window fills. */
void stream_read(struct stream *s, bool on);

/* Server handshake after STARTTLS: begins when the plain output is written; plain input not yet
 * consumed is dropped (RFC 3207, 4.2).  Output appended meanwhile waits for the end of it. */
void stream_start_tls(struct stream *s, struct tls_context *c);

/* Server handshake from the first octet (ports 465, 995): input that is there already, behind a
 * PROXY header, belongs to it. */
void stream_accept_tls(struct stream *s, struct tls_context *c);

/* Client handshake for connections that we open; name for SNI and verification, or NULL. */
void stream_connect_tls(struct stream *s, struct tls_context *c, const char *name);

/* The answer to events->certificate: what is shown in place of the context's own; NULL: those.
 * Borrowed for the call.  False: OpenSSL refuses it, and the context's own are shown. */
bool stream_certificate(struct stream *s, const struct certificate *c);

/* Half-close after the output is written (with close_notify under TLS), then drop what still comes
 * until the peer closes too: closed().  How long to wait for that is the owner's to limit. */
void stream_shutdown(struct stream *s);

const char *stream_error(struct stream *s);       /* text of the last failure, or "" */

/* Facts of the TLS session; static or the stream's storage; NULL without TLS. */
const char *stream_tls_version(struct stream *s);
const char *stream_tls_cipher(struct stream *s);
const char *stream_tls_server_name(struct stream *s);
bool        stream_tls_resumed(struct stream *s);

/* "tls-exporter" (RFC 9266; TLS 1.3, or 1.2 with extended master secret) or
 * "tls-server-end-point" (RFC 5929, 4).  UNSUPPORTED when it does not exist for this session. */
enum status stream_channel_binding(struct stream *s, const char *type, unsigned char out[64],
                                   size_t *len);

#endif
