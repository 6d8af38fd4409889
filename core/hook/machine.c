/* What both protocol machines have in common. */
#include "hook/machine.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/random.h"
#include "hook/login.h"

void machine_init(struct machine *m, const struct machine_ops *ops, const struct machine_setup *setup)
{
	*m = (struct machine){
		.ops = ops,
		.wants = MACHINE_READ,
		.facts = setup->facts,
		.policy = setup->policy,
		.mailboxes = setup->mailboxes,
		.observer = setup->observer,
		.host = setup->host,
		.host_changed = setup->host_changed,
		.channel_binding = setup->channel_binding,
		.tls_available = setup->tls_available,
		.sends_files = setup->sends_files,
	};
	buf_init(&m->out, 0);
}

static void free_question(struct machine *m)
{
	if (m->question)
		question_clear(m->question);
	free(m->question);
	m->question = NULL;
}

void machine_clear(struct machine *m)
{
	free_question(m);
	facts_clear(&m->facts);
	buf_free(&m->out);
}

struct question *machine_question(struct machine *m)
{
	if (!m->question) {
		m->question = mem_resize(NULL, sizeof(*m->question));
		question_init(m->question, m->policy, &m->facts, m);
	}
	return m->question;
}

void machine_rest(struct machine *m)
{
	if (m->wants != MACHINE_READ || (m->login && m->login->exchange))
		return;
	if (m->question && !m->question->waiting)
		free_question(m);
	buf_shrink(&m->out);
}

void machine_observe(struct machine *m, enum event_kind kind, struct slice line, const char *state,
                     const struct verdict *verdict, uint64_t octets)
{
	if (!m->observer)
		return;
	if ((kind == EVENT_COMMAND || kind == EVENT_REPLY) && !m->observer->wants_lines)
		return;
	struct event e = {
		.kind = kind, .facts = &m->facts, .line = line, .state = state,
		.verdict = verdict, .octets = octets,
	};

	m->observer->event(m->observer, &e);
}

void machine_observe_stored(struct machine *m, struct slice mailbox, uint64_t uid, uint64_t octets,
                            const char *state)
{
	struct event e = {
		.kind = EVENT_STORED, .facts = &m->facts, .line = mailbox, .state = state,
		.octets = octets, .uid = uid,
	};

	if (m->observer)
		m->observer->event(m->observer, &e);
}

bool machine_explain(struct machine *m, const struct verdict *v, struct slice line, const char *state,
                     bool refusal, char id[REASON_ID + 1])
{
	struct observer *o = m->observer;
	bool asked = m->question && v == &m->question->verdict;

	id[0] = '\0';
	if (!o || !o->explain || (o->reply_ids != REPLY_IDS_ALL && !(refusal && v)))
		return false;
	random_id(id, REASON_ID);
	o->explain(o, &(struct explained){ .id = id, .facts = &m->facts, .line = line, .state = state,
	                                   .verdict = v, .question = asked ? m->question : NULL });
	return o->reply_ids != REPLY_IDS_NONE;
}
