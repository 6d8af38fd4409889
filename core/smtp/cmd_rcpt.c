/* RCPT: one forward-path.  Syntax is settled here; whether the recipient is wanted, and where its
 * mail goes, is the hook's answer. */
#include "base/log.h"
#include "mail/address.h"
#include "smtp/commands.h"
#include "smtp/reply.h"

static void log_refused(struct smtp_session *s, const struct verdict *v, const char *status)
{
	struct question *q = machine_question(&s->machine);

	s->transaction.refused++;
	log_info("recipient refused", "session", s->machine.facts.id, "ip", s->machine.facts.remote_ip,
	         "from", arena_strdup(&s->scratch, s->transaction.envelope.sender),
	         "to", arena_strdup(&s->scratch, q->recipient.address),
	         "status", v->status[0] ? v->status : status, "text", v->text, "by", v->by,
	         "where", v->where[0] ? v->where : NULL, NULL);
}

/* Nobody wants it: never an open relay by omission. */
static void nobody(struct smtp_session *s, const struct verdict *v)
{
	smtp_reply(s, 550, "5.7.1", s->machine.facts.identity.user ?
	           "Recipient is not local, and this server does not relay yet" :
	           "Relaying denied");
	log_refused(s, v, "5.7.1");
}

/* The hook accepted and did not say where the mail goes: a 250 would lose it. */
static void nowhere(struct smtp_session *s, const struct verdict *v)
{
	log_warn("recipient accepted without a mailbox", "session", s->machine.facts.id,
	         "to", arena_strdup(&s->scratch, machine_question(&s->machine)->recipient.address),
	         "by", v->by, "where", v->where[0] ? v->where : NULL, NULL);
	smtp_reply(s, 451, "4.3.0", "The recipient cannot be resolved now, try again later");
	log_refused(s, v, "4.3.0");
}

static void answered(struct smtp_session *s, const struct verdict *v)
{
	struct question *q = machine_question(&s->machine);

	if (v->kind == VERDICT_NONE) {
		nobody(s, v);
	} else if (smtp_reply_refused(s, v)) {
		log_refused(s, v, "");
	} else if (v->kind != VERDICT_DISCARD && !q->targets) {
		nowhere(s, v);
	} else {
		smtp_transaction_add(&s->transaction, q->recipient.address,
		                     v->kind == VERDICT_DISCARD ? NULL : q->targets);
		s->state = SMTP_RCPT;
		smtp_session_progressed(s);
		smtp_reply(s, 250, "2.1.5", "Ok");
	}
}

static void ask(struct smtp_session *s, const struct address_parts *path)
{
	struct question *q = machine_question(&s->machine);

	smtp_session_begin(s, HOOK_ACCEPT_RECIPIENT);
	q->recipient.address = path->whole;
	q->recipient.domain = path->domain;
	q->recipient.size = s->transaction.envelope.size;
	address_split_detail(path->plain, s->settings->recipient_delimiter, &q->recipient.localpart,
	                     &q->recipient.detail);
	smtp_session_ask(s, answered);
}

static bool take_path(struct smtp_session *s, struct slice args, struct address_parts *path)
{
	enum { FLAGS = ADDRESS_NO_DOMAIN_OK | ADDRESS_UTF8 };

	if (!slice_istarts(args, SLICE("TO:"))) {
		smtp_reply(s, 501, "5.5.4", "Syntax: RCPT TO:<address>");
		return false;
	}
	struct slice rest = slice_trim(slice_skip(args, 3));
	enum status st = address_parse_path(&rest, FLAGS, &s->scratch, path);

	if (st != ST_OK) {
		smtp_reply(s, 501, "5.1.3", "%s", st == ST_TOOBIG ? "Forward-path too long" :
		           "Bad recipient address: it is <local-part@domain>");
	} else if (path->utf8 && !s->transaction.envelope.smtputf8) {
		smtp_reply(s, 553, "5.6.7", "A non-ASCII address needs SMTPUTF8 with MAIL");
	} else if (rest.len && rest.ptr[0] != ' ') {
		smtp_reply(s, 501, "5.5.4", "Syntax: RCPT TO:<address>");
	} else if (rest.len) {
		/* No extension that is announced has parameters here. */
		smtp_reply(s, 555, "5.5.4", "RCPT parameters are not recognized");
	} else {
		return true;
	}
	return false;
}

/* rcpt = "RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path )
 *        [SP Rcpt-parameters] CRLF                                  RFC 5321, 4.1.1.3 */
void smtp_cmd_rcpt(struct smtp_session *s, struct slice args)
{
	struct address_parts path;

	if (s->transaction.accepted >= s->settings->max_recipients) {
		smtp_reply(s, 452, "4.5.3", "Too many recipients, send this mail again to the others");
		return;
	}
	args = arena_copy(&s->scratch, args);
	if (take_path(s, args, &path))
		ask(s, &path);
	else
		s->transaction.refused++;
}
