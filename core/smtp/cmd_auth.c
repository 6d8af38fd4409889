/* AUTH (RFC 4954).  The exchange itself is core/hook/login's; here are its beginning, its lines
 * and its replies. */
#include "base/log.h"
#include "smtp/commands.h"
#include "smtp/reply.h"

static void log_refused(const struct smtp_session *s, const struct verdict *v)
{
	log_info("login refused", "session", s->machine.facts.id, "ip", s->machine.facts.remote_ip,
	         "status", v->status, "text", v->text, "by", v->by, NULL);
}

/* After the delay that makes guessing slow. */
static void refused(struct smtp_session *s, const struct verdict *v)
{
	const struct smtp_settings *set = s->settings;

	s->verdict = v;
	log_refused(s, v);
	if (v->kind == VERDICT_DISCONNECT)
		smtp_reply(s, 421, "4.7.0", "%s Closing", set->hostname);
	else if (set->max_auth_failures && s->login.failures >= set->max_auth_failures)
		smtp_reply(s, 421, "4.7.0", "%s Too many failed logins, closing", set->hostname);
	else if (v->kind == VERDICT_TEMPFAIL)
		smtp_reply(s, 454, "4.7.0", "%s", v->text);   /* perhaps it says when to try again */
	else
		smtp_reply(s, 535, "5.7.8", "Authentication credentials invalid");
	s->verdict = NULL;
}

static void canceled(struct smtp_session *s)
{
	struct smtp_failure why = s->auth_failure;

	s->auth_failure = (struct smtp_failure){ 0 };
	if (why.code)
		smtp_reply(s, why.code, why.status, "%s", why.text);
	else
		smtp_reply(s, 501, "5.7.0", "Authentication canceled");
}

static uint32_t refusal_delay(const struct smtp_session *s, const struct verdict *v)
{
	uint32_t least = v->kind == VERDICT_TEMPFAIL ? 0 : s->settings->auth_failure_delay_ms;

	return v->delay_ms > least ? v->delay_ms : least;
}

void smtp_cmd_auth_step(void *owner, enum login_step step)
{
	struct smtp_session *s = owner;
	bool late = smtp_session_enter(s);

	s->machine.wants = MACHINE_READ;
	s->input = step == LOGIN_CHALLENGE ? INPUT_AUTH : INPUT_COMMAND;
	switch (step) {
	case LOGIN_CHALLENGE:
		smtp_reply_challenge(s, buf_slice(&s->login.challenge));
		break;
	case LOGIN_DONE:
		smtp_session_progressed(s);
		smtp_reply(s, 235, "2.7.0", "Authentication successful");
		break;
	case LOGIN_REFUSED:
		smtp_session_hold(s, refusal_delay(s, &machine_question(&s->machine)->verdict), refused);
		break;
	case LOGIN_CANCELED:
		canceled(s);
		break;
	case LOGIN_BAD:
		smtp_reply(s, 501, "5.5.2", "Not base64, or not what the mechanism expects");
		break;
	}
	smtp_session_leave(s, late);
}

void smtp_cmd_auth_line(struct smtp_session *s, struct slice line)
{
	machine_observe(&s->machine, EVENT_COMMAND, slice_eq(line, SLICE("*")) ? line : SLICE("****"),
	                smtp_session_state_name(s), NULL, 0);
	s->machine.wants = MACHINE_WAIT;
	login_feed(&s->login, line);
}

void smtp_cmd_auth_broken(struct smtp_session *s, struct smtp_failure why)
{
	s->auth_failure = why;
	smtp_cmd_auth_line(s, SLICE("*"));
}

/* What is wrong with the mechanism, or true. */
static bool mechanism_usable(struct smtp_session *s, unsigned mechanism)
{
	const struct smtp_settings *set = s->settings;

	if (!set->auth_mechanisms)
		smtp_reply(s, 502, "5.5.1", "AUTH is not available here");
	else if (s->machine.facts.identity.user)
		smtp_reply(s, 503, "5.5.1", "You are signed in already");
	else if (!(mechanism & set->auth_mechanisms))
		smtp_reply(s, 504, "5.5.4", "Unknown authentication mechanism");
	else if (mechanism & smtp_session_mechanisms(s))
		return true;
	else if (!s->machine.facts.tls.active)
		smtp_reply(s, 538, "5.7.11", "Encryption required for this mechanism: STARTTLS first");
	else
		smtp_reply(s, 504, "5.5.4", "This mechanism cannot be used in this session");
	return false;
}

/* auth = "AUTH" SP sasl-mech [SP initial-response] *(CRLF [base64]) [CRLF "*"] CRLF
 * initial-response = base64 / "="                                          RFC 4954, 8 */
void smtp_cmd_auth(struct smtp_session *s, struct slice args)
{
	size_t blank = slice_find(args, ' ');
	struct slice name = slice_head(args, blank);
	struct slice initial = slice_trim(slice_skip(args, blank));
	unsigned mechanism = login_mechanism(name);

	s->auth_failure = (struct smtp_failure){ 0 };
	if (!mechanism_usable(s, mechanism))
		return;
	if (slice_find(initial, ' ') < initial.len) {
		smtp_reply(s, 501, "5.5.4", "Syntax: AUTH mechanism [initial-response]");
		return;
	}
	s->machine.wants = MACHINE_WAIT;
	login_start(&s->login, mechanism, initial.len > 0, initial);
}
