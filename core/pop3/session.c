/* The life of a session: lines in, one command after the other, waits in between.  What the
 * commands do is in cmd_*.c. */
#include "pop3/session.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "mail/lines.h"
#include "pop3/commands.h"
#include "pop3/reply.h"

void pop3_settings_default(struct pop3_settings *s)
{
	*s = (struct pop3_settings){
		.hostname = "localhost",
		.language = POP3_LANGUAGE_EN,
		.max_command_octets = 512,
		.max_auth_line_octets = 12288,
		.max_errors = 20,
		.max_auth_failures = 3,
		.auth_failure_delay_ms = 2000,
		.idle_timeout_ms = 600000,
		.login_timeout_ms = 60000,
		.expire_days = -1,
		.auth_mechanisms = LOGIN_PLAIN | LOGIN_LOGIN | LOGIN_SCRAM_SHA_256 |
		                   LOGIN_SCRAM_SHA_256_PLUS | LOGIN_OAUTHBEARER | LOGIN_XOAUTH2,
	};
}

static struct pop3_session *session_of(struct machine *m)
{
	return CONTAINER_OF(m, struct pop3_session, machine);
}

const char *pop3_session_state(const struct pop3_session *s)
{
	switch (s->state) {
	case POP3_AUTHORIZATION: return "AUTHORIZATION";
	case POP3_TRANSACTION:   return "TRANSACTION";
	case POP3_UPDATE:        return "UPDATE";
	}
	return "?";
}

bool pop3_session_plain_allowed(const struct pop3_session *s)
{
	const struct facts *f = &s->machine.facts;

	return f->tls.active || s->settings->auth_without_tls ||
	       (s->settings->auth_without_tls_on_loopback && f->loopback);
}

void pop3_session_wait(struct pop3_session *s)
{
	s->machine.wants = MACHINE_WAIT;
}

void pop3_session_proceed(struct pop3_session *s)
{
	s->machine.wants = MACHINE_READ;
}

void pop3_session_close(struct pop3_session *s)
{
	s->machine.wants = MACHINE_CLOSE;
}

/* The end without QUIT: nothing is deleted, and the lock is free at once, however long the client
 * takes to close its side. */
static void leave_maildrop(struct pop3_session *s)
{
	const struct facts *f = &s->machine.facts;
	struct maildrop *m = s->maildrop;

	if (!m)
		return;
	log_info("session ended without QUIT", "session", f->id, "protocol", "pop3", "user",
	         f->identity.user, "retrieved", log_u64(s->retrieved), "marked",
	         log_u64(m->count - s->left), "left", log_u64(m->count), NULL);
	s->maildrop = NULL;
	m->ops->close(m);
}

void pop3_session_abandon(struct pop3_session *s)
{
	leave_maildrop(s);
	pop3_session_close(s);
}

void pop3_session_delay(struct pop3_session *s, uint32_t ms, pop3_continue_fn *then)
{
	if (ms == 0) {
		then(s);
		return;
	}
	pop3_session_wait(s);
	s->machine.delay_ms = ms;
	s->delayed = then;
}

/* Time for the next complete line.  Octets that trickle in do not buy more of it. */
static uint32_t time_left(const struct pop3_session *s)
{
	uint32_t limit = s->state == POP3_AUTHORIZATION ? s->settings->login_timeout_ms
	                                                : s->settings->idle_timeout_ms;

	if (!s->line_since_ms || !limit)
		return limit;
	uint64_t gone = clock_ms() - s->line_since_ms;

	return gone < limit ? limit - (uint32_t)gone : 1;
}

/* Between two commands: is there a reason not to read the next one? */
static void settle(struct pop3_session *s)
{
	struct machine *m = &s->machine;

	if (m->wants == MACHINE_READ && s->stopping) {
		pop3_reply(s, POP3_TEXT_SHUTDOWN, NULL);
		pop3_session_abandon(s);
	}
	/* Pipelined commands of a client that does not read must not fill the memory. */
	if (m->wants == MACHINE_READ && buf_len(&m->out) >= MACHINE_OUT_HIGH)
		m->wants = MACHINE_DRAIN;
	if (s->held)
		pop3_reply_ask(s);
	m->timeout_ms = m->wants == MACHINE_WAIT ? 0 : time_left(s);
}

void pop3_session_enter(struct pop3_session *s)
{
	s->depth++;
}

void pop3_session_leave(struct pop3_session *s)
{
	if (--s->depth > 0)
		return;
	settle(s);
	if (s->machine.host_changed)
		s->machine.host_changed(s->machine.host);
}

/* ---- lines ---- */

/* AUTH carries tokens and is longer than other commands (RFC 5034, 4). */
static size_t line_limit(const struct pop3_session *s, struct slice in)
{
	bool auth = s->exchange ||
	            (s->state == POP3_AUTHORIZATION && slice_istarts(in, SLICE("AUTH ")));

	return auth ? s->settings->max_auth_line_octets : s->settings->max_command_octets;
}

/* A line that no command sees; what stood in it may be a secret. */
static void refuse_line(struct pop3_session *s, enum pop3_text why)
{
	bool exchange = s->exchange;

	machine_observe(&s->machine, EVENT_COMMAND, SLICE("(line refused)"), pop3_session_state(s), NULL,
	                0);
	if (exchange) {
		s->exchange_broken = true;
		pop3_cmd_auth_line(s, SLICE("*"));
		s->exchange_broken = false;
	}
	pop3_reply_bad(s, why, NULL);
}

/* Take one line, or a part of one that is dropped, off *in.  False: more input is needed. */
static bool take_line(struct pop3_session *s, struct slice *in)
{
	struct slice line;
	enum status st;

	if (in->len == 0)
		return false;
	if (!s->line_since_ms)
		s->line_since_ms = clock_ms();
	if (s->skipping) {
		s->skipping = lines_skip(in) != ST_OK;
		if (!s->skipping)
			s->line_since_ms = 0;
		return !s->skipping;
	}
	st = lines_next(in, line_limit(s, *in), &line);
	/* Somebody who types with LF alone would wait for ever: tell at once. */
	bool bare = st == ST_AGAIN && slice_find(*in, '\n') < in->len;

	if (st == ST_AGAIN && !bare)
		return false;
	s->skipping = st == ST_TOOBIG || bare;
	if (!s->skipping)
		s->line_since_ms = 0;
	if (s->skipping) {
		refuse_line(s, bare ? POP3_TEXT_BARE_EOL : POP3_TEXT_TOO_LONG);
	} else if (st != ST_OK) {
		refuse_line(s, POP3_TEXT_BARE_EOL);
	} else if (s->exchange) {
		pop3_cmd_auth_line(s, line);
	} else {
		pop3_commands_run(s, line);
	}
	return true;
}

static void feed(struct machine *m, struct slice *in)
{
	struct pop3_session *s = session_of(m);

	s->depth++;
	while (m->wants == MACHINE_READ && take_line(s, in))
		settle(s);
	/* Octets behind STLS came in clear: nobody may read them as if they were encrypted. */
	if (m->wants == MACHINE_TLS)
		*in = slice_skip(*in, in->len);
	s->depth--;
	settle(s);
}

/* ---- the host's other calls ---- */

static void make_timestamp(struct pop3_session *s)
{
	/* RFC 1939, 7: different each time the server greets. */
	s->timestamp = mem_printf("<%s.%" PRIx64 ".%" PRId64 "@%s>", s->machine.facts.id, random_u64(),
	                          clock_wall(), s->settings->hostname);
}

/* The words behind +OK, without the time stamp. */
static char *greeting_words(struct pop3_session *s)
{
	const struct pop3_settings *set = s->settings;

	if (set->banner)
		return mem_strdup(set->banner);
	return s->timestamp ? mem_printf("%s POP3 server ready", set->hostname) : NULL;
}

static void say_greeting(struct pop3_session *s, struct slice words)
{
	char *whole = NULL;

	pop3_session_proceed(s);
	if (s->timestamp)                         /* RFC 1939, 7: it stands at the end */
		whole = mem_printf("%.*s%s%s", SLICE_ARG(words), words.len ? " " : "", s->timestamp);
	if (whole)
		words = slice_from(whole);
	if (words.ptr)
		pop3_reply(s, POP3_TEXT_BANNER, POP3_WITH(.n = words));
	else
		pop3_reply(s, POP3_TEXT_GREETING, POP3_WITH(.n = slice_from(s->settings->hostname)));
	free(whole);
}

static void say_rewritten(struct pop3_session *s)
{
	say_greeting(s, machine_question(&s->machine)->rewrite.text);
}

static void on_greeting_answered(void *owner, struct question *q)
{
	struct pop3_session *s = session_of(owner);

	pop3_session_enter(s);
	pop3_session_delay(s, q->verdict.delay_ms, say_rewritten);
	pop3_session_leave(s);
}

static void greet(struct pop3_session *s)
{
	struct question *q;
	char *words;

	if (s->settings->apop)
		make_timestamp(s);
	words = greeting_words(s);
	if (!machine_asks(&s->machine, HOOK_REWRITE_GREETING)) {
		say_greeting(s, slice_from(words));
		free(words);
		return;
	}
	pop3_session_wait(s);
	q = machine_question(&s->machine);
	question_begin(q, HOOK_REWRITE_GREETING, on_greeting_answered);
	q->rewrite.text = slice_from(words ? arena_strdup(&q->arena, slice_from(words)) :
	                             arena_printf(&q->arena, "%s POP3 server ready", s->settings->hostname));
	free(words);
	question_ask(q);
}

/* accept_connection said something: greet or send away. */
static void receive(struct pop3_session *s)
{
	const struct verdict *v = &machine_question(&s->machine)->verdict;

	switch (v->kind) {
	case VERDICT_REJECT:
	case VERDICT_DISCARD:
	case VERDICT_DISCONNECT:
		pop3_reply_verdict(s, POP3_TEXT_REFUSED, v);
		pop3_session_close(s);
		break;
	case VERDICT_TEMPFAIL:
		pop3_reply_verdict(s, POP3_TEXT_REFUSED_FOR_NOW, v);
		pop3_session_close(s);
		break;
	default:
		greet(s);
	}
}

static void on_connection_answered(void *owner, struct question *q)
{
	struct pop3_session *s = session_of(owner);

	pop3_session_enter(s);
	pop3_session_delay(s, q->verdict.delay_ms, receive);
	pop3_session_leave(s);
}

static void start(struct machine *m)
{
	struct pop3_session *s = session_of(m);

	s->depth++;
	machine_observe(m, EVENT_CONNECT, SLICE_NONE, pop3_session_state(s), NULL, 0);
	pop3_session_wait(s);
	question_begin(machine_question(m), HOOK_ACCEPT_CONNECTION, on_connection_answered);
	question_ask(machine_question(m));
	s->depth--;
	settle(s);
}

static void drained(struct machine *m)
{
	struct pop3_session *s = session_of(m);

	if (m->wants != MACHINE_DRAIN)
		return;
	s->depth++;
	pop3_session_proceed(s);
	if (s->body.more)
		s->body.more(s);
	s->depth--;
	settle(s);
}

static void file_sent(struct machine *m, long octets)
{
	struct pop3_session *s = session_of(m);

	if (m->wants != MACHINE_FILE)
		return;
	pop3_cmd_file_sent(s, octets);
	settle(s);
}

static void delayed(struct machine *m)
{
	struct pop3_session *s = session_of(m);
	pop3_continue_fn *then = s->delayed;

	m->delay_ms = 0;
	if (!then)
		return;
	s->delayed = NULL;
	s->depth++;
	then(s);
	s->depth--;
	settle(s);
}

/* RFC 2595, 4: what was learnt in clear does not count any more. */
static void tls_started(struct machine *m)
{
	struct pop3_session *s = session_of(m);

	free(s->name);
	s->name = NULL;
	s->utf8 = s->language_chosen = false;
	s->language = POP3_LANGUAGE_EN;
	s->line_since_ms = 0;
	s->skipping = false;
	machine_observe(m, EVENT_TLS, slice_from(m->facts.tls.version), pop3_session_state(s), NULL, 0);
	pop3_session_proceed(s);
	settle(s);
}

/* RFC 1939, 3: close without a response, and nothing is removed. */
static void timed_out(struct machine *m)
{
	struct pop3_session *s = session_of(m);

	if (m->wants == MACHINE_WAIT || m->wants == MACHINE_CLOSE)
		return;
	log_info("session timed out", "session", m->facts.id, "protocol", "pop3", "state",
	         pop3_session_state(s), "user", m->facts.identity.user, NULL);
	machine_observe(m, EVENT_ERROR, SLICE("timed out"), pop3_session_state(s), NULL, 0);
	pop3_session_abandon(s);
}

static void end(struct machine *m)
{
	struct pop3_session *s = session_of(m);

	s->stopping = true;
	settle(s);
}

static void session_free(struct machine *m)
{
	struct pop3_session *s = session_of(m);

	question_cancel(m->question);
	if (s->opening)
		m->mailboxes->ops->cancel_open(m->mailboxes, s);
	leave_maildrop(s);
	machine_observe(m, EVENT_DISCONNECT, SLICE_NONE, pop3_session_state(s), NULL, 0);
	login_clear(&s->login);
	pop3_commands_forget(s);
	pop3_reply_drop(s);
	free(s->name);
	free(s->account);
	free(s->timestamp);
	free(s->marked);
	free(s->doomed);
	free(s->refused_text);
	machine_clear(m);
	free(s);
}

static const struct machine_ops ops = {
	.start = start,
	.feed = feed,
	.drained = drained,
	.file_sent = file_sent,
	.tls_started = tls_started,
	.timed_out = timed_out,
	.delayed = delayed,
	.end = end,
	.free = session_free,
};

struct machine *pop3_session_new(const struct pop3_settings *settings,
                                 const struct machine_setup *setup)
{
	struct pop3_session *s = MEM_NEW(struct pop3_session);

	machine_init(&s->machine, &ops, setup);
	s->settings = settings;
	s->state = POP3_AUTHORIZATION;
	s->language = POP3_LANGUAGE_EN;
	login_init(&s->login, &s->machine, pop3_cmd_login_step, s);
	return &s->machine;
}
