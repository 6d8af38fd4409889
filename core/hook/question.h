/* A question is what a protocol machine asks policy: "may this client send to that recipient?".
 *
 * A session has at most one question, and none while it idles (hook/machine.h).  Asking:
 *
 *     struct question *q = machine_question(m);
 *     question_begin(q, HOOK_ACCEPT_RECIPIENT, on_answered);
 *     q->recipient.address = ...;
 *     question_ask(q);                     // on_answered may run before this returns
 *
 * The answerer fills q->verdict (and the kind's answer fields) and calls question_answer()
 * exactly once, at once or later, always from the event loop.  A session that closes calls
 * question_cancel(): the answerer stops what it does and never answers.
 *
 * Input slices are borrowed from the session and stay valid until the question is answered or
 * cancelled.  Answer fields are owned by the question: question_begin() and question_clear()
 * free them. */
#ifndef MOONPOST_HOOK_QUESTION_H
#define MOONPOST_HOOK_QUESTION_H

#include "base/arena.h"
#include "hook/facts.h"
#include "hook/hook.h"
#include "hook/verdict.h"

/* Where one accepted recipient's mail goes. */
struct recipient_target {
	struct recipient_target *next;
	char *mailbox;                    /* canonical mailbox name; in the question's arena */
	char *address;                    /* the address it was resolved from; in the arena */
};

struct message;
struct envelope;
struct question;
typedef void question_answered_fn(void *owner, struct question *q);

/* Who answers; one per worker.  Calls question_answer(q) once, now or later. */
struct policy {
	void (*ask)(struct policy *p, struct question *q);
	/* Which hooks anybody listens to, a bit per enum hook: the session does not ask others,
	 * but for those the core itself answers (AUTH, SECRET, TOKEN, ACCEPT_RECIPIENT). */
	uint32_t hooks;
	bool explains, explains_all;      /* somebody reads the reasons (reason.h); also of a yes */
};

struct question {
	/* set by question_init, kept */
	struct policy        *policy;
	struct facts         *facts;
	void                 *owner;      /* the session */
	/* set by question_begin */
	enum hook             hook;
	question_answered_fn *answered;
	uint32_t              generation; /* changes with each question: late wake-ups carry an old one */
	bool                  waiting;
	uint64_t              started_us;
	/* set by the answerer while it works; called at most once, by question_cancel */
	void                (*cancel)(struct question *q);
	void                 *work;       /* the answerer's own */
	/* what is asked; only the hook's own member is set */
	union {
		struct { struct slice name; bool esmtp; } helo;
		struct { struct slice name; } tls;                    /* CERTIFICATE: the server, or SLICE_NONE */
		struct { struct slice verb, arguments; } command;     /* ACCEPT_COMMAND; secrets masked */
		struct {                          /* REWRITE_*: text is also the answer */
			struct slice text;            /* CAPABILITIES: lines, each ended by LF */
			struct slice known;           /* CAPABILITIES: what the core can, in the same form */
			struct slice sign, status;    /* REPLY: "550" or "-ERR"; "5.1.1" or "SYS/TEMP" or "" */
		} rewrite;
		struct {                          /* AUTH, SECRET, TOKEN */
			struct slice mechanism;       /* "PLAIN", "USER", "APOP", "SCRAM-SHA-256" ... */
			struct slice user;            /* authentication identity */
			struct slice password;        /* AUTH only */
			struct slice authzid;         /* authorization identity or "" */
			struct slice token;           /* TOKEN only */
		} login;
		struct { struct slice address; uint64_t size; bool body_8bit, smtputf8; } sender;
		struct {                          /* ACCEPT_RECIPIENT, ALIAS */
			struct slice address;         /* "" never; local part as given, domain lower case */
			struct slice localpart, detail, domain;   /* detail: after '+', or "" */
			uint64_t size;                /* SIZE= of MAIL, or 0 */
		} recipient;
		struct {                          /* ACCEPT_DATA to ON_ACCEPT */
			const struct envelope *envelope;
			struct message *message;      /* NULL with ACCEPT_DATA */
			unsigned recipient;           /* ACCEPT_DELIVERY: index in the envelope */
		} data;
		struct {                          /* ON_DELETE */
			struct slice mailbox, uidl;
			uint64_t octets;
			unsigned number;              /* message number in the session */
			void *maildrop;               /* struct maildrop *, to read the message */
			unsigned index;
		} deletion;
	} ;
	/* the answer */
	struct verdict   verdict;
	struct reason   *reasons, *last_reason;       /* who was asked, in order; in the arena */
	const char      *about;               /* reason.h: what was asked, in words; or NULL */
	struct arena     arena;               /* what the answer fields point to */
	struct identity  identity;            /* AUTH, TOKEN accepted; moved out by the session */
	struct recipient_target *targets;     /* ACCEPT_RECIPIENT accepted: at least one; ALIAS: addresses;
	                                       * ACCEPT_DELIVERY: one when it goes elsewhere */
	struct { struct slice chain, key; } certificate;      /* CERTIFICATE accepted: PEM texts */
	struct slice     address;             /* ACCEPT_SENDER: in place of the sender, or SLICE_NONE */
	struct {                              /* SECRET accepted */
		struct slice plain;               /* the password in clear (APOP, CRAM-MD5), or none */
		struct slice salt, stored_key, server_key;   /* SCRAM-SHA-256 (RFC 5802, 3) */
		unsigned     iterations;          /* 0: no SCRAM keys */
	} secret;
};

void question_init(struct question *q, struct policy *p, struct facts *f, void *owner);

/* Forget the last question and its answer, start a new one.  Nothing may be in flight. */
void question_begin(struct question *q, enum hook h, question_answered_fn *answered);

/* Hand it to the policy.  If nobody listens to the hook it is answered VERDICT_NONE at once. */
void question_ask(struct question *q);

/* For the answerer: the verdict stands, go on.  Calls answered(). */
void question_answer(struct question *q);

/* Close what is in flight; the answered function will not be called.  NULL is fine. */
void question_cancel(struct question *q);

void question_clear(struct question *q);          /* cancel and free everything */

#endif
