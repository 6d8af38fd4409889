/* DATA (RFC 5321, 4.1.1.4) and BDAT (RFC 3030): the octets of the message.
 *
 * Whatever is wrong with a message, its octets are read to their end before the reply, and the
 * session goes on with the next command. */
#include <inttypes.h>

#include "smtp/commands.h"
#include "smtp/reply.h"

/* Why there is nobody to send to.  RFC 5321, 3.3 and RFC 2920, 3.1: a client that pipelined gets
 * 554 when all its recipients were refused. */
static struct smtp_failure no_recipients(const struct smtp_session *s)
{
	if (s->state == SMTP_MAIL && s->transaction.refused)
		return (struct smtp_failure){ 554, "5.5.1", "No valid recipients" };
	if (s->state == SMTP_MAIL)
		return (struct smtp_failure){ 503, "5.5.1", "Say RCPT TO first" };
	return (struct smtp_failure){ 503, "5.5.1", "Say MAIL FROM and RCPT TO first" };
}

static void ask(struct smtp_session *s, smtp_answered_fn *answered)
{
	struct question *q = machine_question(&s->machine);

	smtp_session_begin(s, HOOK_ACCEPT_DATA);
	q->data.envelope = &s->transaction.envelope;
	q->data.message = NULL;
	smtp_session_ask(s, answered);
}

/* ---- DATA ---- */

static void data_permitted(struct smtp_session *s, const struct verdict *v)
{
	if (smtp_reply_refused(s, v)) {
		smtp_session_reset_transaction(s);
		return;
	}
	s->transaction.discard |= v->kind == VERDICT_DISCARD;
	smtp_transaction_begin(s);
	s->state = SMTP_DATA;
	s->input = INPUT_DATA;
	smtp_reply(s, 354, NULL, "End data with <CR><LF>.<CR><LF>");
}

/* data = "DATA" CRLF */
void smtp_cmd_data(struct smtp_session *s, struct slice args)
{
	(void)args;
	if (s->state == SMTP_RCPT) {
		ask(s, data_permitted);
		return;
	}
	struct smtp_failure f = no_recipients(s);

	smtp_reply(s, f.code, f.status, "%s", f.text);
}

void smtp_cmd_data_octets(struct smtp_session *s, struct slice *in)
{
	struct slice text;
	enum status st = ST_OK;

	while (in->len > 0 && st != ST_END) {
		st = dots_read(&s->transaction.dots, in, &text);
		smtp_transaction_take(s, text);
	}
	if (st == ST_END) {
		s->input = INPUT_COMMAND;
		smtp_transaction_finish(s);
	}
}

/* ---- BDAT ---- */

static const struct smtp_failure syntax = { 501, "5.5.4", "Syntax: BDAT octets [LAST]" };

static void say_failure(struct smtp_session *s, const struct smtp_failure *f)
{
	smtp_reply(s, f->code, f->status, "%s", f->text);
}

/* A text message ends with a line end; a client that forgot it gets one, so that what is stored
 * and what POP3 sends have the same size. */
static void complete_last_line(struct smtp_session *s)
{
	struct scan_lines *l = &s->transaction.dots.lines;

	l->bare |= l->after_cr;
	if (!l->at_start && !s->transaction.failure.code)
		smtp_transaction_take(s, SLICE("\r\n"));
}

/* After the failure of a chunk all that follow get the same answer (so that a temporary reason
 * stays temporary for a client that pipelined them) until LAST, RSET or EHLO. */
static void chunk_ended(struct smtp_session *s)
{
	struct smtp_transaction *t = &s->transaction;

	s->input = INPUT_COMMAND;
	if (t->chunk_refused) {
		struct smtp_failure f = no_recipients(s);

		t->chunk_refused = false;
		say_failure(s, &f);
	} else if (t->chunk_last) {
		s->state = SMTP_DATA;
		complete_last_line(s);
		smtp_transaction_finish(s);
	} else if (t->failure.code) {
		say_failure(s, &t->failure);
	} else {
		smtp_reply(s, 250, "2.0.0", "Ok: %" PRIu64 " octets so far", t->octets);
	}
}

void smtp_cmd_data_chunk(struct smtp_session *s, struct slice *in)
{
	struct smtp_transaction *t = &s->transaction;
	struct slice octets = slice_head(*in, t->chunk_left < in->len ? (size_t)t->chunk_left : in->len);

	*in = slice_skip(*in, octets.len);
	t->chunk_left -= octets.len;
	if (!t->chunk_refused && !t->failure.code) {
		smtp_session_progressed(s);
		smtp_transaction_watch_lines(s, octets);
		smtp_transaction_take(s, octets);
	}
	if (t->chunk_left == 0)
		chunk_ended(s);
}

static void start_chunk(struct smtp_session *s)
{
	struct smtp_transaction *t = &s->transaction;

	if (!t->chunk_refused)
		s->state = SMTP_BDAT;
	s->input = INPUT_CHUNK;
	if (t->chunk_left == 0)
		chunk_ended(s);
}

static void chunks_permitted(struct smtp_session *s, const struct verdict *v)
{
	struct smtp_transaction *t = &s->transaction;
	struct smtp_failure refusal;

	if (v->kind == VERDICT_DISCONNECT) {
		smtp_reply_refused(s, v);
		return;
	}
	t->discard |= v->kind == VERDICT_DISCARD;
	smtp_transaction_begin(s);
	if (smtp_reply_refusal(s, v, &refusal))
		smtp_transaction_fail(t, refusal.code, arena_strdup(&t->arena, slice_from(refusal.status)),
		                      arena_strdup(&t->arena, slice_from(refusal.text)));
	start_chunk(s);
}

/* A chunk of which it is not certain what the client meant: the message would lack it, so none may
 * come of it. */
static void spoil(struct smtp_session *s, struct smtp_failure f)
{
	if (s->state == SMTP_RCPT)
		smtp_transaction_begin(s);
	if (s->state & (SMTP_RCPT | SMTP_BDAT)) {
		s->state = SMTP_BDAT;
		smtp_transaction_fail(&s->transaction, f.code, f.status, f.text);
	}
}

void smtp_cmd_bdat_refused(struct smtp_session *s, struct slice args, struct smtp_failure f)
{
	struct arena *a = &s->transaction.arena;

	f.status = arena_strdup(a, slice_from(f.status));
	f.text = arena_strdup(a, slice_from(f.text));
	spoil(s, f);
	smtp_cmd_bdat(s, args);
}

/* bdat-cmd = "BDAT" SP chunk-size [ SP "LAST" ] CRLF ; chunk-size = 1*DIGIT   RFC 3030, 2
 * The chunk follows whatever we think of the command: it is read in any case. */
void smtp_cmd_bdat(struct smtp_session *s, struct slice args)
{
	struct smtp_transaction *t = &s->transaction;
	size_t blank = slice_find(args, ' ');
	struct slice last = slice_trim(slice_skip(args, blank));
	enum status st = slice_to_u64(slice_head(args, blank), &t->chunk_left);

	if (st == ST_TOOBIG) {
		smtp_reply(s, 421, "4.3.4", "%s A chunk of that size cannot even be skipped, closing",
		           s->settings->hostname);
		return;
	}
	t->chunk_last = slice_ieq(last, SLICE("LAST"));
	if (st != ST_OK || (last.len && !t->chunk_last))
		spoil(s, syntax);
	if (st != ST_OK) {
		say_failure(s, &syntax);
		return;
	}
	t->chunk_refused = !(s->state & (SMTP_RCPT | SMTP_BDAT));
	if (s->state == SMTP_RCPT)
		ask(s, chunks_permitted);
	else
		start_chunk(s);
}
