/* The inside of an SMTP session, shared by the files of this folder alone.
 *
 * session.c moves bytes and states, commands.c holds the table, cmd_*.c do the verbs,
 * transaction.c gathers one mail, reply.c is the only door to the client. */
#ifndef MOONPOST_SMTP_STATE_H
#define MOONPOST_SMTP_STATE_H

#include "smtp/session.h"
#include "smtp/transaction.h"

/* One bit each, so that the command table can say where a verb is allowed. */
enum smtp_state {
	SMTP_CONNECT = 1 << 0,   /* before the greeting */
	SMTP_REFUSED = 1 << 1,   /* greeted with 554: only QUIT is left (RFC 5321, 3.1) */
	SMTP_START   = 1 << 2,   /* greeted; no HELO or EHLO yet */
	SMTP_IDLE    = 1 << 3,   /* ready for MAIL */
	SMTP_MAIL    = 1 << 4,   /* MAIL was accepted */
	SMTP_RCPT    = 1 << 5,   /* at least one RCPT was accepted */
	SMTP_BDAT    = 1 << 6,   /* between the chunks of a message */
	SMTP_DATA    = 1 << 7,   /* the octets of a message come in */
	SMTP_CLOSED  = 1 << 8,
};

/* What the next octets are. */
enum smtp_input { INPUT_COMMAND, INPUT_AUTH, INPUT_DATA, INPUT_CHUNK };

struct smtp_command;
struct smtp_held;
struct smtp_asked;
struct smtp_session;

/* A verdict came; the session reads on unless the function says otherwise. */
typedef void smtp_answered_fn(struct smtp_session *s, const struct verdict *v);

struct smtp_session {
	struct machine              machine;      /* first: the host's view */
	const struct smtp_settings *settings;
	struct login                login;
	struct smtp_transaction     transaction;
	struct smtp_held           *held;         /* reply.h: a reply that policy may rewrite; or NULL */
	struct smtp_asked          *asked;        /* commands.c: the command that policy is asked about */
	struct arena                scratch;      /* what one command needs until its answer */
	enum smtp_state             state;
	enum smtp_input             input;
	smtp_answered_fn           *answered;     /* who gets the verdict in flight */
	const struct verdict       *verdict;      /* that the reply comes from, while it is rendered */
	const char                 *reply_id;     /* of that reply, when it was made before */
	uint64_t line_started_ms;                 /* first octet of an incomplete line, or 0 */
	uint32_t errors, idle_commands, transactions;
	unsigned inside;                          /* calls from the host on the stack */
	bool     lines;                           /* the reply has lines already */
	bool     skipping;                        /* up to the CRLF of a refused line */
	bool     ending;                          /* the server stops: 421 at the next chance */
	struct smtp_failure auth_failure;         /* why the exchange is ended by us, if it is */
	bool     after_auth;                      /* the last known command was AUTH */
	bool     login_by_xclient;
};

/* The name of the state in the transcript. */
const char *smtp_session_state_name(const struct smtp_session *s);

/* Start a question; then fill it and ask: fn gets the verdict, after its delay. */
void smtp_session_begin(struct smtp_session *s, enum hook hook);
void smtp_session_ask(struct smtp_session *s, smtp_answered_fn *fn);

/* Bracket a completion that may come at once or from the event loop:
 *     bool late = smtp_session_enter(s);  ...  smtp_session_leave(s, late);  */
bool smtp_session_enter(struct smtp_session *s);
void smtp_session_leave(struct smtp_session *s, bool late);

/* Hold everything for that long, then call fn with the verdict of the question.  0: at once. */
void smtp_session_hold(struct smtp_session *s, uint32_t delay_ms, smtp_answered_fn *fn);

/* Count a command; more than max_idle_commands without progress end the session.  Progress is a
 * recipient, a chunk, a mail, TLS, a login: it starts the count anew. */
void smtp_session_idled(struct smtp_session *s);
void smtp_session_progressed(struct smtp_session *s);

/* Forget what the client said before TLS or XCLIENT: HELO, login, transaction. */
void smtp_session_restart(struct smtp_session *s);

/* Ask accept_connection, then greet. */
void smtp_session_greet(struct smtp_session *s);

/* RSET: the envelope and what came of the message are forgotten. */
void smtp_session_reset_transaction(struct smtp_session *s);

/* Bits of enum login_mechanism that the client may use now. */
unsigned smtp_session_mechanisms(struct smtp_session *s);

#endif
