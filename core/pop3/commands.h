/* The table of commands: the protocol on one screen (commands.c). */
#ifndef MOONPOST_POP3_COMMANDS_H
#define MOONPOST_POP3_COMMANDS_H

#include "pop3/state.h"

struct pop3_args {
	struct slice words[2];
	unsigned     count;
};

typedef void pop3_run_fn(struct pop3_session *s, const struct pop3_args *args);

/* One line without CRLF: find the row, check state and arguments, run it. */
void pop3_commands_run(struct pop3_session *s, struct slice line);

/* The command that waits for policy is not run any more. */
void pop3_commands_forget(struct pop3_session *s);

/* cmd_login.c */
pop3_run_fn pop3_cmd_user, pop3_cmd_pass, pop3_cmd_apop, pop3_cmd_auth, pop3_cmd_stls;
/* The client's next line of an AUTH exchange. */
void pop3_cmd_auth_line(struct pop3_session *s, struct slice line);
/* The step function of the session's login. */
void pop3_cmd_login_step(void *owner, enum login_step step);

/* cmd_capa.c */
pop3_run_fn pop3_cmd_capa, pop3_cmd_utf8, pop3_cmd_lang;

/* cmd_maildrop.c */
pop3_run_fn pop3_cmd_stat, pop3_cmd_list, pop3_cmd_uidl, pop3_cmd_dele, pop3_cmd_rset, pop3_cmd_noop,
            pop3_cmd_last;
/* The index of a message number that is there and not marked; false: the reply is made. */
bool pop3_cmd_message(struct pop3_session *s, struct slice word, unsigned *index);
/* The size of a message: what RETR sends after unstuffing (RFC 1939, 11). */
uint64_t pop3_cmd_octets(const struct pop3_session *s, unsigned index);
/* Begin the TRANSACTION state with a maildrop that was opened (the session owns it now). */
void pop3_cmd_enter_maildrop(struct pop3_session *s, struct maildrop *m);
bool pop3_cmd_marked(const struct pop3_session *s, unsigned index);

/* cmd_retrieve.c */
pop3_run_fn pop3_cmd_retr, pop3_cmd_top;
/* The host sent that much of machine.file; see ops->file_sent. */
void pop3_cmd_file_sent(struct pop3_session *s, long octets);

/* cmd_end.c */
pop3_run_fn pop3_cmd_quit;

#endif
