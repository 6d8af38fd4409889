/* The session as its host sees it: moves bytes and states, waits for answers, closes.  What the
 * lines mean is commands.c's business. */
#include "smtp/session.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "mail/lines.h"
#include "smtp/commands.h"
#include "smtp/reply.h"

static const struct machine_ops ops;

void smtp_settings_default(struct smtp_settings *s)
{
	*s = (struct smtp_settings){
		.hostname = "localhost",
		.max_message_octets = 50 * 1024 * 1024,
		.max_recipients = 1000,
		.max_command_octets = 4096,
		.max_auth_line_octets = 12288,
		.max_text_line_octets = 65536,
		.max_header_octets = 256 * 1024,
		.max_received = 100,              /* RFC 5321, 6.3: "normally at least 100" */
		.max_errors = 20,
		.max_idle_commands = 100,
		.max_auth_failures = 3,
		.auth_failure_delay_ms = 2000,
		.command_timeout_ms = 5 * 60 * 1000,
		.data_timeout_ms = 3 * 60 * 1000,
		.auth_mechanisms = LOGIN_PLAIN | LOGIN_LOGIN | LOGIN_SCRAM_SHA_256 |
		                   LOGIN_SCRAM_SHA_256_PLUS | LOGIN_OAUTHBEARER | LOGIN_XOAUTH2,
		.recipient_delimiter = '+',
	};
}

static struct smtp_session *session_of(struct machine *m)
{
	return CONTAINER_OF(m, struct smtp_session, machine);
}

const char *smtp_session_state_name(const struct smtp_session *s)
{
	if (s->input == INPUT_AUTH)
		return "AUTH";
	switch (s->state) {
	case SMTP_CONNECT: return "CONNECT";
	case SMTP_REFUSED: return "REFUSED";
	case SMTP_START:   return "START";
	case SMTP_IDLE:    return "IDLE";
	case SMTP_MAIL:    return "MAIL";
	case SMTP_RCPT:    return "RCPT";
	case SMTP_BDAT:    return "BDAT";
	case SMTP_DATA:    return "DATA";
	case SMTP_CLOSED:  return "CLOSED";
	}
	return "?";
}

unsigned smtp_session_mechanisms(struct smtp_session *s)
{
	const struct smtp_settings *set = s->settings;
	bool plain_allowed = set->auth_without_tls ||
	                     (set->auth_without_tls_on_loopback && s->machine.facts.loopback);

	return login_offered(&s->login, set->auth_mechanisms, plain_allowed);
}

/* Calls from the host and completions. */

static bool between_commands(const struct smtp_session *s)
{
	return s->machine.wants == MACHINE_READ && (s->input == INPUT_COMMAND || s->input == INPUT_AUTH);
}

/* Whatever happened, the machine's face is made to fit. */
static void settle(struct smtp_session *s)
{
	struct machine *m = &s->machine;

	if (s->ending && between_commands(s))
		smtp_reply(s, 421, "4.3.2", "%s Service shutting down, try again later",
		           s->settings->hostname);
	if (s->held)
		smtp_reply_ask(s);
	if (m->wants == MACHINE_READ && s->input == INPUT_COMMAND)
		arena_reset(&s->scratch);         /* an idle session holds nothing */
	if (m->wants != MACHINE_READ && m->wants != MACHINE_DRAIN)
		m->timeout_ms = 0;
	else
		m->timeout_ms = s->input == INPUT_DATA || s->input == INPUT_CHUNK ?
		                s->settings->data_timeout_ms : s->settings->command_timeout_ms;
}

bool smtp_session_enter(struct smtp_session *s)
{
	return s->inside++ == 0;
}

void smtp_session_leave(struct smtp_session *s, bool late)
{
	if (--s->inside > 0)
		return;
	settle(s);
	if (late && s->machine.host_changed)
		s->machine.host_changed(s->machine.host);
}

static void go_on(struct smtp_session *s)
{
	s->machine.delay_ms = 0;
	s->machine.wants = MACHINE_READ;
	s->verdict = &machine_question(&s->machine)->verdict;
	s->answered(s, s->verdict);
	s->verdict = NULL;
}

void smtp_session_hold(struct smtp_session *s, uint32_t delay_ms, smtp_answered_fn *fn)
{
	s->answered = fn;
	if (delay_ms) {
		s->machine.wants = MACHINE_WAIT;
		s->machine.delay_ms = delay_ms;
	} else {
		go_on(s);
	}
}

static void on_verdict(void *owner, struct question *q)
{
	struct smtp_session *s = session_of(owner);
	bool late = smtp_session_enter(s);

	smtp_session_hold(s, q->verdict.delay_ms, s->answered);
	smtp_session_leave(s, late);
}

void smtp_session_begin(struct smtp_session *s, enum hook hook)
{
	machine_question(&s->machine)->owner = &s->machine;
	question_begin(machine_question(&s->machine), hook, on_verdict);
}

void smtp_session_ask(struct smtp_session *s, smtp_answered_fn *fn)
{
	s->answered = fn;
	s->machine.wants = MACHINE_WAIT;
	question_ask(machine_question(&s->machine));
}

/* States. */

void smtp_session_reset_transaction(struct smtp_session *s)
{
	smtp_transaction_reset(&s->transaction);
	if (s->state & (SMTP_MAIL | SMTP_RCPT | SMTP_BDAT | SMTP_DATA))
		s->state = SMTP_IDLE;
	if (s->input != INPUT_AUTH)
		s->input = INPUT_COMMAND;
}

void smtp_session_restart(struct smtp_session *s)
{
	smtp_session_reset_transaction(s);
	facts_set_helo(&s->machine.facts, SLICE_NONE, false);
	identity_clear(&s->machine.facts.identity);
	s->login_by_xclient = false;
	s->state = SMTP_START;
}

void smtp_session_idled(struct smtp_session *s)
{
	if (!s->settings->max_idle_commands || ++s->idle_commands <= s->settings->max_idle_commands)
		return;
	smtp_reply(s, 421, "4.7.0", "%s Too many commands without a mail, closing",
	           s->settings->hostname);
}

void smtp_session_progressed(struct smtp_session *s)
{
	s->idle_commands = 0;
}

/* The name stands in front whatever follows (RFC 5321, 4.2: Greeting). */
static void greet_rewritten(struct smtp_session *s, const struct verdict *v)
{
	struct slice text = machine_question(&s->machine)->rewrite.text;

	(void)v;
	smtp_reply(s, 220, NULL, "%s %.*s", s->settings->hostname, SLICE_ARG(text));
}

static void greet(struct smtp_session *s, const struct verdict *v)
{
	const char *banner = s->settings->banner;

	if (v->kind == VERDICT_REJECT) {
		s->state = SMTP_REFUSED;
		smtp_reply_refused(s, v);
		return;
	}
	if (smtp_reply_refused(s, v))
		return;
	s->state = SMTP_START;
	if (!machine_asks(&s->machine, HOOK_REWRITE_GREETING)) {
		smtp_reply(s, 220, NULL, "%s ESMTP%s%s", s->settings->hostname, banner ? " " : "",
		           banner ? banner : "");
		return;
	}
	smtp_session_begin(s, HOOK_REWRITE_GREETING);
	struct question *q = machine_question(&s->machine);

	q->rewrite.text = slice_from(arena_printf(&s->scratch, "ESMTP%s%s", banner ? " " : "",
	                                          banner ? banner : ""));
	smtp_session_ask(s, greet_rewritten);
}

void smtp_session_greet(struct smtp_session *s)
{
	s->state = SMTP_CONNECT;
	smtp_session_begin(s, HOOK_ACCEPT_CONNECTION);
	smtp_session_ask(s, greet);
}

/* Input. */

static const struct smtp_failure bare = {
	500, "5.5.2", "A line ends in CR LF; a CR or LF alone is not accepted",
};
static const struct smtp_failure too_long = { 500, "5.5.2", "Line too long" };
static const struct smtp_failure auth_too_long = {                     /* RFC 4954, 6 */
	500, "5.5.6", "Authentication exchange line is too long",
};

static void refuse_line(struct smtp_session *s, struct smtp_failure why)
{
	if (s->input == INPUT_AUTH) {
		smtp_cmd_auth_broken(s, why);
		return;
	}
	machine_observe(&s->machine, EVENT_COMMAND, SLICE("(line refused)"), smtp_session_state_name(s),
	                NULL, 0);
	smtp_reply(s, why.code, why.status, "%s", why.text);
}

/* A bare LF in a line that is not complete: say so at once instead of waiting for a CRLF that a
 * person at a terminal will never send. */
static bool has_bare_lf(struct slice in)
{
	size_t lf = slice_find(in, '\n');

	return lf < in.len && (lf == 0 || in.ptr[lf - 1] != '\r');
}

/* Whether an incomplete line took too long as a whole: one octet a minute is not a client. */
static bool dawdles(struct smtp_session *s)
{
	uint64_t now = clock_ms();

	if (!s->line_started_ms)
		s->line_started_ms = now;
	return s->settings->command_timeout_ms &&
	       now - s->line_started_ms > s->settings->command_timeout_ms;
}

static void timed_out(struct machine *m);

/* False: nothing more to do with this input. */
static bool feed_line(struct smtp_session *s, struct slice *in)
{
	bool auth = s->input == INPUT_AUTH;
	/* An initial response may be as long as any other line of the exchange: tokens are. */
	size_t max = auth || slice_istarts(*in, SLICE("AUTH ")) ? s->settings->max_auth_line_octets
	                                                        : s->settings->max_command_octets;
	struct slice line;

	if (s->skipping) {
		s->skipping = lines_skip(in) != ST_OK;
		return !s->skipping;
	}
	enum status st = lines_next(in, max, &line);

	if (st == ST_AGAIN) {
		if (has_bare_lf(*in)) {
			s->skipping = true;
			refuse_line(s, bare);
			return true;
		}
		if (dawdles(s))
			timed_out(&s->machine);
		return false;
	}
	s->line_started_ms = 0;
	s->skipping = st == ST_TOOBIG;
	if (st == ST_TOOBIG)
		refuse_line(s, auth ? auth_too_long : too_long);
	else if (st == ST_SYNTAX)
		refuse_line(s, bare);
	else if (auth)
		smtp_cmd_auth_line(s, line);
	else
		smtp_command_line(s, line);
	return true;
}

static bool feed_some(struct smtp_session *s, struct slice *in)
{
	switch (s->input) {
	case INPUT_DATA:
		smtp_cmd_data_octets(s, in);
		return true;
	case INPUT_CHUNK:
		smtp_cmd_data_chunk(s, in);
		return true;
	case INPUT_COMMAND:
	case INPUT_AUTH:
		break;
	}
	return feed_line(s, in);
}

static void feed_all(struct smtp_session *s, struct slice *in)
{
	struct machine *m = &s->machine;

	while (m->wants == MACHINE_READ && in->len > 0 && !s->held && !(s->ending && between_commands(s))) {
		if (!feed_some(s, in))
			break;
		/* A client that pipelines and reads nothing waits for its own replies. */
		if (m->wants == MACHINE_READ && buf_len(&m->out) >= MACHINE_OUT_HIGH)
			m->wants = MACHINE_DRAIN;
	}
}

static void feed(struct machine *m, struct slice *in)
{
	struct smtp_session *s = session_of(m);
	bool held;

	/* A reply that policy may rewrite ends a round; when it is out at once, the next one follows. */
	do {
		smtp_session_enter(s);
		feed_all(s, in);
		held = s->held != NULL;
		smtp_session_leave(s, false);
	} while (held && m->wants == MACHINE_READ && in->len > 0);
}

/* The rest of what the host says. */

static void start(struct machine *m)
{
	struct smtp_session *s = session_of(m);

	smtp_session_enter(s);
	machine_observe(m, EVENT_CONNECT, SLICE(""), smtp_session_state_name(s), NULL, 0);
	smtp_session_greet(s);
	smtp_session_leave(s, false);
}

static void drained(struct machine *m)
{
	struct smtp_session *s = session_of(m);

	if (m->wants != MACHINE_DRAIN)
		return;
	smtp_session_enter(s);
	m->wants = MACHINE_READ;
	smtp_session_leave(s, false);
}

static void tls_started(struct machine *m)
{
	struct smtp_session *s = session_of(m);

	smtp_session_enter(s);
	m->wants = MACHINE_READ;
	machine_observe(m, EVENT_TLS, slice_from(m->facts.tls.version), smtp_session_state_name(s),
	                NULL, 0);
	smtp_session_leave(s, false);
}

static void timed_out(struct machine *m)
{
	struct smtp_session *s = session_of(m);

	if (m->wants != MACHINE_READ && m->wants != MACHINE_DRAIN)
		return;
	smtp_session_enter(s);
	smtp_session_reset_transaction(s);
	smtp_reply(s, 421, "4.4.2", "%s Timeout, closing", s->settings->hostname);
	smtp_session_leave(s, false);
}

static void delayed(struct machine *m)
{
	struct smtp_session *s = session_of(m);

	if (!m->delay_ms)
		return;
	smtp_session_enter(s);
	go_on(s);
	smtp_session_leave(s, false);
}

static void end(struct machine *m)
{
	struct smtp_session *s = session_of(m);

	smtp_session_enter(s);
	s->ending = true;
	smtp_session_leave(s, false);
}

static void session_free(struct machine *m)
{
	struct smtp_session *s = session_of(m);

	question_cancel(m->question);
	machine_observe(m, EVENT_DISCONNECT, SLICE(""), smtp_session_state_name(s), NULL, 0);
	smtp_transaction_reset(&s->transaction);
	login_clear(&s->login);
	smtp_reply_drop(s);
	arena_reset(&s->scratch);
	machine_clear(m);
	free(s);
}

static const struct machine_ops ops = {
	.start = start, .feed = feed, .drained = drained, .tls_started = tls_started,
	.timed_out = timed_out, .delayed = delayed, .end = end, .free = session_free,
};

struct machine *smtp_session_new(const struct smtp_settings *settings, const struct machine_setup *setup)
{
	struct smtp_session *s = MEM_NEW(struct smtp_session);

	machine_init(&s->machine, &ops, setup);
	s->settings = settings;
	s->state = SMTP_CONNECT;
	login_init(&s->login, &s->machine, smtp_cmd_auth_step, s);
	smtp_transaction_init(&s->transaction);
	arena_init(&s->scratch);
	return &s->machine;
}
