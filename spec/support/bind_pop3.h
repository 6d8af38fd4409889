/* A POP3 session for specs and what surrounds it: the maildrop (bind_pop3_maildrop.c), policy
 * (bind_pop3_policy.c), host and methods (bind_pop3.c). */
#ifndef MOONPOST_SPEC_BIND_POP3_H
#define MOONPOST_SPEC_BIND_POP3_H

#include <lua.h>

#include "pop3/session.h"

enum pending { NOTHING, QUESTION, OPEN, READ, COMMIT };

struct spec_session {
	struct machine         *m;
	struct pop3_settings    settings;
	struct policy           policy;
	struct mailbox_provider provider;
	struct observer         observer;
	struct buf              inbox;
	lua_State              *L;            /* of the call that runs */
	int                     options;      /* registry reference: the options table */
	int                     events;       /* registry reference: list of events */
	int                     changes;      /* host_changed so far */
	enum pending            pending;
	struct question        *question;
	void                   *owner;
	maildrop_opened_fn     *opened;
	maildrop_read_fn       *read;
	maildrop_done_fn       *done;
	unsigned                index;        /* READ: what was asked */
	uint64_t                offset;
	size_t                  max;
	unsigned                open_count, close_count, cancel_count;
	int64_t                 login_time;            /* of the maildrop that was closed last */
};

/* Options of the spec: a field, pushed; the same as a value. */
int         bind_pop3_option(struct spec_session *s, const char *name);
lua_Integer bind_pop3_integer(struct spec_session *s, const char *name, lua_Integer fallback);
bool        bind_pop3_true(struct spec_session *s, const char *name);
enum status bind_pop3_status(const char *name);

/* The field of the table on top as text that lives as long as the table; ptr NULL: no text. */
struct slice bind_pop3_field(lua_State *L, const char *name);
void bind_pop3_set_field(lua_State *L, const char *name, struct slice v);

extern const struct mailbox_ops bind_pop3_mailboxes;
void bind_pop3_answer_open(struct spec_session *s, enum status st);
void bind_pop3_answer_read(struct spec_session *s, enum status st);

void bind_pop3_ask(struct policy *p, struct question *q);
/* The answer is on top of the stack: nil or a table. */
void bind_pop3_answer_question(struct spec_session *s, struct question *q);

#endif
