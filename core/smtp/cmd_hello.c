/* HELO, EHLO, STARTTLS, XCLIENT: who is there, what is offered, and the ways to begin anew. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "mail/address.h"
#include "mail/params.h"
#include "smtp/commands.h"
#include "smtp/reply.h"

/* Text is an address of that family; binary gets it. */
static bool is_ip(int family, struct slice text, unsigned char binary[16])
{
	char copy[46];

	if (text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	return inet_pton(family, copy, binary) == 1;
}

/* Domain or address literal (RFC 5321, 4.1.1.1).  Borne as well, since real machines say them and
 * 4.1.4 wants no mail refused for a name: underscores, a final dot, IPv6 without its tag. */
static bool helo_valid(struct slice name)
{
	unsigned char binary[16];

	if (address_check_domain(name, true) == ST_OK)
		return true;
	if (name.len > 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']')
		return is_ip(AF_INET6, slice_head(slice_skip(name, 1), name.len - 2), binary);
	for (size_t i = 0; i < name.len; i++) {
		char c = ascii_lower(name.ptr[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'))
			return false;
	}
	return name.len > 0 && name.len <= ADDRESS_DOMAIN_MAX;
}

/* One line of the list: said at once, or kept for policy to change. */
#define CAPABILITY(...)                                        \
	do {                                                   \
		if (list)                                      \
			keep_line(list, __VA_ARGS__);          \
		else                                           \
			smtp_reply_more(s, 250, NULL, __VA_ARGS__); \
	} while (0)

static void keep_line(struct buf *list, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void keep_line(struct buf *list, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)buf_vprintf(list, fmt, ap);
	(void)buf_append_byte(list, '\n');
	va_end(ap);
}

static void announce_limits(struct smtp_session *s, struct buf *list)
{
	char mailmax[32] = "";

	if (s->settings->max_transactions)
		snprintf(mailmax, sizeof(mailmax), " MAILMAX=%" PRIu32, s->settings->max_transactions);
	CAPABILITY("LIMITS RCPTMAX=%" PRIu32 "%s", s->settings->max_recipients, mailmax);
}

static void announce_auth(struct smtp_session *s, struct buf *list)
{
	unsigned offered = smtp_session_mechanisms(s);
	struct buf names;

	if (!offered || s->machine.facts.identity.user)
		return;
	buf_init(&names, 0);
	login_names(offered, &names);
	CAPABILITY("AUTH %s", buf_cstr(&names));
	buf_free(&names);
}

/* Only what is really done, and only where it may be used now; HELP comes behind. */
static void announce(struct smtp_session *s, struct buf *list)
{
	const struct facts *f = &s->machine.facts;

	CAPABILITY("PIPELINING");
	CAPABILITY("SIZE %" PRIu64, s->settings->max_message_octets);
	CAPABILITY("8BITMIME");
	CAPABILITY("SMTPUTF8");
	CAPABILITY("CHUNKING");
	CAPABILITY("ENHANCEDSTATUSCODES");
	announce_limits(s, list);
	if (s->machine.tls_available && !f->tls.active)
		CAPABILITY("STARTTLS");
	announce_auth(s, list);
	if (f->trusted)
		CAPABILITY("XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT");
}

static void greet(struct smtp_session *s)
{
	smtp_reply_more(s, 250, NULL, "%s greets %s", s->settings->hostname, s->machine.facts.helo);
}

/* rewrite_capabilities answered: what is left of the list; the last line has no hyphen. */
static void announce_rewritten(struct smtp_session *s, const struct verdict *v)
{
	struct slice rest = machine_question(&s->machine)->rewrite.text, line, next;

	(void)v;
	if (slice_cut(&rest, '\n', &line) != ST_OK) {
		smtp_reply(s, 250, NULL, "%s greets %s", s->settings->hostname, s->machine.facts.helo);
		return;
	}
	greet(s);
	for (; slice_cut(&rest, '\n', &next) == ST_OK; line = next)
		smtp_reply_more(s, 250, NULL, "%.*s", SLICE_ARG(line));
	smtp_reply(s, 250, NULL, "%.*s", SLICE_ARG(line));
}

static void ask_capabilities(struct smtp_session *s)
{
	struct question *q = machine_question(&s->machine);
	struct buf list;

	buf_init(&list, 0);
	announce(s, &list);
	keep_line(&list, "HELP");
	smtp_session_begin(s, HOOK_REWRITE_CAPABILITIES);
	q->rewrite.text = q->rewrite.known = arena_copy(&s->scratch, buf_slice(&list));
	buf_free(&list);
	smtp_session_ask(s, announce_rewritten);
}

static void greeted(struct smtp_session *s, const struct verdict *v)
{
	struct question *q = machine_question(&s->machine);

	if (smtp_reply_refused(s, v))
		return;
	smtp_session_reset_transaction(s);
	facts_set_helo(&s->machine.facts, q->helo.name, q->helo.esmtp);
	s->state = SMTP_IDLE;
	if (!q->helo.esmtp) {
		smtp_reply(s, 250, NULL, "%s", s->settings->hostname);
	} else if (machine_asks(&s->machine, HOOK_REWRITE_CAPABILITIES)) {
		ask_capabilities(s);
	} else {
		greet(s);
		announce(s, NULL);
		smtp_reply(s, 250, NULL, "HELP");
	}
}

/* helo = "HELO" SP Domain CRLF ; ehlo = "EHLO" SP ( Domain / address-literal ) CRLF
 * Both end a mail that was begun, unless they are refused (RFC 5321, 4.1.4). */
static void hello(struct smtp_session *s, struct slice name, bool esmtp)
{
	struct question *q = machine_question(&s->machine);

	if (!helo_valid(name)) {
		smtp_reply(s, 501, "5.5.4", "Syntax: %s domain or [address]", esmtp ? "EHLO" : "HELO");
		return;
	}
	smtp_session_begin(s, HOOK_ACCEPT_HELO);
	q->helo.name = arena_copy(&s->scratch, name);
	q->helo.esmtp = esmtp;
	smtp_session_ask(s, greeted);
}

void smtp_cmd_helo(struct smtp_session *s, struct slice args)
{
	hello(s, args, false);
}

void smtp_cmd_ehlo(struct smtp_session *s, struct slice args)
{
	hello(s, args, true);
}

/* starttls = "STARTTLS" CRLF (RFC 3207, 4).  What the client said in clear is forgotten before
 * the handshake, and the host drops what was pipelined behind it. */
void smtp_cmd_starttls(struct smtp_session *s, struct slice args)
{
	(void)args;
	if (s->machine.facts.tls.active) {
		smtp_reply(s, 503, "5.5.1", "TLS is active already");
	} else if (!s->machine.tls_available) {
		smtp_reply(s, 502, "5.5.1", "TLS is not available here");
	} else {
		smtp_reply(s, 220, "2.0.0", "Ready to start TLS");
		smtp_session_restart(s);
		smtp_session_progressed(s);
		s->machine.wants = MACHINE_TLS;
	}
}

/* XCLIENT: a trusted proxy says for whom it speaks.  Each attribute has one function. */

typedef bool xclient_set_fn(struct facts *f, struct slice value, bool unavailable);

static bool set_address(char out[46], struct slice value, bool unavailable)
{
	unsigned char binary[16];
	bool v6 = slice_istarts(value, SLICE("IPV6:"));
	int family = v6 ? AF_INET6 : AF_INET;

	if (unavailable)
		value = SLICE("0.0.0.0");
	/* Written anew, so that one address has one spelling. */
	return is_ip(family, slice_skip(value, v6 ? 5 : 0), binary) &&
	       inet_ntop(family, binary, out, 46);
}

static bool set_port(uint16_t *out, struct slice value, bool unavailable)
{
	uint64_t port = 0;

	if (!unavailable && (slice_to_u64(value, &port) != ST_OK || port > UINT16_MAX))
		return false;
	*out = (uint16_t)port;
	return true;
}

static bool xclient_addr(struct facts *f, struct slice value, bool unavailable)
{
	if (!set_address(f->remote_ip, value, unavailable))
		return false;
	f->loopback = strncmp(f->remote_ip, "127.", 4) == 0 || strcmp(f->remote_ip, "::1") == 0;
	return true;
}

static bool xclient_port(struct facts *f, struct slice value, bool unavailable)
{
	return set_port(&f->remote_port, value, unavailable);
}

static bool xclient_destaddr(struct facts *f, struct slice value, bool unavailable)
{
	return set_address(f->local_ip, value, unavailable);
}

static bool xclient_destport(struct facts *f, struct slice value, bool unavailable)
{
	return set_port(&f->local_port, value, unavailable);
}

static bool xclient_name(struct facts *f, struct slice value, bool unavailable)
{
	if (!unavailable && !helo_valid(value))
		return false;
	free(f->remote_name);
	f->remote_name = unavailable ? NULL : mem_slice_dup(value);
	return true;
}

static bool xclient_helo(struct facts *f, struct slice value, bool unavailable)
{
	if (!unavailable && !helo_valid(value))
		return false;
	facts_set_helo(f, unavailable ? SLICE_NONE : value, f->esmtp);
	return true;
}

static bool xclient_proto(struct facts *f, struct slice value, bool unavailable)
{
	bool esmtp = slice_ieq(value, SLICE("ESMTP"));

	if (unavailable || (!esmtp && !slice_ieq(value, SLICE("SMTP"))))
		return unavailable;
	f->esmtp = esmtp;
	return true;
}

static bool xclient_login(struct facts *f, struct slice value, bool unavailable)
{
	identity_clear(&f->identity);
	if (!unavailable && value.len > 0)
		identity_set(&f->identity, value, value);
	return unavailable || value.len > 0;
}

static const struct { const char *name; xclient_set_fn *set; } attributes[] = {
	{ "NAME", xclient_name },         { "ADDR", xclient_addr },
	{ "PORT", xclient_port },         { "PROTO", xclient_proto },
	{ "HELO", xclient_helo },         { "LOGIN", xclient_login },
	{ "DESTADDR", xclient_destaddr }, { "DESTPORT", xclient_destport },
};

static bool plain_text(struct slice value)
{
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.ptr[i] <= 0x20 || value.ptr[i] == 0x7f)
			return false;
	return true;
}

static bool set_attribute(struct facts *f, struct slice name, struct slice xtext)
{
	bool unavailable = slice_ieq(xtext, SLICE("[UNAVAILABLE]")) ||
	                   slice_ieq(xtext, SLICE("[TEMPUNAVAIL]"));
	struct buf value;
	bool done = false;

	buf_init(&value, 0);
	if (xtext.ptr && params_xtext_decode(xtext, &value) == ST_OK && plain_text(buf_slice(&value)))
		for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]) && !done; i++)
			done = slice_ieq(name, slice_from(attributes[i].name)) &&
			       attributes[i].set(f, buf_slice(&value), unavailable);
	buf_free(&value);
	return done;
}

/* xclient = "XCLIENT" 1*( SP attribute "=" xtext ) CRLF
 * The session begins anew with the greeting, as Postfix's XCLIENT_README has it. */
void smtp_cmd_xclient(struct smtp_session *s, struct slice args)
{
	struct slice name, value;
	enum status st;

	if (!s->machine.facts.trusted) {
		smtp_reply(s, 550, "5.7.0", "You are not trusted to speak for others");
		return;
	}
	if (s->state & (SMTP_MAIL | SMTP_RCPT | SMTP_BDAT)) {
		smtp_reply(s, 503, "5.5.1", "Not while a mail is begun; RSET or end it first");
		return;
	}
	args = arena_copy(&s->scratch, args);
	/* A second XCLIENT adds to the first (long lists need several), but it takes away whatever
	 * the peer had signed in as for itself. */
	if (!s->login_by_xclient)
		identity_clear(&s->machine.facts.identity);
	smtp_session_reset_transaction(s);
	s->state = SMTP_START;
	while ((st = params_next(&args, &name, &value)) == ST_OK) {
		if (!set_attribute(&s->machine.facts, name, value)) {
			smtp_reply(s, 501, "5.5.4", "XCLIENT: unknown attribute or bad value: %.*s",
			           (int)(name.len < 32 ? name.len : 32), name.ptr);
			return;
		}
	}
	s->login_by_xclient = s->machine.facts.identity.user;
	if (st != ST_END)
		smtp_reply(s, 501, "5.5.4", "Syntax: XCLIENT attribute=value ...");
	else
		smtp_session_greet(s);
}
