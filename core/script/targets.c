/* A list of addresses that is worked off: each is asked for an alias, which puts others in its place,
 * then resolved by the next policy.  An address is asked for its alias once, so that circles end and
 * "alice" may be an alias for alice and somebody else. */
#include "script/targets.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "script/plugin.h"
#include "script/state.h"

struct seen { struct seen *next; struct slice address; };

struct targets {
	struct targets         **place;
	struct script           *script;
	struct question         *question;
	struct question          inner;
	targets_done_fn         *done;
	void                    *owner;
	struct recipient_target *unresolved;
	struct recipient_target **tail;   /* of question->targets */
	struct seen             *seen;
	unsigned                 count;
	bool                     waiting, running, over, settled, discarded;
};

static void run(struct targets *t);

bool targets_wanted(struct script *s, const struct question *q)
{
	LIST_EACH(&s->listeners[HOOK_ALIAS], link)
		if (listener_wants(CONTAINER_OF(link, struct listener, link), q->facts))
			return true;
	return false;
}

static void free_targets(struct targets *t)
{
	question_clear(&t->inner);
	free(t);
}

void targets_cancel(struct targets **place)
{
	if (*place)
		free_targets(*place);
	*place = NULL;
}

static void end(struct targets *t, bool settled)
{
	t->over = true;
	t->settled = settled;
}

static void refuse(struct targets *t, enum verdict_kind kind, const char *status, const char *text)
{
	verdict_set(&t->question->verdict, kind, status, "%s", text);
	t->question->targets = NULL;
	end(t, true);
}

/* Whether the address is new here; it is not from now on. */
static bool first_seen(struct targets *t, struct slice address)
{
	struct seen *s;

	for (s = t->seen; s; s = s->next)
		if (slice_eq(s->address, address))
			return false;
	s = arena_alloc(&t->question->arena, sizeof(*s));
	*s = (struct seen){ t->seen, address };
	t->seen = s;
	return true;
}

/* ---- answers ---- */

static void take_mailbox(struct targets *t, const char *mailbox, const char *address)
{
	struct arena *a = &t->question->arena;
	struct recipient_target *target = arena_alloc(a, sizeof(*target));

	target->mailbox = arena_strdup(a, slice_from(mailbox));
	target->address = arena_strdup(a, slice_from(address));
	*t->tail = target;
	t->tail = &target->next;
}

/* The directory's word for the first unresolved address. */
static void on_resolved(void *owner, struct question *inner)
{
	struct targets *t = owner;
	bool for_now = inner->verdict.kind == VERDICT_TEMPFAIL;

	t->waiting = false;
	if (inner->verdict.kind == VERDICT_ACCEPT && inner->targets) {
		for (struct recipient_target *r = inner->targets; r; r = r->next)
			take_mailbox(t, r->mailbox, r->address);
		t->unresolved = t->unresolved->next;
	} else {
		log_warn("the target of a redirect is refused", "plugin", t->question->verdict.by, "target",
		         t->unresolved->address, "session", t->question->facts->id, "text",
		         inner->verdict.text, NULL);
		refuse(t, for_now ? VERDICT_TEMPFAIL : VERDICT_REJECT, for_now ? "4.2.1" : "5.2.1",
		       "This address is redirected to one that cannot receive");
	}
	run(t);
}

/* Put the addresses of an alias in front of what is left. */
static void take_alias(struct targets *t, const struct recipient_target *r)
{
	struct arena *a = &t->question->arena;
	struct recipient_target **at = &t->unresolved;

	for (; r; r = r->next) {
		struct recipient_target *copy = arena_alloc(a, sizeof(*copy));

		if (++t->count > TARGETS_MAX) {
			log_warn("an alias has too many targets", "plugin", t->question->verdict.by, "session",
			         t->question->facts->id, NULL);
			refuse(t, VERDICT_REJECT, "5.5.3", "The alias has too many recipients");
			return;
		}
		copy->address = arena_strdup(a, slice_from(r->address));
		copy->next = *at;
		*at = copy;
		at = &copy->next;
	}
}

static void copy_verdict(struct targets *t, const struct verdict *v)
{
	uint32_t delay = t->question->verdict.delay_ms;

	t->question->verdict = *v;
	t->question->verdict.delay_ms += delay;
}

/* What plugins say the address stands for: the recipient itself while there is no list. */
static void on_alias(void *owner, struct question *inner)
{
	struct targets *t = owner;
	bool itself = t->unresolved == NULL;

	t->waiting = false;
	switch (inner->verdict.kind) {
	case VERDICT_NONE:
		if (itself)
			end(t, false);
		break;                            /* the directory is next, for it was seen now */
	case VERDICT_ACCEPT:
		if (itself)
			copy_verdict(t, &inner->verdict);
		else
			t->unresolved = t->unresolved->next;
		take_alias(t, inner->targets);
		break;
	case VERDICT_DISCARD:
		t->discarded = true;
		if (itself)
			copy_verdict(t, &inner->verdict);
		else
			t->unresolved = t->unresolved->next;
		break;
	default:
		copy_verdict(t, &inner->verdict);
		t->question->targets = NULL;
		end(t, true);
	}
	run(t);
}

/* ---- asking ---- */

static struct question *begin(struct targets *t, enum hook hook)
{
	struct question *q = &t->inner;

	q->policy = hook == HOOK_ALIAS ? &t->script->policy : t->script->setup.next_policy;
	question_begin(q, hook, hook == HOOK_ALIAS ? on_alias : on_resolved);
	return q;
}

static void ask(struct targets *t)
{
	t->waiting = true;
	question_ask(&t->inner);
}

static void ask_next(struct targets *t)
{
	struct arena *a = &t->question->arena;
	struct address_parts parts;
	struct question *q;
	bool alias = targets_wanted(t->script, t->question);

	if (address_parse_mailbox(slice_from(t->unresolved->address), ADDRESS_UTF8, a, &parts) != ST_OK) {
		verdict_set(&t->inner.verdict, VERDICT_REJECT, "5.1.3", "not an address");
		t->inner.targets = NULL;
		on_resolved(t, &t->inner);
		return;
	}
	alias = alias && first_seen(t, address_canonical(&parts, a));
	q = begin(t, alias ? HOOK_ALIAS : HOOK_ACCEPT_RECIPIENT);
	q->recipient.address = parts.whole;
	address_split_detail(parts.plain, t->script->setup.config->recipient_delimiter,
	                     &q->recipient.localpart, &q->recipient.detail);
	q->recipient.domain = parts.domain;
	q->recipient.size = t->question->recipient.size;
	ask(t);
}

/* The recipient as it was given; its name in the list of those seen is the canonical one. */
static void ask_itself(struct targets *t)
{
	struct question *q = t->question;
	struct address_parts parts;

	if (address_parse_mailbox(q->recipient.address, ADDRESS_UTF8 | ADDRESS_NO_DOMAIN_OK, &q->arena,
	                          &parts) != ST_OK) {
		end(t, false);
		return;
	}
	(void)first_seen(t, address_canonical(&parts, &q->arena));
	begin(t, HOOK_ALIAS)->recipient = q->recipient;
	ask(t);
}

static void finish(struct targets *t)
{
	targets_done_fn *done = t->done;
	void *owner = t->owner;
	bool settled = t->settled;

	if (settled && !t->question->targets && t->discarded)
		t->question->verdict.kind = VERDICT_DISCARD;
	*t->place = NULL;
	free_targets(t);
	done(owner, settled);
}

/* A loop, for a thousand answers may come at once. */
static void run(struct targets *t)
{
	if (t->running)
		return;
	t->running = true;
	while (!t->waiting && !t->over) {
		if (t->unresolved)
			ask_next(t);
		else
			end(t, true);
	}
	t->running = false;
	if (t->over)
		finish(t);
}

/* Addresses without mailbox are to be resolved, the others are there already. */
static void sort(struct targets *t, struct recipient_target *list)
{
	struct recipient_target **unresolved = &t->unresolved;

	for (struct recipient_target *next; list; list = next) {
		next = list->next;
		list->next = NULL;
		if (list->mailbox) {
			*t->tail = list;
			t->tail = &list->next;
		} else {
			t->count++;
			*unresolved = list;
			unresolved = &list->next;
		}
	}
}

void targets_resolve(struct script *s, struct question *q, struct targets **place,
                     targets_done_fn *done, void *owner)
{
	struct targets *t = MEM_NEW(struct targets);
	struct recipient_target *list = q->targets;

	*place = t;
	t->place = place;
	t->script = s;
	t->question = q;
	t->done = done;
	t->owner = owner;
	t->tail = &q->targets;
	q->targets = NULL;
	question_init(&t->inner, s->setup.next_policy, q->facts, t);
	t->running = true;                    /* an answer that comes at once must not end it here */
	if (list)
		sort(t, list);
	else
		ask_itself(t);
	t->running = false;
	run(t);
}
