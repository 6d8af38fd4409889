/* One mail from MAIL to its last reply.
 *
 * One answer stands for all recipients (RFC 5321, 4.1.1.4): 250 only when every recipient that
 * was accepted has the message.  If any delivery failed the whole mail is refused; a permanent
 * reason goes before a temporary one, since a later try could not cure it.  The store delivers
 * all or nothing; a provider that had delivered to some makes the sender's next try a duplicate
 * for those, never a loss. */
#include "smtp/transaction.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "mail/trace.h"
#include "smtp/judge.h"
#include "smtp/reply.h"

void smtp_transaction_init(struct smtp_transaction *t)
{
	*t = (struct smtp_transaction){ 0 };
	arena_init(&t->arena);
	map_init(&t->mailboxes);
	buf_init(&t->first_line, 0);
}

void smtp_transaction_reset(struct smtp_transaction *t)
{
	if (t->delivering && t->delivery.cancel)
		t->delivery.cancel(&t->delivery);
	message_free(t->message);
	map_free(&t->mailboxes, NULL);
	buf_free(&t->first_line);
	arena_reset(&t->arena);
	smtp_transaction_init(t);
}

/* ---- envelope ---- */

static void add_recipient(struct smtp_transaction *t, struct slice address, const char *mailbox)
{
	struct envelope *e = &t->envelope;

	if (mailbox && map_put(&t->mailboxes, slice_from(mailbox), t))
		return;
	if (e->recipient_count == t->recipients_room) {
		unsigned room = t->recipients_room ? t->recipients_room * 2 : 4;
		struct envelope_recipient *grown = arena_alloc(&t->arena, room * sizeof(*grown));

		if (e->recipient_count)
			memcpy(grown, e->recipients, e->recipient_count * sizeof(*grown));
		e->recipients = grown;
		t->recipients_room = room;
	}
	e->recipients[e->recipient_count++] = (struct envelope_recipient){
		.address = address,
		.mailbox = mailbox ? arena_copy(&t->arena, slice_from(mailbox)) : SLICE_NONE,
		.discard = !mailbox,
	};
}

void smtp_transaction_add(struct smtp_transaction *t, struct slice address,
                          const struct recipient_target *targets)
{
	struct slice kept = arena_copy(&t->arena, address);

	t->accepted++;
	if (!targets)
		add_recipient(t, kept, NULL);
	for (; targets; targets = targets->next)
		add_recipient(t, kept, targets->mailbox);
}

/* ---- octets ---- */

void smtp_transaction_fail(struct smtp_transaction *t, int code, const char *status, const char *text)
{
	if (t->failure.code)
		return;
	t->failure = (struct smtp_failure){ code, status, text };
	message_free(t->message);
	t->message = NULL;
}

void smtp_transaction_spool_failed(struct smtp_session *s, enum status st)
{
	struct smtp_transaction *t = &s->transaction;

	machine_observe(&s->machine, EVENT_ERROR, SLICE("the message cannot be spooled"),
	                smtp_session_state_name(s), NULL, 0);

	log_error("message cannot be spooled", "session", s->machine.facts.id, "id", t->id,
	          "spool", t->message->directory, "why", status_text(st), NULL);
	if (st == ST_NOSPACE)
		smtp_transaction_fail(t, 452, "4.3.1", "Mail system full, try again later");
	else if (st == ST_TOOBIG)
		smtp_transaction_fail(t, 552, "5.3.4", "Message too big for this system");
	else
		smtp_transaction_fail(t, 451, "4.3.0", "The message could not be written, try again later");
}

static void store(struct smtp_session *s, struct slice octets)
{
	struct smtp_transaction *t = &s->transaction;

	if (t->failure.code || octets.len == 0)
		return;
	enum status st = message_append(t->message, octets);

	if (st != ST_OK)
		smtp_transaction_spool_failed(s, st);
}

void smtp_transaction_begin(struct smtp_session *s)
{
	struct smtp_transaction *t = &s->transaction;
	struct mailbox_provider *p = s->machine.mailboxes;

	random_id(t->id, sizeof(t->id) - 1);
	t->message = message_new(p ? p->spool : NULL);
	dots_reader_init(&t->dots);
}

/* Return-Path of final delivery and our Received (RFC 5321, 4.4). */
static void write_trace(struct smtp_session *s)
{
	const struct facts *f = &s->machine.facts;
	struct smtp_transaction *t = &s->transaction;
	const struct envelope *e = &t->envelope;
	char tls[96] = "";
	struct buf out;

	if (f->tls.active)
		snprintf(tls, sizeof(tls), "%s %s", f->tls.version ? f->tls.version : "TLS",
		         f->tls.cipher ? f->tls.cipher : "");
	struct trace trace = {
		.helo = slice_from(f->helo), .remote_ip = slice_from(f->remote_ip),
		.remote_name = slice_from(f->remote_name), .hostname = slice_from(s->settings->hostname),
		.protocol = trace_protocol(f->esmtp, f->tls.active, f->identity.user, e->smtputf8),
		.id = slice_from(t->id), .tls = slice_trim(slice_from(tls)),
		/* With several recipients the field would tell each who the others are. */
		.recipient = t->accepted == 1 ? e->recipients[0].address : SLICE(""),
		.when = clock_wall(),
	};

	buf_init(&out, 0);
	trace_return_path(e->sender, &out);
	trace_received(&trace, &out);
	store(s, buf_slice(&out));
	buf_free(&out);
}

enum first_line { FIRST_UNKNOWN, FIRST_FIELD, FIRST_TEXT };

enum { FIRST_LINE_MAX = 998 };       /* RFC 5322, 2.1.1 */

/* Whether a message begins with a header field or the empty line behind no header at all.  A
 * message that begins with its body gets an empty line, or our trace fields would swallow it. */
static enum first_line classify(struct slice s)
{
	size_t i = 0, name;

	while (i < s.len && (unsigned char)s.ptr[i] > 32 && (unsigned char)s.ptr[i] < 127 &&
	       s.ptr[i] != ':')
		i++;
	name = i;
	while (name && i < s.len && (s.ptr[i] == ' ' || s.ptr[i] == '\t'))   /* obs-optional */
		i++;
	if (i == s.len)
		return s.len > FIRST_LINE_MAX ? FIRST_TEXT : FIRST_UNKNOWN;
	if (s.ptr[i] == ':' && name)
		return FIRST_FIELD;
	if (s.ptr[i] == '\r' && i == 0)
		return FIRST_FIELD;
	/* The first line of an mbox that somebody sends as it is: header fields follow. */
	return slice_starts(s, SLICE("From ")) ? FIRST_FIELD : FIRST_TEXT;
}

/* A line that turns out to be no field is taken off the count again: that much may be too many. */
enum { HEADER_SLACK = 256 };

static bool header_too_big(const struct smtp_session *s, uint64_t octets)
{
	return s->settings->max_header_octets && octets > s->settings->max_header_octets;
}

/* The header is complete. */
static void check_header(struct smtp_session *s)
{
	struct smtp_transaction *t = &s->transaction;

	if (header_too_big(s, t->header.octets))
		smtp_transaction_fail(t, 552, "5.3.4", "The message header is too big");
	else if (s->settings->max_received && t->header.received > s->settings->max_received)
		smtp_transaction_fail(t, 554, "5.4.6", "Too many Received fields: a mail loop");
}

static void keep(struct smtp_session *s, struct slice octets)
{
	struct smtp_transaction *t = &s->transaction;

	if (!t->header.over) {
		header_count(&t->header, octets);
		if (t->header.over)
			check_header(s);
		else if (t->header.octets > HEADER_SLACK && header_too_big(s, t->header.octets - HEADER_SLACK))
			check_header(s);
	}
	store(s, octets);
}

/* Write what has to stand in front, then what was held back. */
static void begin_message(struct smtp_session *s, bool empty_line)
{
	struct smtp_transaction *t = &s->transaction;

	t->begun = true;
	write_trace(s);
	if (empty_line)
		keep(s, SLICE("\r\n"));
	keep(s, buf_slice(&t->first_line));
	buf_free(&t->first_line);
}

/* Octets while it is not yet known how the message begins; true when they are dealt with. */
static bool hold_back(struct smtp_session *s, struct slice octets)
{
	struct smtp_transaction *t = &s->transaction;
	struct slice seen = octets;

	if (buf_len(&t->first_line)) {
		(void)buf_append(&t->first_line, octets);
		seen = buf_slice(&t->first_line);
	}
	enum first_line first = classify(seen);

	if (first == FIRST_UNKNOWN) {
		if (buf_len(&t->first_line) == 0)
			(void)buf_append(&t->first_line, octets);
		return true;
	}
	bool held = buf_len(&t->first_line) > 0;

	begin_message(s, first == FIRST_TEXT);
	return held;
}

void smtp_transaction_take(struct smtp_session *s, struct slice octets)
{
	struct smtp_transaction *t = &s->transaction;
	uint64_t max = s->settings->max_message_octets;

	if (t->failure.code || octets.len == 0)
		return;
	/* What still fits is looked at first, so that the answer does not depend on where the input
	 * was cut. */
	struct slice fits = octets.len > max - t->octets ? slice_head(octets, max - t->octets) : octets;

	t->octets += octets.len;
	if (t->begun || !hold_back(s, fits))
		keep(s, fits);
	if (t->octets > max)
		smtp_transaction_fail(t, 552, "5.3.4", "Message too big for this system");
}

static const char bare_text[] = "A bare CR or LF in the message; lines end in CR LF alone";

void smtp_transaction_watch_lines(struct smtp_session *s, struct slice octets)
{
	struct scan_lines *l = &s->transaction.dots.lines;

	for (size_t at = 0; at < octets.len;) {
		at += scan_lines(slice_skip(octets, at), l);
		l->at_start &= at == octets.len;      /* here a dot is an octet like any other */
	}
}

/* ---- the end ---- */

static void forget(struct smtp_session *s)
{
	smtp_session_reset_transaction(s);
}

void smtp_transaction_refuse(struct smtp_session *s, struct smtp_failure f, const char *recipient)
{
	struct smtp_transaction *t = &s->transaction;

	s->state = SMTP_IDLE;
	log_info("message refused", "session", s->machine.facts.id, "id", t->id,
	         "from", arena_strdup(&t->arena, t->envelope.sender), "size", log_u64(t->octets),
	         "to", recipient, "status", f.status, "text", f.text, NULL);
	if (recipient)
		smtp_reply(s, f.code, f.status, "%s: <%s>", f.text, recipient);
	else
		smtp_reply(s, f.code, f.status, "%s", f.text);
	forget(s);
}

static void observe_stored(struct smtp_session *s)
{
	struct smtp_transaction *t = &s->transaction;

	for (unsigned i = 0; i < t->envelope.recipient_count; i++)
		if (!t->envelope.recipients[i].discard)
			machine_observe_stored(&s->machine, t->envelope.recipients[i].mailbox,
			                       t->delivery.uids[i], t->message->octets,
			                       smtp_session_state_name(s));
}

void smtp_transaction_stored(struct smtp_session *s, bool discarded)
{
	struct smtp_transaction *t = &s->transaction;

	s->state = SMTP_IDLE;
	s->errors = 0;
	smtp_session_progressed(s);
	if (log_wants(LOG_LEVEL_INFO))
		log_info(discarded ? "message discarded" : "message stored",
		         "session", s->machine.facts.id, "id", t->id,
		         "ip", s->machine.facts.remote_ip, "user", s->machine.facts.identity.user,
		         "from", arena_strdup(&t->arena, t->envelope.sender),
		         "recipients", log_u64(t->accepted), "size", log_u64(t->octets), NULL);
	if (!discarded) {
		machine_observe(&s->machine, EVENT_ACCEPTED, slice_from(t->id),
		                smtp_session_state_name(s), NULL, t->octets);
		observe_stored(s);
	}
	/* The same words for both: who is discarded is not told. */
	smtp_reply(s, 250, "2.0.0", "Ok: stored as %s", t->id);
	forget(s);
}

/* Index of the recipient whose result decides, or recipient_count: all have it. */
static unsigned worst_result(const struct smtp_session *s)
{
	const struct smtp_transaction *t = &s->transaction;
	unsigned count = t->envelope.recipient_count, worst = count;

	for (unsigned i = 0; i < count; i++) {
		if (t->envelope.recipients[i].discard || t->delivery.results[i] == ST_OK)
			continue;
		if (smtp_reply_delivery(s, t->delivery.results[i]).code >= 500)
			return i;
		if (worst == count)
			worst = i;
	}
	return worst;
}

static void delivered(void *owner, enum status st)
{
	struct smtp_session *s = owner;
	struct smtp_transaction *t = &s->transaction;
	bool late = smtp_session_enter(s);
	unsigned worst = st == ST_OK ? worst_result(s) : t->envelope.recipient_count;

	t->delivering = false;
	s->machine.wants = MACHINE_READ;
	if (worst < t->envelope.recipient_count) {
		const char *who = arena_strdup(&t->arena, t->envelope.recipients[worst].address);

		smtp_transaction_refuse(s, smtp_reply_delivery(s, t->delivery.results[worst]), who);
	} else if (st != ST_OK) {
		smtp_transaction_refuse(s, smtp_reply_delivery(s, st), NULL);
	} else {
		smtp_transaction_stored(s, false);
	}
	smtp_session_leave(s, late);
}

bool smtp_transaction_wanted(const struct smtp_transaction *t)
{
	for (unsigned i = 0; i < t->envelope.recipient_count; i++)
		if (!t->envelope.recipients[i].discard)
			return true;
	return false;
}

void smtp_transaction_deliver(struct smtp_session *s)
{
	struct smtp_transaction *t = &s->transaction;
	struct mailbox_provider *p = s->machine.mailboxes;

	t->delivery = (struct delivery){
		.facts = &s->machine.facts, .envelope = &t->envelope, .message = t->message,
		.results = arena_alloc(&t->arena, t->envelope.recipient_count * sizeof(enum status)),
		.uids = arena_alloc(&t->arena, t->envelope.recipient_count * sizeof(uint64_t)),
		.done = delivered, .owner = s,
	};
	t->delivering = true;
	s->machine.wants = MACHINE_WAIT;
	p->ops->deliver(p, &t->delivery);
}

/* Rules that are checked when all octets are there. */
static void check_whole(struct smtp_session *s)
{
	struct smtp_transaction *t = &s->transaction;
	uint32_t max = s->settings->max_text_line_octets;

	if (!t->header.over)
		check_header(s);
	if (t->dots.lines.bare)
		smtp_transaction_fail(t, 550, "5.6.0", bare_text);
	if (max && (uint64_t)t->dots.lines.longest + 2 > max)
		smtp_transaction_fail(t, 554, "5.6.0", "A line of the message is too long");
}

void smtp_transaction_finish(struct smtp_session *s)
{
	struct smtp_transaction *t = &s->transaction;

	if (!t->failure.code && !t->begun)
		begin_message(s, buf_len(&t->first_line) > 0);
	check_whole(s);
	machine_observe(&s->machine, EVENT_DATA, slice_from(t->id), smtp_session_state_name(s), NULL,
	                t->octets);
	if (t->failure.code) {
		smtp_transaction_refuse(s, t->failure, NULL);
		return;
	}
	smtp_judge_message(s);
}
