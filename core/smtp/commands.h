/* The command table's door, and the verbs behind it. */
#ifndef MOONPOST_SMTP_COMMANDS_H
#define MOONPOST_SMTP_COMMANDS_H

#include "smtp/state.h"

enum smtp_command_flag {
	NEEDS_NO_TLS   = 1 << 0, /* allowed in clear where TLS is required (RFC 3207, 4) */
	NEEDS_AUTH     = 1 << 1, /* 530 on submission before AUTH (RFC 4954, 6) */
	NO_ARGUMENTS   = 1 << 2,
	WANTS_ARGUMENT = 1 << 3,
	UNCOUNTED      = 1 << 4, /* is no command without progress */
	SECRET         = 1 << 5, /* arguments are masked in the transcript */
	HIDDEN         = 1 << 6, /* not in HELP */
};

struct smtp_command {
	const char *verb;
	unsigned    states;      /* enum smtp_state: where it is allowed */
	unsigned    flags;
	void      (*run)(struct smtp_session *s, struct slice args);
	const char *syntax;      /* for 501 and HELP */
	const char *about;       /* for HELP: what it does, where the RFC says so */
};

/* One complete line without CRLF. */
void smtp_command_line(struct smtp_session *s, struct slice line);

/* Any case; NULL: no such verb. */
const struct smtp_command *smtp_command_find(struct slice verb);

/* All commands, ended by verb NULL. */
const struct smtp_command *smtp_command_table(void);

/* One line of a SASL exchange. */
void smtp_cmd_auth_line(struct smtp_session *s, struct slice line);
/* That line was no line: too long, or with a bare CR or LF.  Ends the exchange. */
void smtp_cmd_auth_broken(struct smtp_session *s, struct smtp_failure why);
/* login's step function. */
void smtp_cmd_auth_step(void *owner, enum login_step step);

/* Octets behind DATA or of a BDAT chunk off the front of *in. */
void smtp_cmd_data_octets(struct smtp_session *s, struct slice *in);
void smtp_cmd_data_chunk(struct smtp_session *s, struct slice *in);

/* BDAT that policy refuses: its chunk is read, and f the answer to it and all that follow. */
void smtp_cmd_bdat_refused(struct smtp_session *s, struct slice args, struct smtp_failure f);

void smtp_cmd_helo(struct smtp_session *s, struct slice args);
void smtp_cmd_ehlo(struct smtp_session *s, struct slice args);
void smtp_cmd_starttls(struct smtp_session *s, struct slice args);
void smtp_cmd_xclient(struct smtp_session *s, struct slice args);
void smtp_cmd_auth(struct smtp_session *s, struct slice args);
void smtp_cmd_mail(struct smtp_session *s, struct slice args);
void smtp_cmd_rcpt(struct smtp_session *s, struct slice args);
void smtp_cmd_data(struct smtp_session *s, struct slice args);
void smtp_cmd_bdat(struct smtp_session *s, struct slice args);
void smtp_cmd_rset(struct smtp_session *s, struct slice args);
void smtp_cmd_noop(struct smtp_session *s, struct slice args);
void smtp_cmd_quit(struct smtp_session *s, struct slice args);
void smtp_cmd_vrfy(struct smtp_session *s, struct slice args);
void smtp_cmd_expn(struct smtp_session *s, struct slice args);
void smtp_cmd_help(struct smtp_session *s, struct slice args);
void smtp_cmd_unimplemented(struct smtp_session *s, struct slice args);
void smtp_cmd_not_smtp(struct smtp_session *s, struct slice args);

#endif
