/* Rendering of replies: the line on the wire, the transcript, the counting, and the form a
 * verdict of policy takes in SMTP (RFC 5321, 4.2; RFC 3463; RFC 5248). */
#include "smtp/reply.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "mail/utf8.h"

/* RFC 5321, 4.5.3.1.5: a reply line has at most 512 octets with its CRLF. */
enum { REPLY_MAX = 510, STATUS_MAX = 11 };

/* What a refusal is called where the verdict does not say: per hook, permanent and temporary. */
static const struct { int reject, tempfail; const char *text, *later; } refusals[HOOK__COUNT] = {
	[HOOK_ACCEPT_CONNECTION] = { 554, 421, "No SMTP service for you here", "Try again later" },
	[HOOK_ACCEPT_HELO]       = { 550, 450, "Your name is not welcome", "Try again later" },
	[HOOK_ACCEPT_COMMAND]    = { 550, 450, "Command refused", "Command refused for now, try again later" },
	[HOOK_ACCEPT_SENDER]     = { 550, 450, "Sender refused", "Sender refused for now, try again later" },
	[HOOK_ACCEPT_RECIPIENT]  = { 550, 450, "Recipient refused",
	                             "Recipient refused for now, try again later" },
	[HOOK_ACCEPT_DATA]       = { 554, 451, "Mail refused", "Mail refused for now, try again later" },
	[HOOK_ACCEPT_MESSAGE]    = { 550, 451, "Message refused",
	                             "Message refused for now, try again later" },
	[HOOK_ACCEPT_DELIVERY]   = { 550, 450, "Delivery refused",
	                             "Delivery refused for now, try again later" },
	[HOOK_ON_ACCEPT]         = { 550, 451, "Message refused",
	                             "Message refused for now, try again later" },
};

/* Enhanced codes that have reply codes of their own, wherever they come up. */
static const struct { const char *subject; int reject, tempfail; } reply_codes[] = {
	{ "2.2",  552, 452 },    /* mailbox full */
	{ "2.3",  552, 452 },    /* message too long for the mailbox */
	{ "3.1",  552, 452 },    /* mail system full */
	{ "3.4",  552, 452 },    /* message too big for the system */
	{ "5.3",  552, 452 },    /* too many recipients */
	{ "6.7",  553, 450 },    /* non-ASCII address */
};

/* Deliveries that failed, as the one answer for all recipients. */
static const struct { enum status st; struct smtp_failure says; } delivery_failures[] = {
	{ ST_QUOTA,       { 552, "5.2.2", "Mailbox full" } },
	{ ST_NOSPACE,     { 452, "4.3.1", "Mail system full, try again later" } },
	{ ST_OVERLOAD,    { 451, "4.3.2", "Too busy, try again later" } },
	{ ST_TOOBIG,      { 552, "5.2.3", "Message too big for the mailbox" } },
	{ ST_NOTFOUND,    { 550, "5.1.1", "The mailbox is gone" } },
	{ ST_DENIED,      { 550, "5.7.1", "Delivery refused" } },
	{ ST_UNSUPPORTED, { 451, "4.3.5", "Nobody stores mail for that mailbox, try again later" } },
};

static const struct smtp_failure delivery_failure = {
	451, "4.3.0", "The message could not be stored, try again later",
};

/* One line of text: nothing that could end the line or confuse a terminal. */
static void clean(const struct smtp_session *s, char *text, size_t len)
{
	struct slice all = slice_of(text, len);
	bool utf8 = !utf8_ascii(all) && s->transaction.envelope.smtputf8 && utf8_valid(all);

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c == 0x7f || (c > 0x7f && !utf8))
			text[i] = '?';
	}
}

/* "250-2.0.0 ", without printf: it is the same in every line. */
static size_t put_head(char *line, int code, char separator, const char *status)
{
	struct slice enhanced = slice_head(slice_from(status), STATUS_MAX);
	size_t len = 0;

	line[len++] = (char)('0' + code / 100);
	line[len++] = (char)('0' + code / 10 % 10);
	line[len++] = (char)('0' + code % 10);
	line[len++] = separator;
	if (!status)
		return len;
	memcpy(line + len, enhanced.ptr, enhanced.len);
	len += enhanced.len;
	line[len++] = ' ';
	return len;
}

/* Most replies are fixed words.  Returns the octets of the whole text; those that fit are there. */
static size_t put_text(char *out, size_t size, const char *fmt, va_list ap)
{
	if (strchr(fmt, '%')) {
		int n = vsnprintf(out, size, fmt, ap);

		return n > 0 ? (size_t)n : 0;
	}
	size_t len = strlen(fmt);

	memcpy(out, fmt, len < size ? len : size);
	return len;
}

/* " [k3f9xw]" at the end, where such ids are wanted: `moonpost why` tells the reasons. */
static size_t put_id(struct smtp_session *s, int code, char *line, size_t len)
{
	char made[REASON_ID + 1];
	const char *id = s->reply_id;

	if (!id && machine_explain(&s->machine, s->verdict, slice_of(line, len),
	                           smtp_session_state_name(s), code >= 400, made))
		id = made;
	if (!id || !*id)
		return len;
	if (len > REPLY_MAX - REASON_ID - 3)
		len = REPLY_MAX - REASON_ID - 3;
	memcpy(line + len, " [", 2);
	memcpy(line + len + 2, id, REASON_ID);
	line[len + 2 + REASON_ID] = ']';
	return len + REASON_ID + 3;
}

static void put_line(struct smtp_session *s, int code, char separator, const char *status,
                     const char *fmt, va_list ap)
{
	struct machine *m = &s->machine;
	char line[REPLY_MAX + 3];
	size_t head = put_head(line, code, separator, status);
	size_t len = head + put_text(line + head, REPLY_MAX + 1 - head, fmt, ap);

	if (len > REPLY_MAX)
		len = REPLY_MAX;
	clean(s, line + head, len - head);
	if (status && separator == ' ')
		len = put_id(s, code, line, len);
	machine_observe(m, EVENT_REPLY, slice_of(line, len), smtp_session_state_name(s), s->verdict, 0);
	/* The client's mistakes, and the ends that are no QUIT. */
	if ((code >= 500 && code <= 504) || code == 421)
		machine_observe(m, EVENT_ERROR, slice_of(line, len), smtp_session_state_name(s), s->verdict, 0);
	line[len++] = '\r';
	line[len++] = '\n';
	(void)buf_append(&m->out, slice_of(line, len));
}

/* ---- rewrite_reply ---- */

struct smtp_held {
	int            code;
	char           status[STATUS_MAX + 1];
	char           text[REPLY_MAX + 1];
	struct verdict verdict;               /* for the transcript */
	bool           decided;
	char           id[REASON_ID + 1];     /* that ends it, or "" */
	enum machine_wants wants;             /* of the machine when it was asked about */
};

void smtp_reply_drop(struct smtp_session *s)
{
	free(s->held);
	s->held = NULL;
}

static void put_words(struct smtp_session *s, int code, const char *status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(s, code, ' ', status, fmt, ap);
	va_end(ap);
}

/* Say what was held back, with this text. */
static void release(struct smtp_session *s, struct slice text)
{
	struct smtp_held *h = s->held;
	const char *outer = s->reply_id;

	s->held = NULL;
	s->verdict = h->decided ? &h->verdict : NULL;
	s->reply_id = h->id;
	put_words(s, h->code, h->status[0] ? h->status : NULL, "%.*s", SLICE_ARG(text));
	s->verdict = NULL;
	s->reply_id = outer;
	free(h);
}

/* One line that a person may read: not the greeting, nor the end of a list. */
static bool may_rewrite(struct smtp_session *s, int code)
{
	bool last = s->lines;

	s->lines = false;
	if (!machine_asks(&s->machine, HOOK_REWRITE_REPLY) || last)
		return false;
	return code != 220 || s->state != SMTP_START || s->machine.facts.helo;
}

/* Now, for the question that knows the reasons is gone when the words are known. */
static void keep_id(struct smtp_session *s)
{
	struct smtp_held *h = s->held;
	char line[REPLY_MAX + 1];
	int n = snprintf(line, sizeof(line), "%d %s %s", h->code, h->status, h->text);

	if (s->reply_id)
		memcpy(h->id, s->reply_id, sizeof(h->id));
	else if (!h->status[0] ||
	         !machine_explain(&s->machine, s->verdict, slice_of(line, (size_t)n < sizeof(line) ?
	                          (size_t)n : sizeof(line) - 1), smtp_session_state_name(s),
	                          h->code >= 400, h->id))
		h->id[0] = '\0';
}

static void hold(struct smtp_session *s, int code, const char *status, const char *fmt, va_list ap)
{
	if (s->held)
		release(s, slice_from(s->held->text));
	s->held = MEM_NEW(struct smtp_held);
	s->held->code = code;
	snprintf(s->held->status, sizeof(s->held->status), "%s", status ? status : "");
	vsnprintf(s->held->text, sizeof(s->held->text), fmt, ap);
	s->held->decided = s->verdict != NULL;
	if (s->verdict)
		s->held->verdict = *s->verdict;
	keep_id(s);
}

static void rewritten(struct smtp_session *s, const struct verdict *v)
{
	(void)v;
	s->machine.wants = s->held->wants;
	release(s, machine_question(&s->machine)->rewrite.text);
}

void smtp_reply_ask(struct smtp_session *s)
{
	struct question *q = machine_question(&s->machine);

	if (q->waiting || s->machine.delay_ms)
		return;                               /* this very question, or its delay */
	s->held->wants = s->machine.wants;
	smtp_session_begin(s, HOOK_REWRITE_REPLY);
	q->rewrite.sign = slice_from(arena_printf(&q->arena, "%03d", s->held->code));
	q->rewrite.status = slice_from(s->held->status);
	q->rewrite.text = slice_from(s->held->text);
	smtp_session_ask(s, rewritten);
}

static void close_session(struct smtp_session *s)
{
	s->state = SMTP_CLOSED;
	s->machine.wants = MACHINE_CLOSE;
}

/* 500 to 504 are the client's mistakes.  Returns false when it made too many: the 421 that
 * says so takes the reply's place (RFC 5321, 4.2.1 allows it to any command). */
static bool count(struct smtp_session *s, int code)
{
	if (code < 500 || code > 504)
		return true;
	return ++s->errors <= s->settings->max_errors || !s->settings->max_errors;
}

void smtp_reply(struct smtp_session *s, int code, const char *status, const char *fmt, ...)
{
	va_list ap;

	if (s->state == SMTP_CLOSED)
		return;
	if (!count(s, code)) {
		log_info("too many errors", "session", s->machine.facts.id,
		         "ip", s->machine.facts.remote_ip, NULL);
		smtp_reply(s, 421, "4.7.0", "%s Too many errors, closing", s->settings->hostname);
		return;
	}
	va_start(ap, fmt);
	if (may_rewrite(s, code))
		hold(s, code, status, fmt, ap);
	else
		put_line(s, code, ' ', status, fmt, ap);
	va_end(ap);
	if (code == 421 || code == 221)
		close_session(s);
}

void smtp_reply_more(struct smtp_session *s, int code, const char *status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	s->lines = true;
	put_line(s, code, '-', status, fmt, ap);
	va_end(ap);
}

void smtp_reply_challenge(struct smtp_session *s, struct slice base64)
{
	struct machine *m = &s->machine;

	/* SASL data are shown to nobody: the challenge of SCRAM names the user's salt. */
	machine_observe(m, EVENT_REPLY, base64.len ? SLICE("334 ****") : SLICE("334 "),
	                smtp_session_state_name(s), NULL, 0);
	(void)buf_append(&m->out, SLICE("334 "));
	(void)buf_append(&m->out, base64);
	(void)buf_append(&m->out, SLICE("\r\n"));
}

/* The reply code for a refusal: the enhanced code knows best, then the hook. */
static int refusal_code(enum hook hook, bool permanent, const char *status)
{
	for (size_t i = 0; i < COUNT_OF(reply_codes); i++)
		if (strcmp(status + 2, reply_codes[i].subject) == 0)
			return permanent ? reply_codes[i].reject : reply_codes[i].tempfail;
	if (!permanent && hook != HOOK_ACCEPT_CONNECTION && status[2] == '3')
		return 451;                       /* the system's fault, not the mailbox's */
	return permanent ? refusals[hook].reject : refusals[hook].tempfail;
}

/* The text of a verdict can be shown as it is if the client can read it; a UTF-8 text for a
 * client without SMTPUTF8 (RFC 6531, 3.7.4.2) is left to the log. */
static bool presentable(const struct smtp_session *s, const char *text)
{
	return text[0] && (utf8_ascii(slice_from(text)) || s->transaction.envelope.smtputf8);
}

bool smtp_reply_refusal(struct smtp_session *s, const struct verdict *v, struct smtp_failure *out)
{
	enum hook hook = machine_question(&s->machine)->hook;
	bool disconnect = v->kind == VERDICT_DISCONNECT;
	bool permanent = v->kind == VERDICT_REJECT || (disconnect && v->status[0] == '5');
	const char *status = v->status, *text = v->text;

	if (v->kind != VERDICT_REJECT && v->kind != VERDICT_TEMPFAIL && !disconnect)
		return false;
	if (!status[0] || !verdict_status_valid(v->kind, status))
		status = arena_printf(&s->scratch, "%c.%s", permanent ? '5' : '4', hook_status(hook));
	if (!presentable(s, text))
		text = permanent ? refusals[hook].text : refusals[hook].later;
	*out = (struct smtp_failure){ refusal_code(hook, permanent, status), status, text };
	if (disconnect && !permanent)
		out->code = 421;
	return true;
}

bool smtp_reply_refused(struct smtp_session *s, const struct verdict *v)
{
	struct smtp_failure f;

	if (!smtp_reply_refusal(s, v, &f))
		return false;
	s->verdict = v;
	smtp_reply(s, f.code, f.status, "%s", f.text);
	s->verdict = NULL;
	if (v->kind == VERDICT_DISCONNECT)
		close_session(s);
	return true;
}

struct smtp_failure smtp_reply_delivery(const struct smtp_session *s, enum status st)
{
	if (st == ST_QUOTA && s->settings->quota_tempfail)
		return (struct smtp_failure){ 452, "4.2.2", "Mailbox full, try again later" };
	for (size_t i = 0; i < COUNT_OF(delivery_failures); i++)
		if (delivery_failures[i].st == st)
			return delivery_failures[i].says;
	return delivery_failure;
}
