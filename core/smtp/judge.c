/* accept_message, accept_delivery, on_accept.
 *
 * One answer stands for all recipients (RFC 5321, 4.1.1.4), so a recipient who is refused here refuses
 * the whole mail, before anybody has it; a permanent reason goes before a temporary one. */
#include "smtp/judge.h"

#include "base/log.h"
#include "hook/message_header.h"
#include "smtp/reply.h"

/* What accept_delivery said so far. */
struct smtp_judgement {
	unsigned            at;               /* the recipient at hand */
	bool                running;          /* the loop over them */
	struct smtp_failure refusal;          /* of the recipient who decides */
	const char         *recipient;
	char                reply_id[REASON_ID + 1];       /* of the reply that says so, or "" */
};

static void log_refused(struct smtp_session *s, const struct verdict *v)
{
	struct smtp_transaction *t = &s->transaction;

	log_info("message refused", "session", s->machine.facts.id, "id", t->id,
	         "from", arena_strdup(&t->arena, t->envelope.sender),
	         "status", v->status, "text", v->text, "by", v->by,
	         "where", v->where[0] ? v->where : NULL, NULL);
}

/* The verdict refuses the whole message: say so and forget it. */
static bool refused(struct smtp_session *s, const struct verdict *v)
{
	if (!smtp_reply_refused(s, v))
		return false;
	log_refused(s, v);
	smtp_session_reset_transaction(s);
	return true;
}

static void ask(struct smtp_session *s, enum hook hook, unsigned recipient, smtp_answered_fn *answered)
{
	struct question *q = machine_question(&s->machine);

	smtp_session_begin(s, hook);
	q->data.envelope = &s->transaction.envelope;
	q->data.message = s->transaction.message;
	q->data.recipient = recipient;
	smtp_session_ask(s, answered);
}

/* ---- before the last step ---- */

static void go_ahead(struct smtp_session *s, const struct verdict *v)
{
	if (!refused(s, v))
		smtp_transaction_deliver(s);
}

static void all_judged(struct smtp_session *s)
{
	struct smtp_transaction *t = &s->transaction;

	if (t->judgement && t->judgement->refusal.code) {
		s->reply_id = t->judgement->reply_id;
		smtp_transaction_refuse(s, t->judgement->refusal, t->judgement->recipient);
		s->reply_id = NULL;
	} else if (!smtp_transaction_wanted(t)) {
		smtp_transaction_stored(s, true);
	} else if (machine_asks(&s->machine, HOOK_ON_ACCEPT)) {
		ask(s, HOOK_ON_ACCEPT, 0, go_ahead);
	} else {
		smtp_transaction_deliver(s);
	}
}

/* ---- one recipient after the other ---- */

static void keep_refusal(struct smtp_session *s, const struct verdict *v)
{
	struct smtp_transaction *t = &s->transaction;
	struct smtp_failure f;
	int before = t->judgement->refusal.code;

	if (!smtp_reply_refusal(s, v, &f) || before >= 500 || (before && f.code < 500))
		return;
	log_refused(s, v);
	/* The question's words are gone with the next question. */
	f.status = arena_strdup(&t->arena, slice_from(f.status));
	f.text = arena_strdup(&t->arena, slice_from(f.text));
	if (!machine_explain(&s->machine, v, slice_from(f.text), smtp_session_state_name(s), true,
	                     t->judgement->reply_id))
		t->judgement->reply_id[0] = '\0';
	t->judgement->refusal = f;
	t->judgement->recipient = arena_strdup(&t->arena, t->envelope.recipients[t->judgement->at].address);
}

/* Another mailbox; one that gets the message anyway gets one copy. */
static void file_into(struct smtp_transaction *t, const char *mailbox)
{
	struct envelope_recipient *r = &t->envelope.recipients[t->judgement->at];

	r->mailbox = arena_copy(&t->arena, slice_from(mailbox));
	for (unsigned i = 0; i < t->envelope.recipient_count; i++)
		if (i != t->judgement->at && !t->envelope.recipients[i].discard &&
		    slice_eq(t->envelope.recipients[i].mailbox, r->mailbox))
			r->discard = true;
}

static void ask_recipients(struct smtp_session *s);

static void recipient_judged(struct smtp_session *s, const struct verdict *v)
{
	struct smtp_transaction *t = &s->transaction;
	const struct recipient_target *target = machine_question(&s->machine)->targets;

	if (v->kind == VERDICT_DISCONNECT) {
		(void)refused(s, v);
		return;
	}
	if (v->kind == VERDICT_DISCARD)
		t->envelope.recipients[t->judgement->at].discard = true;
	else if (v->kind == VERDICT_ACCEPT && target)
		file_into(t, target->mailbox);
	else
		keep_refusal(s, v);
	t->judgement->at++;
	if (!t->judgement->running)
		ask_recipients(s);
}

/* A loop, for a thousand of them may be answered at once. */
static void ask_recipients(struct smtp_session *s)
{
	struct smtp_transaction *t = &s->transaction;

	t->judgement->running = true;
	while (t->judgement->at < t->envelope.recipient_count) {
		unsigned at = t->judgement->at;

		if (t->envelope.recipients[at].discard) {
			t->judgement->at++;
			continue;
		}
		ask(s, HOOK_ACCEPT_DELIVERY, at, recipient_judged);
		if (s->state == SMTP_CLOSED)
			return;
		if (t->judgement->at == at) {
			t->judgement->running = false;           /* the answer is on its way */
			return;
		}
	}
	t->judgement->running = false;
	all_judged(s);
}

/* ---- the whole message ---- */

static void judged(struct smtp_session *s, const struct verdict *v)
{
	struct smtp_transaction *t = &s->transaction;

	s->state = SMTP_IDLE;
	if (refused(s, v))
		return;
	if (v->kind == VERDICT_DISCARD || t->discard || !smtp_transaction_wanted(t)) {
		smtp_transaction_stored(s, true);
		return;
	}
	enum status st = message_header_apply(t->message);

	if (st != ST_OK) {
		smtp_transaction_spool_failed(s, st);
		smtp_transaction_refuse(s, t->failure, NULL);
	} else if (machine_asks(&s->machine, HOOK_ACCEPT_DELIVERY)) {
		t->judgement = arena_alloc(&t->arena, sizeof(*t->judgement));
		ask_recipients(s);
	} else {
		all_judged(s);
	}
}

void smtp_judge_message(struct smtp_session *s)
{
	ask(s, HOOK_ACCEPT_MESSAGE, 0, judged);
}
