/* The life of a question: begin, ask, answer or cancel. */
#include "hook/question.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "hook/reason.h"

static const struct { const char *name, *status; } hooks[] = {
#define X(symbol, lua, status) { lua, status },
	HOOK_LIST(X)
#undef X
};

/* Hooks that the core answers itself when no plugin has an opinion. */
static const uint32_t always_asked = 1u << HOOK_AUTH | 1u << HOOK_SECRET | 1u << HOOK_TOKEN |
                                     1u << HOOK_ACCEPT_RECIPIENT;

const char *hook_name(enum hook h)
{
	return hooks[h].name;
}

const char *hook_status(enum hook h)
{
	return hooks[h].status;
}

void question_init(struct question *q, struct policy *p, struct facts *f, void *owner)
{
	*q = (struct question){ .policy = p, .facts = f, .owner = owner };
	arena_init(&q->arena);
}

static void forget_answer(struct question *q)
{
	identity_clear(&q->identity);
	if (q->hook == HOOK_SECRET || q->hook == HOOK_CERTIFICATE)
		arena_wipe(&q->arena);
	else
		arena_reset(&q->arena);
	q->targets = NULL;
	q->reasons = q->last_reason = NULL;
	q->about = NULL;
	q->address = q->certificate.chain = q->certificate.key = SLICE_NONE;
	memset(&q->secret, 0, sizeof(q->secret));
}

void question_begin(struct question *q, enum hook h, question_answered_fn *answered)
{
	if (q->waiting)
		die("question %s begun while %s is in flight", hook_name(h), hook_name(q->hook));
	forget_answer(q);
	q->hook = h;
	q->answered = answered;
	q->cancel = NULL;
	q->work = NULL;
	q->verdict.kind = VERDICT_NONE;
	q->verdict.status[0] = q->verdict.text[0] = q->verdict.where[0] = '\0';
	q->verdict.delay_ms = q->verdict.micros = 0;
	memcpy(q->verdict.by, "core", sizeof("core"));
}

void question_ask(struct question *q)
{
	q->generation++;
	q->waiting = true;
	if (!q->policy || !((q->policy->hooks | always_asked) & 1u << q->hook)) {
		question_answer(q);
		return;
	}
	q->started_us = clock_us();
	q->policy->ask(q->policy, q);
}

void question_answer(struct question *q)
{
	if (!q->waiting)
		die("question %s answered twice", hook_name(q->hook));
	if (q->started_us)
		q->verdict.micros = (uint32_t)(clock_us() - q->started_us);
	q->started_us = 0;
	q->waiting = false;
	q->cancel = NULL;
	if (q->policy && q->policy->explains &&
	    (q->policy->explains_all || q->verdict.kind != VERDICT_ACCEPT))
		reason_describe(q);
	q->answered(q->owner, q);
}

void question_cancel(struct question *q)
{
	if (!q || !q->waiting)
		return;
	q->waiting = false;
	q->started_us = 0;
	q->generation++;
	if (q->cancel)
		q->cancel(q);
	q->cancel = NULL;
}

void question_clear(struct question *q)
{
	question_cancel(q);
	forget_answer(q);
}
