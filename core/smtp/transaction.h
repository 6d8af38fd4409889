/* One mail transaction (RFC 5321, 3.3): envelope, the octets as they come, the checks made on
 * the way, delivery.  A failure found while octets come in is kept and told after their end. */
#ifndef MOONPOST_SMTP_TRANSACTION_H
#define MOONPOST_SMTP_TRANSACTION_H

#include "base/map.h"
#include "mail/dots.h"
#include "mail/header.h"
#include "hook/mailbox.h"
#include "hook/question.h"

struct smtp_session;

enum { TRANSACTION_ID_SIZE = 16 };

/* Why a message will be refused although its octets are still coming. */
struct smtp_failure {
	int         code;                     /* 0: nothing is wrong */
	const char *status;                   /* static storage, as the text */
	const char *text;
};

struct smtp_transaction {
	struct arena         arena;           /* envelope and everything it points to */
	struct envelope      envelope;
	unsigned             recipients_room;
	struct map           mailboxes;       /* names already among the recipients */
	unsigned             accepted, refused;   /* RCPT commands */
	bool                 discard;         /* the whole mail, by policy */
	char                 id[TRANSACTION_ID_SIZE];
	struct message      *message;
	uint64_t             octets;          /* received, without our trace fields */
	struct buf           first_line;      /* until it is known whether it is a header field */
	bool                 begun;           /* trace fields are written */
	struct dots_reader   dots;            /* BDAT: its lines alone */
	struct header_counter header;
	struct smtp_failure  failure;
	uint64_t             chunk_left;      /* BDAT: octets of this chunk still to come */
	bool                 chunk_last, chunk_refused;
	struct smtp_judgement *judgement;     /* judge.c, in the arena; or NULL */
	struct delivery      delivery;
	bool                 delivering;
};

void smtp_transaction_init(struct smtp_transaction *t);

/* Forget everything and cancel a delivery in flight; ready for the next MAIL. */
void smtp_transaction_reset(struct smtp_transaction *t);

/* Take a recipient with all mailboxes policy named; a mailbox that is there already is not
 * taken twice.  targets NULL: accepted and thrown away. */
void smtp_transaction_add(struct smtp_transaction *t, struct slice address,
                          const struct recipient_target *targets);

/* The first octets are about to come. */
void smtp_transaction_begin(struct smtp_session *s);

/* Octets of the message, unstuffed, cut anywhere. */
void smtp_transaction_take(struct smtp_session *s, struct slice octets);

/* Line rules for octets that did not pass dots_read (BDAT). */
void smtp_transaction_watch_lines(struct smtp_session *s, struct slice octets);

/* Remember why the message cannot be taken; the first reason stays. */
void smtp_transaction_fail(struct smtp_transaction *t, int code, const char *status, const char *text);

/* All octets are there: check the whole, have it judged (judge.h), reply, back to SMTP_IDLE. */
void smtp_transaction_finish(struct smtp_session *s);

/* The ends of a message: each replies, and forgets the transaction.  recipient: on whose account it is
 * refused, or NULL; it may live in the transaction.  discarded: nobody gets it, and nobody is told. */
void smtp_transaction_deliver(struct smtp_session *s);
void smtp_transaction_stored(struct smtp_session *s, bool discarded);
void smtp_transaction_refuse(struct smtp_session *s, struct smtp_failure f, const char *recipient);

/* Whether there is a recipient who is not discarded. */
bool smtp_transaction_wanted(const struct smtp_transaction *t);

/* The octets cannot be kept: logged, and t->failure says what the client is told. */
void smtp_transaction_spool_failed(struct smtp_session *s, enum status st);

#endif
