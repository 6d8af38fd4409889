/* THE TABLE: every verb, where it is allowed, what it needs.  A line is cut into verb and
 * arguments here, shown to the transcript with its secrets masked, and handed to its function. */
#include "smtp/commands.h"

#include <stdio.h>

#include "smtp/reply.h"

#define ANY      (SMTP_START | SMTP_IDLE | SMTP_MAIL | SMTP_RCPT | SMTP_BDAT)
#define ENVELOPE (SMTP_MAIL | SMTP_RCPT)

static const struct smtp_command commands[] = {
/*    verb        allowed in   flags                          run */
	{ "HELO",     ANY,         WANTS_ARGUMENT,                smtp_cmd_helo,
	  "HELO domain",                "says who you are (RFC 5321, 4.1.1.1)" },
	{ "EHLO",     ANY,         WANTS_ARGUMENT | NEEDS_NO_TLS, smtp_cmd_ehlo,
	  "EHLO domain",                "the same, and lists the extensions (RFC 5321, 4.1.1.1)" },
	{ "STARTTLS", ANY,         NO_ARGUMENTS | NEEDS_NO_TLS,   smtp_cmd_starttls,
	  "STARTTLS",                   "goes on under TLS; say EHLO again (RFC 3207)" },
	{ "AUTH",     SMTP_IDLE,   WANTS_ARGUMENT | SECRET,       smtp_cmd_auth,
	  "AUTH mechanism [initial-response]", "signs you in (RFC 4954)" },
	{ "MAIL",     SMTP_IDLE,   WANTS_ARGUMENT | NEEDS_AUTH,   smtp_cmd_mail,
	  "MAIL FROM:<address> [SIZE=n] [BODY=7BIT|8BITMIME] [SMTPUTF8] [AUTH=who]",
	  "starts a mail; <> is the null reverse-path (RFC 5321, 4.1.1.2)" },
	{ "RCPT",     ENVELOPE,    WANTS_ARGUMENT | NEEDS_AUTH,   smtp_cmd_rcpt,
	  "RCPT TO:<address>",          "names a recipient; repeat it (RFC 5321, 4.1.1.3)" },
	{ "DATA",     ENVELOPE,    NO_ARGUMENTS | NEEDS_AUTH,     smtp_cmd_data,
	  "DATA",                       "the message follows 354, ended by <CRLF>.<CRLF> (RFC 5321, 4.1.1.4)" },
	/* Whatever we think of it, the chunk behind it must be read: it runs wherever it can come. */
	{ "BDAT",     ANY | SMTP_REFUSED, WANTS_ARGUMENT | NEEDS_NO_TLS, smtp_cmd_bdat,
	  "BDAT octets [LAST]",         "a chunk of the message follows at once (RFC 3030)" },
	{ "RSET",     ANY,         NO_ARGUMENTS,                  smtp_cmd_rset,
	  "RSET",                       "forgets the mail begun (RFC 5321, 4.1.1.5)" },
	{ "NOOP",     ANY,         NEEDS_NO_TLS,                  smtp_cmd_noop,
	  "NOOP [anything]",            "does nothing (RFC 5321, 4.1.1.9)" },
	{ "VRFY",     ANY,         WANTS_ARGUMENT | NEEDS_AUTH,   smtp_cmd_vrfy,
	  "VRFY address",               "asks whether an address is known (RFC 5321, 4.1.1.6)" },
	{ "EXPN",     ANY,         WANTS_ARGUMENT | NEEDS_AUTH,   smtp_cmd_expn,
	  "EXPN address",               "asks where an alias leads (RFC 5321, 4.1.1.7)" },
	{ "HELP",     ANY,         0,                             smtp_cmd_help,
	  "HELP [command]",             "explains (RFC 5321, 4.1.1.8)" },
	{ "XCLIENT",  ANY,         WANTS_ARGUMENT | SECRET | NEEDS_NO_TLS | HIDDEN, smtp_cmd_xclient,
	  "XCLIENT attribute=value ...", "speaks for another client; trusted peers only" },
	{ "QUIT",     ANY | SMTP_REFUSED, NO_ARGUMENTS | NEEDS_NO_TLS | UNCOUNTED, smtp_cmd_quit,
	  "QUIT",                       "says good-bye (RFC 5321, 4.1.1.10)" },
	/* Verbs of old RFCs, and of neighbours' protocols: a browser that was made to talk to us must
	 * not get as far as its request's body. */
	{ "SEND",     ANY, HIDDEN, smtp_cmd_unimplemented, "", "" },
	{ "SOML",     ANY, HIDDEN, smtp_cmd_unimplemented, "", "" },
	{ "SAML",     ANY, HIDDEN, smtp_cmd_unimplemented, "", "" },
	{ "TURN",     ANY, HIDDEN, smtp_cmd_unimplemented, "", "" },
	{ "ETRN",     ANY, HIDDEN, smtp_cmd_unimplemented, "", "" },
	{ "ATRN",     ANY, HIDDEN, smtp_cmd_unimplemented, "", "" },
	{ "GET",      ANY, HIDDEN | NEEDS_NO_TLS, smtp_cmd_not_smtp, "", "" },
	{ "POST",     ANY, HIDDEN | NEEDS_NO_TLS, smtp_cmd_not_smtp, "", "" },
	{ "PUT",      ANY, HIDDEN | NEEDS_NO_TLS, smtp_cmd_not_smtp, "", "" },
	{ "CONNECT",  ANY, HIDDEN | NEEDS_NO_TLS, smtp_cmd_not_smtp, "", "" },
	{ NULL, 0, 0, NULL, NULL, NULL },
};

const struct smtp_command *smtp_command_table(void)
{
	return commands;
}

const struct smtp_command *smtp_command_find(struct slice verb)
{
	for (const struct smtp_command *c = commands; c->verb; c++)
		if (slice_ieq(verb, slice_from(c->verb)))
			return c;
	return NULL;
}

/* Whether a word can be shown as the name of a mechanism: a known one, or 1*20 of what such names
 * are made of (RFC 4422, 3.1).  Base64 of a client that forgot the name looks different. */
static bool looks_like_mechanism(struct slice word)
{
	size_t i = 0;

	while (i < word.len && ((word.ptr[i] >= 'A' && word.ptr[i] <= 'Z') || word.ptr[i] == '-' ||
	                        (word.ptr[i] >= '0' && word.ptr[i] <= '9') || word.ptr[i] == '_'))
		i++;
	return (i == word.len && i <= 20) || login_mechanism(word);
}

/* "AUTH PLAIN AGFs..." becomes "AUTH PLAIN ****", "XCLIENT LOGIN=..." "XCLIENT LOGIN ****". */
static struct slice mask(const struct smtp_command *c, struct slice line, char *out, size_t size)
{
	struct slice rest = slice_trim(slice_skip(line, strlen(c->verb)));
	struct slice word = slice_head(rest, slice_find(rest, ' '));
	struct slice name = slice_head(word, slice_find(word, '='));

	if (c->run == smtp_cmd_auth && !looks_like_mechanism(name))
		name = SLICE_NONE;
	if (name.len == rest.len)
		return line;
	int n = snprintf(out, size, "%s%s%.*s ****", c->verb, name.len ? " " : "",
	                 name.len < 32 ? (int)name.len : 32, name.len ? name.ptr : "");

	return slice_of(out, (size_t)n);
}

/* Behind AUTH an unknown command is the password of a client that did not look at our refusal. */
static void show(struct smtp_session *s, const struct smtp_command *c, struct slice line)
{
	char masked[80];
	bool after_auth = s->after_auth;

	s->after_auth = c ? c->run == smtp_cmd_auth : after_auth;
	if (!s->machine.observer || !s->machine.observer->wants_lines)
		return;
	if (!c && after_auth)
		line = SLICE("****");
	else if (c && c->flags & SECRET)
		line = mask(c, line, masked, sizeof(masked));
	machine_observe(&s->machine, EVENT_COMMAND, line, smtp_session_state_name(s), NULL, 0);
}

/* Controls other than the tab have no place in a command. */
static bool has_controls(struct slice line)
{
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.ptr[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

static void out_of_sequence(struct smtp_session *s, const struct smtp_command *c)
{
	const char *why = "Not now";

	if (s->state == SMTP_START)
		why = "Say EHLO first";
	else if (c->states == SMTP_IDLE)
		why = "Not while a mail is begun; RSET or end it first";
	else if (s->state == SMTP_IDLE)
		why = "Say MAIL FROM first";
	else if (s->state == SMTP_BDAT)
		why = "The message is coming by BDAT; go on with BDAT or say RSET";
	smtp_reply(s, 503, "5.5.1", "%s", why);
}

/* What stands before the verb's own work; true when it may run. */
static bool permitted(struct smtp_session *s, const struct smtp_command *c, struct slice args)
{
	const struct smtp_settings *set = s->settings;
	const struct facts *f = &s->machine.facts;

	if (set->require_tls && !f->tls.active && !(c->flags & NEEDS_NO_TLS))
		smtp_reply(s, 530, "5.7.0", "Must issue a STARTTLS command first");
	else if (set->require_auth && !f->identity.user && c->flags & NEEDS_AUTH)
		smtp_reply(s, 530, "5.7.0", "Authentication required");
	else if (!(c->states & s->state))
		out_of_sequence(s, c);
	else if ((c->flags & NO_ARGUMENTS && args.len) || (c->flags & WANTS_ARGUMENT && !args.len))
		smtp_reply(s, 501, "5.5.4", "Syntax: %s", c->syntax);
	else
		return true;
	return false;
}

/* ---- policy ---- */

struct smtp_asked { const struct smtp_command *command; struct slice args; };     /* in scratch */

static void command_judged(struct smtp_session *s, const struct verdict *v)
{
	struct smtp_failure f;

	if (!smtp_reply_refusal(s, v, &f))
		s->asked->command->run(s, s->asked->args);
	else if (s->asked->command->run == smtp_cmd_bdat && v->kind != VERDICT_DISCONNECT)
		smtp_cmd_bdat_refused(s, s->asked->args, f);
	else
		smtp_reply_refused(s, v);
}

/* accept_command: QUIT is always granted (RFC 5321, 4.1.1.10). */
static void judge_or_run(struct smtp_session *s, const struct smtp_command *c, struct slice line,
                         struct slice args)
{
	struct question *q;
	char masked[80];

	if (!machine_asks(&s->machine, HOOK_ACCEPT_COMMAND) || c->run == smtp_cmd_quit) {
		c->run(s, args);
		return;
	}
	s->asked = arena_alloc(&s->scratch, sizeof(*s->asked));
	*s->asked = (struct smtp_asked){ c, arena_copy(&s->scratch, args) };
	if (c->flags & SECRET)
		line = mask(c, line, masked, sizeof(masked));
	smtp_session_begin(s, HOOK_ACCEPT_COMMAND);
	q = machine_question(&s->machine);
	q->command.verb = slice_from(c->verb);
	q->command.arguments = arena_copy(&s->scratch, slice_trim(slice_skip(line, strlen(c->verb))));
	smtp_session_ask(s, command_judged);
}

void smtp_command_line(struct smtp_session *s, struct slice line)
{
	size_t blank = 0;

	while (blank < line.len && line.ptr[blank] != ' ' && line.ptr[blank] != '\t')
		blank++;
	const struct smtp_command *c = smtp_command_find(slice_head(line, blank));
	struct slice args = slice_trim(slice_skip(line, blank));

	arena_reset(&s->scratch);
	show(s, c, line);
	if (s->state == SMTP_REFUSED && !(c && c->states & SMTP_REFUSED)) {
		smtp_reply(s, 503, "5.5.1", "No service for you here; only QUIT is left");
	} else if (line.len == 0) {
		smtp_reply(s, 500, "5.5.2", "An empty line is no command");
	} else if (has_controls(line)) {
		smtp_reply(s, 500, "5.5.2", "Control characters are not accepted");
	} else if (!c) {
		smtp_reply(s, 500, "5.5.1", "Command not recognized; HELP lists them");
	} else if (permitted(s, c, args)) {
		if (!(c->flags & UNCOUNTED))
			smtp_session_idled(s);
		if (s->state != SMTP_CLOSED)
			judge_or_run(s, c, line, args);
	}
}
