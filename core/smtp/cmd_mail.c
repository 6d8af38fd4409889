/* MAIL: the reverse-path and what the client declares about the message. */
#include <inttypes.h>

#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "mail/params.h"
#include "smtp/commands.h"
#include "smtp/reply.h"

typedef bool mail_parameter_fn(struct smtp_session *s, struct slice value);

static bool bad_parameter(struct smtp_session *s, const char *why)
{
	smtp_reply(s, 501, "5.5.4", "%s", why);
	return false;
}

/* size-value = 1*20DIGIT (RFC 1870, 3) */
static bool parameter_size(struct smtp_session *s, struct slice value)
{
	enum status st = value.len > 20 ? ST_SYNTAX : slice_to_u64(value, &s->transaction.envelope.size);

	if (st == ST_TOOBIG)
		s->transaction.envelope.size = UINT64_MAX;
	return st != ST_SYNTAX || bad_parameter(s, "SIZE wants a number of octets");
}

/* RFC 6152, 2; BINARYMIME (RFC 3030) is not announced. */
static bool parameter_body(struct smtp_session *s, struct slice value)
{
	s->transaction.envelope.body_8bit = slice_ieq(value, SLICE("8BITMIME"));
	return s->transaction.envelope.body_8bit || slice_ieq(value, SLICE("7BIT")) ||
	       bad_parameter(s, "BODY wants 7BIT or 8BITMIME");
}

/* RFC 6531, 3.4: no value. */
static bool parameter_smtputf8(struct smtp_session *s, struct slice value)
{
	s->transaction.envelope.smtputf8 = true;
	return !value.ptr || bad_parameter(s, "SMTPUTF8 takes no value");
}

/* RFC 4954, 5: xtext or "<>".  Who wrote the mail is not passed on, since nothing is relayed. */
static bool parameter_auth(struct smtp_session *s, struct slice value)
{
	struct buf decoded;

	buf_init(&decoded, 0);
	bool ok = value.len > 0 && params_xtext_decode(value, &decoded) == ST_OK;

	buf_free(&decoded);
	return ok || bad_parameter(s, "AUTH wants xtext or <>");
}

static const struct { const char *keyword; mail_parameter_fn *set; } parameters[] = {
	{ "SIZE", parameter_size },
	{ "BODY", parameter_body },
	{ "SMTPUTF8", parameter_smtputf8 },
	{ "AUTH", parameter_auth },
};

static bool take_parameter(struct smtp_session *s, struct slice keyword, struct slice value,
                           unsigned *seen)
{
	for (unsigned i = 0; i < COUNT_OF(parameters); i++) {
		if (!slice_ieq(keyword, slice_from(parameters[i].keyword)))
			continue;
		if (*seen & 1u << i)
			return bad_parameter(s, "A parameter may stand once only");
		*seen |= 1u << i;
		return parameters[i].set(s, value);
	}
	smtp_reply(s, 555, "5.5.4", "Parameter not recognized: %.*s",
	           (int)(keyword.len < 40 ? keyword.len : 40), keyword.ptr);
	return false;
}

/* Mail-parameters = esmtp-param *(SP esmtp-param); a space stands before the first, too. */
static bool take_parameters(struct smtp_session *s, struct slice rest)
{
	struct slice keyword, value;
	unsigned seen = 0;
	enum status st;

	if (rest.len && rest.ptr[0] != ' ')
		return bad_parameter(s, "Syntax: MAIL FROM:<address> [parameters]");
	while ((st = params_next(&rest, &keyword, &value)) == ST_OK)
		if (!take_parameter(s, keyword, value, &seen))
			return false;
	return st == ST_END || bad_parameter(s, "A parameter is KEYWORD or KEYWORD=value");
}

/* Whether a message of the declared size would be taken (RFC 1870, 6.1). */
static bool size_fits(struct smtp_session *s)
{
	struct mailbox_provider *p = s->machine.mailboxes;
	uint64_t size = s->transaction.envelope.size;

	if (size > s->settings->max_message_octets) {
		smtp_reply(s, 552, "5.3.4", "Message too big: the limit is %" PRIu64 " octets",
		           s->settings->max_message_octets);
		return false;
	}
	enum status st = p && p->ops->room ? p->ops->room(p, size) : ST_OK;

	if (st == ST_OK)
		return true;
	log_warn("no room for mail", "session", s->machine.facts.id, "why", status_text(st), NULL);
	if (st == ST_OVERLOAD)
		smtp_reply(s, 451, "4.3.2", "Too busy, try again later");
	else
		smtp_reply(s, 452, "4.3.1", "Mail system full, try again later");
	return false;
}

static void accepted(struct smtp_session *s, const struct verdict *v)
{
	if (smtp_reply_refused(s, v)) {
		log_info("sender refused", "session", s->machine.facts.id,
		         "from", arena_strdup(&s->scratch, s->transaction.envelope.sender),
		         "status", v->status, "by", v->by, NULL);
		smtp_session_reset_transaction(s);
		return;
	}
	if (machine_question(&s->machine)->address.ptr)
		s->transaction.envelope.sender = arena_copy(&s->transaction.arena,
		                                            machine_question(&s->machine)->address);
	s->transaction.discard = v->kind == VERDICT_DISCARD;
	s->transactions++;
	if (s->idle_commands)                 /* neither progress nor idling; RSET tells */
		s->idle_commands--;
	s->state = SMTP_MAIL;
	smtp_reply(s, 250, "2.1.0", "Ok");
}

static void ask(struct smtp_session *s)
{
	struct question *q = machine_question(&s->machine);
	const struct envelope *e = &s->transaction.envelope;

	smtp_session_begin(s, HOOK_ACCEPT_SENDER);
	q->sender.address = e->sender;
	q->sender.size = e->size;
	q->sender.body_8bit = e->body_8bit;
	q->sender.smtputf8 = e->smtputf8;
	smtp_session_ask(s, accepted);
}

static bool take_path(struct smtp_session *s, struct slice args)
{
	struct smtp_transaction *t = &s->transaction;
	struct address_parts path;

	if (!slice_istarts(args, SLICE("FROM:")))
		return bad_parameter(s, "Syntax: MAIL FROM:<address> [parameters]");
	/* RFC 5321, 3.3 wants no space behind the colon; many clients put one. */
	struct slice rest = slice_trim(slice_skip(args, 5));
	enum status st = address_parse_path(&rest, ADDRESS_EMPTY_OK | ADDRESS_UTF8, &t->arena, &path);

	if (st != ST_OK) {
		smtp_reply(s, 501, "5.1.7", "%s", st == ST_TOOBIG ? "Reverse-path too long" :
		           "Bad sender address: it is <local-part@domain> or <>");
		return false;
	}
	t->envelope.sender = path.whole;
	if (!take_parameters(s, rest))
		return false;
	if (path.utf8 && !t->envelope.smtputf8) {
		smtp_reply(s, 553, "5.6.7", "A non-ASCII address needs the parameter SMTPUTF8");
		return false;
	}
	return true;
}

/* mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF        RFC 5321, 4.1.1.2 */
void smtp_cmd_mail(struct smtp_session *s, struct slice args)
{
	const struct smtp_settings *set = s->settings;

	if (set->max_transactions && s->transactions >= set->max_transactions) {
		smtp_reply(s, 421, "4.7.0", "%s Enough mails for one session, connect again",
		           set->hostname);
		return;
	}
	smtp_transaction_reset(&s->transaction);
	args = arena_copy(&s->transaction.arena, args);
	if (take_path(s, args) && size_fits(s))
		ask(s);
	else
		smtp_session_reset_transaction(s);
}
