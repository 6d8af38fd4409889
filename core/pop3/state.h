/* What a POP3 session remembers, shared by the files of this folder alone; others see session.h.
 *
 * Every wait is one of four kinds: a question of the machine, the login, an operation of the
 * maildrop, a delay.  Each has a completion that may run at once or later; late ones stand
 * between pop3_session_enter() and pop3_session_leave(). */
#ifndef MOONPOST_POP3_STATE_H
#define MOONPOST_POP3_STATE_H

#include "mail/dots.h"
#include "pop3/lang.h"
#include "pop3/session.h"

/* A bit each, so that the command table can say where a command is allowed (RFC 1939, 3). */
enum pop3_state {
	POP3_AUTHORIZATION = 1 << 0,
	POP3_TRANSACTION   = 1 << 1,
	POP3_UPDATE        = 1 << 2,
};

struct pop3_session;
struct pop3_held;
struct pop3_asked;
typedef void pop3_continue_fn(struct pop3_session *s);

/* A multi-line reply on its way out: LIST, UIDL (index alone) or the octets of a message. */
struct pop3_body {
	pop3_continue_fn  *more;              /* goes on after the output was written; NULL: no body */
	unsigned           index;             /* next row, or the message */
	uint64_t           offset;            /* octets of the message read so far */
	uint64_t           sent;              /* octets of the message put into the output */
	struct dots_writer dots;
	bool               top;               /* TOP: header and `lines` of the body */
	bool               in_body;           /* TOP: the empty line was seen */
	bool               blank;             /* TOP: nothing but CR on the current header line so far */
	uint64_t           lines;             /* TOP: lines of the body still to send */
	bool               begun;             /* the status line stands in the output */
	bool               reading;           /* the maildrop owes an answer */
	bool               pumping;           /* the loop is running: completions only store */
	bool               unsendable;        /* the host could not send from the file: read the rest */
	bool               over;              /* all octets are out */
	bool               failed;
};

struct pop3_session {
	struct machine machine;               /* first: the host sees nothing else */
	const struct pop3_settings *settings;
	enum pop3_state state;
	enum pop3_language language;
	bool     language_chosen;             /* LANG was used: texts may be UTF-8 (RFC 6856, 3.2) */
	bool     utf8;                        /* UTF8 was used */
	unsigned depth;                       /* calls into the machine that are running */
	unsigned errors;                      /* bad commands in a row */
	bool     skipping;                    /* the rest of a line that was too long */
	bool     stopping;                    /* the server stops: close after the running command */
	uint64_t line_since_ms;               /* an unfinished line came in at that time, or 0 */
	pop3_continue_fn *delayed;            /* runs after machine.delay_ms */
	struct pop3_held  *held;              /* reply.c: a reply that policy may rewrite; or NULL */
	struct pop3_asked *command;           /* commands.c: the one that policy is asked about */

	/* AUTHORIZATION */
	struct login login;
	bool     exchange;                    /* AUTH: the next line belongs to the mechanism */
	bool     exchange_broken;             /* AUTH: its line was refused before the mechanism saw it */
	bool     opening;                     /* the provider opens the maildrop */
	char    *name;                        /* as the client typed it in USER or APOP, heap, or NULL */
	char    *account;                     /* the name with the default domain, heap, or NULL */
	char    *timestamp;                   /* of the greeting, for APOP, heap, or NULL */
	const char *method;                   /* "USER", "APOP", "PLAIN" ...: for the log */

	/* TRANSACTION */
	struct maildrop *maildrop;
	unsigned char   *marked;              /* a bit per message marked as deleted; NULL: none yet */
	unsigned left;                        /* messages not marked */
	uint64_t octets_left;                 /* their octets */
	uint64_t octets;                      /* of all messages */
	unsigned last;                        /* highest message number retrieved (RFC 1225, LAST) */
	unsigned retrieved;                   /* RETR that were sent whole */
	struct pop3_body body;

	/* UPDATE */
	unsigned *doomed;                     /* indexes to delete, in order */
	unsigned  doomed_count;
	unsigned  asked;                      /* index of the next message to ask about, or the one asked */
	bool      asking;                     /* the loop over the marked messages is running */
	bool      refused;                    /* policy refused a deletion; its text is kept below */
	bool      refused_for_now;
	char     *refused_text;               /* heap, or NULL */
};

const char *pop3_session_state(const struct pop3_session *s);    /* "TRANSACTION" */

/* Around every completion: leave tells the host when nobody else is running the machine. */
void pop3_session_enter(struct pop3_session *s);
void pop3_session_leave(struct pop3_session *s);

/* Nothing is read until somebody sets the machine to read again. */
void pop3_session_wait(struct pop3_session *s);
void pop3_session_proceed(struct pop3_session *s);

/* Run then after that many milliseconds; at once for 0. */
void pop3_session_delay(struct pop3_session *s, uint32_t ms, pop3_continue_fn *then);

/* Write out, then close; no UPDATE. */
void pop3_session_close(struct pop3_session *s);

/* The same between two commands, and the maildrop is free for others from now on. */
void pop3_session_abandon(struct pop3_session *s);

/* Plain-text passwords may pass here: TLS, or the configuration says so. */
bool pop3_session_plain_allowed(const struct pop3_session *s);

#endif
