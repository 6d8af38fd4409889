/* RSET, NOOP, QUIT, VRFY, EXPN, HELP, and what is refused on sight. */
#include "base/log.h"
#include "mail/address.h"
#include "smtp/commands.h"
#include "smtp/reply.h"

void smtp_cmd_rset(struct smtp_session *s, struct slice args)
{
	(void)args;
	smtp_session_reset_transaction(s);
	smtp_reply(s, 250, "2.0.0", "Ok");
}

void smtp_cmd_noop(struct smtp_session *s, struct slice args)
{
	(void)args;
	smtp_reply(s, 250, "2.0.0", "Ok");
}

void smtp_cmd_quit(struct smtp_session *s, struct slice args)
{
	(void)args;
	smtp_session_reset_transaction(s);
	s->machine.quit = true;
	smtp_reply(s, 221, "2.0.0", "%s Good-bye", s->settings->hostname);
}

/* ---- VRFY, EXPN (RFC 5321, 3.5) ---- */

static void verified(struct smtp_session *s, const struct verdict *v)
{
	struct slice address = machine_question(&s->machine)->recipient.address;

	if (v->kind == VERDICT_NONE)
		smtp_reply(s, 550, "5.1.1", "Not an address of this server");
	else if (!smtp_reply_refused(s, v))
		smtp_reply(s, 250, "2.1.5", "<%.*s>", SLICE_ARG(address));
}

static void expanded(struct smtp_session *s, const struct verdict *v)
{
	const struct recipient_target *t = machine_question(&s->machine)->targets;

	if (v->kind == VERDICT_NONE || (!t && v->kind == VERDICT_ACCEPT)) {
		smtp_reply(s, 550, "5.1.1", "Not an address of this server");
		return;
	}
	if (smtp_reply_refused(s, v))
		return;
	if (!t) {
		smtp_reply(s, 252, "2.1.5", "Nothing to tell about that address");
		return;
	}
	for (; t->next; t = t->next)
		smtp_reply_more(s, 250, "2.1.5", "<%s>", t->address ? t->address : t->mailbox);
	smtp_reply(s, 250, "2.1.5", "<%s>", t->address ? t->address : t->mailbox);
}

/* An address with or without brackets; RFC 6531, 3.7.4.2 lets SMTPUTF8 stand behind it. */
static bool parse(struct smtp_session *s, struct slice args, struct address_parts *out)
{
	enum { FLAGS = ADDRESS_NO_DOMAIN_OK | ADDRESS_UTF8 };
	size_t blank = slice_rfind(args, ' ');
	bool utf8 = blank < args.len && slice_ieq(slice_skip(args, blank + 1), SLICE("SMTPUTF8"));

	args = arena_copy(&s->scratch, slice_trim(utf8 ? slice_head(args, blank) : args));
	bool path = args.len && args.ptr[0] == '<';
	enum status st = path ? address_parse_path(&args, FLAGS, &s->scratch, out)
	                      : address_parse_mailbox(args, FLAGS, &s->scratch, out);

	return st == ST_OK && (!path || args.len == 0) && (utf8 || !out->utf8);
}

static void ask(struct smtp_session *s, const struct address_parts *p, smtp_answered_fn *answered)
{
	struct question *q = machine_question(&s->machine);

	smtp_session_begin(s, HOOK_ACCEPT_RECIPIENT);
	q->recipient.address = p->whole;
	q->recipient.domain = p->domain;
	q->recipient.size = 0;
	address_split_detail(p->plain, s->settings->recipient_delimiter, &q->recipient.localpart,
	                     &q->recipient.detail);
	smtp_session_ask(s, answered);
}

/* vrfy = "VRFY" SP String CRLF.  Unless the configuration says so nothing is told (7.3). */
void smtp_cmd_vrfy(struct smtp_session *s, struct slice args)
{
	struct address_parts p;

	if (!s->settings->vrfy)
		smtp_reply(s, 252, "2.1.5", "Cannot verify, but a mail to it will be tried");
	else if (parse(s, args, &p))
		ask(s, &p, verified);
	else
		smtp_reply(s, 501, "5.1.3", "VRFY wants an address: local-part@domain");
}

/* expn = "EXPN" SP String CRLF */
void smtp_cmd_expn(struct smtp_session *s, struct slice args)
{
	struct address_parts p;

	if (!s->settings->vrfy)
		smtp_reply(s, 550, "5.7.2", "Where an alias leads is not told here");
	else if (parse(s, args, &p))
		ask(s, &p, expanded);
	else
		smtp_reply(s, 501, "5.1.3", "EXPN wants an address: local-part@domain");
}

/* ---- HELP ---- */

static void help_all(struct smtp_session *s)
{
	smtp_reply_more(s, 214, "2.0.0", "moonpost speaks SMTP (RFC 5321). Its commands:");
	for (const struct smtp_command *c = smtp_command_table(); c->verb; c++)
		if (!(c->flags & HIDDEN))
			smtp_reply_more(s, 214, "2.0.0", "%-8s  %s", c->verb, c->about);
	smtp_reply(s, 214, "2.0.0", "HELP command shows how it is written");
}

void smtp_cmd_help(struct smtp_session *s, struct slice args)
{
	const struct smtp_command *c = smtp_command_find(args);

	if (args.len == 0) {
		help_all(s);
	} else if (!c || (c->flags & HIDDEN && !(c->run == smtp_cmd_xclient && s->machine.facts.trusted))) {
		smtp_reply(s, 504, "5.5.4", "No such command; HELP lists them");
	} else {
		smtp_reply_more(s, 214, "2.0.0", "%s", c->syntax);
		smtp_reply(s, 214, "2.0.0", "%s", c->about);
	}
}

/* ---- refused on sight ---- */

void smtp_cmd_unimplemented(struct smtp_session *s, struct slice args)
{
	(void)args;
	smtp_reply(s, 502, "5.5.1", "Command not implemented");
}

void smtp_cmd_not_smtp(struct smtp_session *s, struct slice args)
{
	(void)args;
	log_info("another protocol's request", "session", s->machine.facts.id,
	         "ip", s->machine.facts.remote_ip, NULL);
	smtp_reply(s, 421, "4.7.0", "%s This is SMTP, closing", s->settings->hostname);
}
