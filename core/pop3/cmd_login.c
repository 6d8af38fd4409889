/* Signing in: USER and PASS, APOP, AUTH, and STLS before them.  The arithmetic and the questions
 * to policy are core/hook/login's; here are the dialogue, its refusals and the maildrop that
 * opens behind a login. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pop3/commands.h"
#include "pop3/reply.h"

/* ---- the door opens ---- */

/* The client is not signed in (any more): back to the start of AUTHORIZATION. */
static void forget_identity(struct pop3_session *s)
{
	identity_clear(&s->machine.facts.identity);
	free(s->name);
	s->name = NULL;
}

static void refuse_maildrop(struct pop3_session *s, enum pop3_text text, const char *reason)
{
	log_info("maildrop refused", "session", s->machine.facts.id, "user",
	         s->machine.facts.identity.user, "reason", reason, NULL);
	forget_identity(s);
	pop3_reply(s, text, NULL);
}

/* RFC 2449, 6.5: the client comes again too early. */
static bool too_early(const struct pop3_session *s, const struct maildrop *m)
{
	uint32_t delay = s->settings->login_delay_s;

	return delay && m->last_login && clock_wall() < m->last_login + (int64_t)delay;
}

/* Signed in for good: what only a login needs is given back. */
static void forget_credentials(struct pop3_session *s)
{
	char **words[] = { &s->name, &s->account, &s->timestamp };

	for (size_t i = 0; i < COUNT_OF(words); i++) {
		free(*words[i]);
		*words[i] = NULL;
	}
}

static void enter_maildrop(struct pop3_session *s, struct maildrop *m)
{
	const struct facts *f = &s->machine.facts;

	if (too_early(s, m)) {
		m->ops->close(m);
		log_info("maildrop refused", "session", f->id, "user", f->identity.user, "reason",
		         "login delay", NULL);
		forget_identity(s);
		pop3_reply(s, POP3_TEXT_LOGIN_DELAY, POP3_WITH(.u = s->settings->login_delay_s));
		return;
	}
	if (s->settings->login_delay_s)
		m->login_time = clock_wall();
	pop3_cmd_enter_maildrop(s, m);
	log_info("login", "session", f->id, "protocol", "pop3", "user", f->identity.user, "mailbox",
	         f->identity.mailbox, "method", s->method, "ip", f->remote_ip, "tls", f->tls.version,
	         "messages", log_u64(m->count), "octets", log_u64(s->octets), NULL);
	pop3_reply(s, POP3_TEXT_WELCOME,
	           POP3_WITH(.n = slice_from(s->name ? s->name : f->identity.user), .m = s->left,
	                     .o = s->octets_left));
	forget_credentials(s);
}

static void on_opened(void *owner, enum status st, struct maildrop *m)
{
	struct pop3_session *s = owner;

	pop3_session_enter(s);
	s->opening = false;
	pop3_session_proceed(s);
	switch (st) {
	case ST_OK:
		enter_maildrop(s, m);
		break;
	case ST_BUSY:
		refuse_maildrop(s, POP3_TEXT_IN_USE, "in use");
		break;
	case ST_UNSUPPORTED:
	case ST_NOTFOUND:
	case ST_DENIED:
		refuse_maildrop(s, POP3_TEXT_OPEN_DENIED, status_text(st));
		break;
	default:
		refuse_maildrop(s, POP3_TEXT_OPEN_FOR_NOW, status_text(st));
	}
	pop3_session_leave(s);
}

static void open_maildrop(struct pop3_session *s)
{
	struct mailbox_provider *p = s->machine.mailboxes;

	pop3_session_wait(s);
	s->opening = true;
	p->ops->open(p, &s->machine.facts, slice_from(s->machine.facts.identity.mailbox), on_opened, s);
}

/* ---- the door stays shut ---- */

/* Policy's permanent refusal: credentials (X.7.x) or something about the mailbox (X.2.x ...). */
static enum pop3_text refusal(const struct verdict *v)
{
	return !v->status[0] || v->status[2] == '7' ? POP3_TEXT_LOGIN_REFUSED : POP3_TEXT_LOGIN_DENIED;
}

static void say_refused(struct pop3_session *s)
{
	const struct verdict *v = &machine_question(&s->machine)->verdict;

	pop3_session_proceed(s);
	if (v->kind == VERDICT_TEMPFAIL) {
		pop3_reply_verdict(s, POP3_TEXT_LOGIN_FOR_NOW, v);
	} else if (v->kind == VERDICT_DISCONNECT) {
		pop3_reply_verdict(s, refusal(v), v);
		pop3_session_close(s);
	} else if (s->settings->max_auth_failures &&
	           s->login.failures >= s->settings->max_auth_failures) {
		pop3_reply(s, POP3_TEXT_LOGIN_TOO_OFTEN, NULL);
		pop3_session_close(s);
	} else {
		pop3_reply_verdict(s, refusal(v), v);
	}
	forget_identity(s);
}

/* The answer to a wrong password comes late, so that guessing takes time. */
static void refuse(struct pop3_session *s)
{
	const struct verdict *v = &machine_question(&s->machine)->verdict;
	uint32_t delay = v->kind == VERDICT_TEMPFAIL ? 0 : s->settings->auth_failure_delay_ms;

	log_info("login refused", "session", s->machine.facts.id, "protocol", "pop3", "user",
	         buf_cstr(&s->login.user), "method", s->method, "ip", s->machine.facts.remote_ip, "verdict",
	         verdict_name(v->kind), "status", v->status, "text", v->text, "by", v->by, "failures",
	         log_u64(s->login.failures), NULL);
	pop3_session_delay(s, v->delay_ms > delay ? v->delay_ms : delay, say_refused);
}

static void say_bad_exchange(struct pop3_session *s, enum pop3_text text)
{
	pop3_session_proceed(s);
	if (!s->exchange_broken)         /* otherwise the line's own refusal is the reply */
		pop3_reply_bad(s, text, NULL);
}

void pop3_cmd_login_step(void *owner, enum login_step step)
{
	struct pop3_session *s = owner;

	pop3_session_enter(s);
	s->exchange = step == LOGIN_CHALLENGE;
	switch (step) {
	case LOGIN_CHALLENGE:
		pop3_session_proceed(s);
		pop3_reply_challenge(s, buf_slice(&s->login.challenge));
		break;
	case LOGIN_DONE:
		open_maildrop(s);
		break;
	case LOGIN_REFUSED:
		refuse(s);
		break;
	case LOGIN_CANCELED:
		say_bad_exchange(s, POP3_TEXT_EXCHANGE_CANCELED);
		break;
	case LOGIN_BAD:
		say_bad_exchange(s, POP3_TEXT_EXCHANGE_BAD);
		break;
	}
	pop3_session_leave(s);
}

/* ---- the commands ---- */

/* False, and the reply is made: no plain-text password may pass here (RFC 2595, 2.2). */
static bool check_privacy(struct pop3_session *s)
{
	if (pop3_session_plain_allowed(s))
		return true;
	pop3_reply_bad(s, s->machine.tls_available ? POP3_TEXT_TLS_NEEDED : POP3_TEXT_TLS_NEEDED_ELSEWHERE,
	               NULL);
	return false;
}

static void set_name(struct pop3_session *s, struct slice name)
{
	free(s->name);
	s->name = mem_slice_dup(name);
}

/* USER kcope means kcope@default_domain. */
static struct slice account(struct pop3_session *s)
{
	struct slice name = slice_from(s->name);
	const char *domain = s->settings->default_domain;

	if (!domain || slice_find(name, '@') < name.len)
		return name;
	free(s->account);
	s->account = mem_printf("%s@%s", s->name, domain);
	return slice_from(s->account);
}

/* USER SP name CRLF                                                        RFC 1939, 7 */
void pop3_cmd_user(struct pop3_session *s, const struct pop3_args *args)
{
	if (!check_privacy(s))
		return;
	set_name(s, args->words[0]);
	pop3_reply(s, POP3_TEXT_DONE, NULL);
}

/* PASS SP password CRLF; only behind USER                                  RFC 1939, 7 */
void pop3_cmd_pass(struct pop3_session *s, const struct pop3_args *args)
{
	if (!check_privacy(s))
		return;
	if (!s->name) {
		pop3_reply_bad(s, POP3_TEXT_USER_FIRST, NULL);
		return;
	}
	s->method = "USER";
	pop3_session_wait(s);
	login_password(&s->login, account(s), args->words[0]);
}

/* APOP SP name SP digest CRLF                                              RFC 1939, 7 */
void pop3_cmd_apop(struct pop3_session *s, const struct pop3_args *args)
{
	if (!s->timestamp) {
		pop3_reply_bad(s, POP3_TEXT_APOP_OFF, NULL);
		return;
	}
	set_name(s, args->words[0]);
	s->method = "APOP";
	pop3_session_wait(s);
	login_apop(&s->login, account(s), slice_from(s->timestamp), args->words[1]);
}

static void list_mechanisms(struct pop3_session *s, unsigned offered)
{
	struct buf names;
	struct slice rest, name;

	buf_init(&names, 0);
	login_names(offered, &names);
	pop3_reply(s, POP3_TEXT_MECHANISMS, NULL);
	rest = buf_slice(&names);
	while (slice_cut(&rest, ' ', &name) == ST_OK)
		pop3_reply_row(s, name);
	pop3_reply_end(s);
	buf_free(&names);
}

static void refuse_mechanism(struct pop3_session *s, unsigned mechanism, struct slice name)
{
	unsigned in_private = login_offered(&s->login, s->settings->auth_mechanisms, true);

	if (!mechanism)
		pop3_reply_bad(s, POP3_TEXT_MECHANISM_UNKNOWN, POP3_WITH(.n = name));
	else if (!(mechanism & in_private))
		pop3_reply_bad(s, POP3_TEXT_MECHANISM_OFF, POP3_WITH(.n = name));
	else
		check_privacy(s);
}

/* AUTH [SP mechanism [SP initial-response]] CRLF     RFC 5034, 4; the list: RFC 1734's practice */
void pop3_cmd_auth(struct pop3_session *s, const struct pop3_args *args)
{
	unsigned offered = login_offered(&s->login, s->settings->auth_mechanisms,
	                                 pop3_session_plain_allowed(s));
	static const struct { unsigned bit; const char *name; } methods[] = {
		{ LOGIN_PLAIN, "PLAIN" }, { LOGIN_LOGIN, "LOGIN" }, { LOGIN_SCRAM_SHA_256, "SCRAM-SHA-256" },
		{ LOGIN_SCRAM_SHA_256_PLUS, "SCRAM-SHA-256-PLUS" }, { LOGIN_CRAM_MD5, "CRAM-MD5" },
		{ LOGIN_OAUTHBEARER, "OAUTHBEARER" }, { LOGIN_XOAUTH2, "XOAUTH2" },
	};

	if (args->count == 0) {
		list_mechanisms(s, offered);
		return;
	}
	unsigned mechanism = login_mechanism(args->words[0]);

	if (!(mechanism & offered)) {
		refuse_mechanism(s, mechanism, args->words[0]);
		return;
	}
	for (size_t i = 0; i < COUNT_OF(methods); i++)
		if (methods[i].bit == mechanism)
			s->method = methods[i].name;
	free(s->name);                   /* the exchange brings its own */
	s->name = NULL;
	pop3_session_wait(s);
	login_start(&s->login, mechanism, args->count == 2, args->words[1]);
}

void pop3_cmd_auth_line(struct pop3_session *s, struct slice line)
{
	if (!s->exchange_broken)
		machine_observe(&s->machine, EVENT_COMMAND,
		                slice_eq(line, SLICE("*")) ? line : SLICE("****"), pop3_session_state(s),
		                NULL, 0);
	pop3_session_wait(s);
	login_feed(&s->login, line);
}

/* STLS CRLF                                                                RFC 2595, 4 */
void pop3_cmd_stls(struct pop3_session *s, const struct pop3_args *args)
{
	(void)args;
	if (s->machine.facts.tls.active) {
		pop3_reply_bad(s, POP3_TEXT_TLS_ACTIVE, NULL);
	} else if (!s->machine.tls_available) {
		pop3_reply_bad(s, POP3_TEXT_TLS_MISSING, NULL);
	} else {
		pop3_reply(s, POP3_TEXT_TLS_BEGIN, NULL);
		s->machine.wants = MACHINE_TLS;
	}
}
