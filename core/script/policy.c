/* A question goes through the plugins that listen to its hook, one after the other, until one has
 * an opinion; then to the next policy (the directory of the core).  Each plugin's turn is a call
 * of its own (call.h). */
#include "script/policy.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "hook/reason.h"
#include "script/answer.h"
#include "script/arguments.h"
#include "script/breaker.h"
#include "script/ledger.h"
#include "script/lib_hooks.h"
#include "script/plugin.h"
#include "script/state.h"
#include "script/targets.h"

struct asking {
	struct list      link;            /* in script->askings */
	struct script   *script;
	struct question *question;
	struct listener *listener;        /* whose turn it is */
	struct call     *call;            /* NULL while the question is elsewhere */
	struct handle   *lent;            /* message or deletion object in the plugin's hands */
	struct targets  *targets;         /* aliases and redirects being followed */
};

static const uint32_t core_answers = 1u << HOOK_AUTH | 1u << HOOK_SECRET | 1u << HOOK_TOKEN |
                                     1u << HOOK_ACCEPT_RECIPIENT;

static void ask_listener(struct asking *a);

static struct listener *next_listener(struct script *s, const struct question *q,
                                      struct listener *after)
{
	struct list *head = &s->listeners[q->hook];

	for (struct list *link = after ? ledger_next(head, after) : head->next; link != head;
	     link = link->next) {
		struct listener *l = CONTAINER_OF(link, struct listener, link);

		if (listener_wants(l, q->facts))
			return l;
	}
	return NULL;
}

static void free_asking(struct asking *a)
{
	handle_revoke(&a->lent);
	targets_cancel(&a->targets);
	list_remove(&a->link);
	free(a);
}

static void on_cancel(struct question *q)
{
	struct asking *a = q->work;

	q->work = NULL;
	if (a->call)
		call_cancel(a->call);
	free_asking(a);
}

/* ---- endings ---- */

/* The verdict stands. */
static void settle(struct asking *a)
{
	struct question *q = a->question;

	q->work = NULL;
	q->cancel = NULL;
	free_asking(a);
	question_answer(q);
}

/* Nobody here settles it: the next policy does, told by the verdict's kind whether a plugin said
 * yes already. */
static void hand_on(struct script *s, struct question *q)
{
	struct policy *next = s->setup.next_policy;

	if (next && (next->hooks | core_answers) & 1u << q->hook)
		next->ask(next, q);
	else
		question_answer(q);
}

static void pass(struct asking *a)
{
	struct script *s = a->script;
	struct question *q = a->question;

	q->work = NULL;
	q->cancel = NULL;
	free_asking(a);
	hand_on(s, q);
}

/* ---- aliases and redirects ---- */

static void on_targets(void *owner, bool settled)
{
	struct asking *a = owner;

	if (settled)
		settle(a);
	else
		pass(a);
}

/* The recipient has no mailbox yet: plugins may know what it stands for. */
static bool wants_alias(struct script *s, const struct question *q)
{
	return q->hook == HOOK_ACCEPT_RECIPIENT && targets_wanted(s, q);
}

static void pass_or_alias(struct asking *a)
{
	if (wants_alias(a->script, a->question))
		targets_resolve(a->script, a->question, &a->targets, on_targets, a);
	else
		pass(a);
}

static bool needs_resolving(const struct recipient_target *t)
{
	while (t && t->mailbox)
		t = t->next;
	return t != NULL;
}

/* ---- one plugin's turn ---- */

static void set_by(struct verdict *v, const char *name)
{
	size_t len = strnlen(name, sizeof(v->by) - 1);

	memcpy(v->by, name, len);
	v->by[len] = '\0';
}

static int when_returned(lua_State *L, int status, lua_KContext context)
{
	struct asking *a = (struct asking *)context;

	(void)status;
	lua_settop(L, 2);
	answer_read(L, a->question, a->script->setup.config->default_domain);
	return 0;
}

static int run_hook(lua_State *L)
{
	struct asking *a = lua_touserdata(L, 1);
	int arguments;

	lua_settop(L, 0);
	lua_rawgeti(L, LUA_REGISTRYINDEX, a->listener->fn);
	arguments = arguments_push(L, a->question, &a->lent);
	return call_function(L, arguments, 2, when_returned, a);
}

/* A yes with a mailbox is the end of it: nobody asks why, unless told to remember everything. */
static bool wants_reason(const struct asking *a)
{
	const struct policy *p = &a->script->policy;
	const struct question *q = a->question;

	return p->explains && (p->explains_all || q->verdict.kind != VERDICT_ACCEPT || !q->targets);
}

/* Before the verdict is followed: what this plugin said. */
static void keep_reason(struct asking *a, const struct call *c, bool failed)
{
	struct question *q = a->question;
	struct reason r = { .by = plugin_name(a->listener->plugin), .place = a->listener->place,
	                    .where = q->verdict.where, .waits = c ? c->waits.text : "",
	                    .kind = q->verdict.kind, .failed = failed,
	                    .micros = c ? (uint32_t)((c->ended_ns - c->began_ns) / 1000) : 0 };

	memcpy(r.status, q->verdict.status, sizeof(r.status));
	reason_add(q, &r);
}

/* The plugin has spoken, or was not asked. */
static void go_on(struct asking *a)
{
	struct question *q = a->question;

	if (q->verdict.kind == VERDICT_NONE) {
		a->listener = next_listener(a->script, q, a->listener);
		if (a->listener)
			ask_listener(a);
		else
			pass_or_alias(a);
		return;
	}
	set_by(&q->verdict, plugin_name(a->listener->plugin));
	if (q->hook == HOOK_ACCEPT_RECIPIENT && q->verdict.kind == VERDICT_ACCEPT && !q->targets)
		pass_or_alias(a);
	else if (q->hook == HOOK_ACCEPT_RECIPIENT && needs_resolving(q->targets))
		targets_resolve(a->script, q, &a->targets, on_targets, a);
	else
		settle(a);
}

static void on_done(void *owner, enum call_outcome outcome)
{
	struct asking *a = owner;
	const struct call *call = a->call;

	a->call = NULL;
	handle_revoke(&a->lent);
	breaker_tell(a->listener->plugin, outcome == CALL_OK);
	if (outcome != CALL_OK)
		answer_failed(a->question);
	if (wants_reason(a))
		keep_reason(a, call, outcome != CALL_OK);
	go_on(a);
}

static void ask_listener(struct asking *a)
{
	struct listener *l = a->listener;
	bool may_skip = hook_row_of(a->question->hook)->kind != HOOK_KIND_LAST;
	enum breaker_advice advice = breaker_ask(l->plugin, l->hook, may_skip);

	if (advice != BREAKER_CALL) {
		if (advice == BREAKER_TEMPFAIL)
			answer_failed(a->question);
		if (wants_reason(a))
			keep_reason(a, NULL, true);
		go_on(a);
		return;
	}
	a->call = call_new(a->script, l->plugin, l->hook, on_done, a);
	if (!a->call) {
		on_done(a, CALL_FAILED);
		return;
	}
	a->call->session = a->question->facts->id;
	a->call->fn = l->fn;
	call_start(a->call, run_hook);
}

static void ask(struct policy *p, struct question *q)
{
	struct script *s = CONTAINER_OF(p, struct script, policy);
	struct listener *first = next_listener(s, q, NULL);
	struct asking *a;

	if (!first && !wants_alias(s, q)) {
		hand_on(s, q);
		return;
	}
	a = MEM_NEW(struct asking);
	a->script = s;
	a->question = q;
	a->listener = first;
	list_init(&a->link);
	list_append(&s->askings, &a->link);
	q->work = a;
	q->cancel = on_cancel;
	if (first)
		ask_listener(a);
	else
		pass_or_alias(a);
}

void policy_init(struct script *s)
{
	s->policy.ask = ask;
	s->policy.hooks = s->setup.next_policy ? s->setup.next_policy->hooks : 0;
	for (unsigned h = 0; h < HOOK__COUNT; h++)
		if (!list_empty(&s->listeners[h]))
			s->policy.hooks |= 1u << h;
}

void policy_stop(struct script *s)
{
	LIST_EACH(&s->askings, link) {
		struct asking *a = CONTAINER_OF(link, struct asking, link);

		question_cancel(a->question);
	}
}
