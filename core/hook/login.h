/* One authentication exchange, shared by SMTP AUTH (RFC 4954) and POP3 AUTH (RFC 5034), USER/PASS
 * and APOP: runs a SASL mechanism step by step and asks policy for what the mechanism needs
 * (auth, secret, token, then accept_login).
 *
 *     login_init(&s->login, &s->machine, on_step, s);
 *     login_start(&s->login, mechanism, has_initial, initial);
 *     ... on_step(owner, LOGIN_CHALLENGE | LOGIN_DONE | LOGIN_REFUSED) ...
 *     login_feed(&s->login, line);          // client's next line, base64 or "*"
 *
 * on_step may run before login_start/login_feed return, and may not call back into the login.
 * Delays and the end of the session after too many failures are the machine's business.
 *
 * Every end, good or bad, is one EVENT_LOGIN whose line is "MECHANISM user". */
#ifndef MOONPOST_HOOK_LOGIN_H
#define MOONPOST_HOOK_LOGIN_H

#include "hook/machine.h"

enum login_step {
	LOGIN_CHALLENGE,         /* send login->challenge (base64, may be empty), feed the answer */
	LOGIN_DONE,              /* machine->facts.identity is set */
	LOGIN_REFUSED,           /* machine_question(machine)->verdict says why; kind is never ACCEPT or NONE */
	LOGIN_CANCELED,          /* the client sent "*" */
	LOGIN_BAD,               /* not base64, or breaks the mechanism's grammar */
};

enum login_mechanism {
	LOGIN_PLAIN           = 1 << 0,
	LOGIN_LOGIN           = 1 << 1,
	LOGIN_SCRAM_SHA_256   = 1 << 2,
	LOGIN_SCRAM_SHA_256_PLUS = 1 << 3,
	LOGIN_CRAM_MD5        = 1 << 4,
	LOGIN_OAUTHBEARER     = 1 << 5,
	LOGIN_XOAUTH2         = 1 << 6,
};

typedef void login_step_fn(void *owner, enum login_step step);

struct login_exchange;

struct login {
	struct machine        *machine;
	void                  *owner;
	login_step_fn         *step;
	struct login_exchange *exchange;      /* the mechanism's state while one runs */
	struct buf             challenge;     /* base64 text to send with LOGIN_CHALLENGE */
	struct buf             user;          /* whom the last refused exchange was for, as the client said */
	unsigned               failures;      /* refused logins of this session, tempfails not counted */
	bool                   plus_offered;  /* login_offered said SCRAM-SHA-256-PLUS */
};

void login_init(struct login *l, struct machine *m, login_step_fn *step, void *owner);
void login_clear(struct login *l);        /* secrets are wiped */

/* Bits of enum login_mechanism: what may be offered now: configured, and those that send a
 * password or token only when facts.tls.active or plain_allowed, PLUS only when the channel has
 * binding data, SCRAM and CRAM-MD5 only when somebody answers the secret hook, OAUTH only when
 * somebody answers the token hook.  Ask before login_start: only what is offered may start. */
unsigned login_offered(struct login *l, unsigned configured, bool plain_allowed);

/* Write their names, separated by spaces, strongest first. */
void login_names(unsigned mechanisms, struct buf *out);

/* The bit of a name, any case; 0 when unknown. */
unsigned login_mechanism(struct slice name);

/* initial: the initial response still in base64 ("=" is the empty one), or SLICE_NONE with
 * has_initial false. */
void login_start(struct login *l, unsigned mechanism, bool has_initial, struct slice initial);
void login_feed(struct login *l, struct slice line);

/* What made-up SCRAM salts of unknown users come from; copied (at most 32 octets).  The same in
 * all workers, or two connections tell an unknown user from a known one: the master sets it
 * before it forks.  Without it: random per process. */
void login_set_secret(struct slice secret);

/* USER/PASS: no SASL exchange, the same question. */
void login_password(struct login *l, struct slice user, struct slice password);

/* APOP (RFC 1939, 7): timestamp is the one of our greeting, with its angle brackets. */
void login_apop(struct login *l, struct slice user, struct slice timestamp, struct slice digest);

#endif
