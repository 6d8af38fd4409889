/* The inside of one authentication exchange: what login.c starts, the mechanisms of
 * login_sasl.c drive step by step, and login_exchange.c ends.  Seen by these three alone. */
#ifndef MOONPOST_HOOK_LOGIN_EXCHANGE_H
#define MOONPOST_HOOK_LOGIN_EXCHANGE_H

#include "mail/sasl.h"
#include "hook/login.h"

/* Takes the client's next message, decoded: asks, challenges or ends. */
typedef void login_message_fn(struct login *l, struct slice message);

struct login_exchange {
	const char       *mechanism;      /* name for questions and events */
	login_message_fn *expect;         /* NULL while a question is in flight */
	struct buf        message;        /* the client's last message */
	struct buf        user, authzid;
	struct buf        secret;         /* password, token or the client's digest */
	struct buf        challenge;      /* CRAM-MD5 and APOP: what the digest is over */
	struct sasl_scram scram;
	bool              refused;        /* told in a challenge: any answer ends it with verdict */
	bool              made_up;        /* the secret is: no proof may fit it */
	struct identity   identity;       /* of an accepted answer, until the proof is there */
	struct verdict    verdict;        /* an answer that is told later */
};

void login_exchange_begin(struct login *l, const char *mechanism);
void login_exchange_free(struct login *l);        /* secrets are wiped; nothing is told */

/* Send raw as a challenge; the answer goes to expect. */
void login_exchange_challenge(struct login *l, struct slice raw, login_message_fn *expect);

/* Ask HOOK_AUTH, HOOK_SECRET or HOOK_TOKEN about user and authzid (and secret). */
void login_exchange_ask(struct login *l, enum hook hook, question_answered_fn *answered);

/* The four ends.  Each frees the exchange and calls the owner's step: nothing may follow. */
void login_exchange_accept(struct login *l);      /* once accept_login agrees */
void login_exchange_refuse(struct login *l, enum verdict_kind kind, const char *text);
void login_exchange_refuse_answer(struct login *l, const struct verdict *v);
void login_exchange_stop(struct login *l, enum login_step step);  /* LOGIN_BAD, LOGIN_CANCELED */

/* Keep identity and verdict of the accepted question; user as given when it names nobody. */
void login_exchange_keep_answer(struct login *l);

#endif
