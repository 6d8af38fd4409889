/* A protocol machine without I/O, as its host sees it: bytes in, bytes out, questions out.
 *
 * The host (core/server/accept.c, or a spec) owns the stream and the machine.  It feeds received
 * bytes, writes what stands in `out`, obeys `wants`, and calls again when the machine says so.
 *
 *     machine->ops->start(machine);               // greeting, or what comes first
 *     loop: write out to the peer; obey wants; on bytes: ops->feed(machine, &in)
 *
 * The machine calls host_changed() when an answer came while nobody was calling it: out, wants or
 * timeout_ms may have changed, and input that feed left over can be fed again.  The host must not
 * call back into the machine from there but on its next turn. */
#ifndef MOONPOST_HOOK_MACHINE_H
#define MOONPOST_HOOK_MACHINE_H

#include "base/buf.h"
#include "hook/facts.h"
#include "hook/mailbox.h"
#include "hook/observer.h"
#include "hook/question.h"
#include "hook/reason.h"

enum machine_wants {
	MACHINE_READ,            /* more bytes, please */
	MACHINE_WAIT,            /* an answer is on its way: do not read, do not feed; see delay_ms */
	MACHINE_DRAIN,           /* write out first, then call ops->drained: there is more to send */
	MACHINE_FILE,            /* write out, send of `file` what the socket takes, call ops->file_sent
	                          * in the same turn; only asked of a host that sends_files */
	MACHINE_TLS,             /* write out, drop unread input, do the handshake, call tls_started */
	MACHINE_CLOSE,           /* write out, then close */
};

/* Channel binding data of the TLS session (RFC 5929, RFC 9266), for SCRAM-SHA-256-PLUS.
 * type "tls-exporter" or "tls-server-end-point".  UNSUPPORTED when the session has none. */
typedef enum status channel_binding_fn(void *host, const char *type, unsigned char out[64],
                                       size_t *len);

struct machine;

struct machine_ops {
	void (*start)(struct machine *m);
	/* Take as much as possible from the front of *in; what is left must be fed again, with more
	 * behind it.  Does nothing unless wants is MACHINE_READ. */
	void (*feed)(struct machine *m, struct slice *in);
	void (*drained)(struct machine *m);
	/* So many octets of `file` went; 0 when out was not written or the socket is full, below 0 when
	 * the file does not give them: the machine reads them itself then, and finds out why. */
	void (*file_sent)(struct machine *m, long octets);
	void (*tls_started)(struct machine *m);       /* facts->tls is filled: forget the plain past */
	void (*timed_out)(struct machine *m);         /* timeout_ms passed without input */
	void (*delayed)(struct machine *m);           /* delay_ms passed; may be NULL when never set */
	void (*end)(struct machine *m);               /* the server stops: 421 or close when idle */
	void (*free)(struct machine *m);              /* cancels what is in flight */
};

/* What a machine is born with; all borrowed and outlives it, but facts, which it takes over. */
struct machine_setup {
	struct policy           *policy;
	struct mailbox_provider *mailboxes;
	struct observer         *observer;            /* may be NULL */
	void                    *host;
	void                   (*host_changed)(void *host);
	channel_binding_fn      *channel_binding;     /* may be NULL */
	struct facts             facts;
	bool                     tls_available;       /* a certificate is configured */
	bool                     sends_files;         /* the host knows MACHINE_FILE, while not in TLS */
};

/* Embedded first in smtp_session and pop3_session. */
struct machine {
	const struct machine_ops *ops;
	enum machine_wants        wants;
	uint32_t                  timeout_ms;         /* from the last input; 0: none */
	uint32_t                  delay_ms;           /* nonzero (only with MACHINE_WAIT): write out,
	                                               * start one timer, then call ops->delayed, which
	                                               * sets it to 0: a refused login, a verdict's delay */
	struct buf                out;                /* replies not yet written */
	struct file_range         file;               /* with MACHINE_FILE */
	struct facts              facts;
	struct policy            *policy;
	struct question          *question;           /* heap, from machine_question to machine_rest */
	struct mailbox_provider  *mailboxes;
	struct observer          *observer;
	void                     *host;
	void                    (*host_changed)(void *host);
	channel_binding_fn       *channel_binding;
	bool                      tls_available;
	bool                      sends_files;
	bool                      quit;               /* with MACHINE_CLOSE: the client said QUIT, so
	                                               * nothing more comes from it */
	struct login             *login;              /* set by login_init: answers find their way back */
};

void machine_init(struct machine *m, const struct machine_ops *ops, const struct machine_setup *setup);
void machine_clear(struct machine *m);            /* for ops->free: question, facts, out */

/* The question of this session, made when there is none. */
struct question *machine_question(struct machine *m);

/* Whether anybody listens to the hook: for questions that cost something before they are asked. */
static inline bool machine_asks(const struct machine *m, enum hook hook)
{
	return m->policy && m->policy->hooks & 1u << hook;
}

/* The machine waits for input: give back the memory of the last question and of the replies. */
void machine_rest(struct machine *m);

/* Send one event to the observer, if any. */
void machine_observe(struct machine *m, enum event_kind kind, struct slice line, const char *state,
                     const struct verdict *verdict, uint64_t octets);

/* EVENT_STORED of one mailbox. */
void machine_observe_stored(struct machine *m, struct slice mailbox, uint64_t uid, uint64_t octets,
                            const char *state);

/* A reply is made that somebody may ask about later: every refusal that has a verdict, and what the
 * observer's reply_ids say beyond.  True when `id` belongs into the reply; else it may be "". */
bool machine_explain(struct machine *m, const struct verdict *v, struct slice line, const char *state,
                     bool refusal, char id[REASON_ID + 1]);

/* Out holds this much unwritten: a machine that streams stops until drained. */
enum { MACHINE_OUT_HIGH = 64 * 1024 };

#endif
