/* What both protocol machines have in common. */
#include "hook/machine.h"

void machine_init(struct machine *m, const struct machine_ops *ops, const struct machine_setup *setup)
{
	*m = (struct machine){
		.ops = ops,
		.wants = MACHINE_READ,
		.facts = setup->facts,
		.mailboxes = setup->mailboxes,
		.observer = setup->observer,
		.host = setup->host,
		.host_changed = setup->host_changed,
		.channel_binding = setup->channel_binding,
		.tls_available = setup->tls_available,
	};
	buf_init(&m->out, 0);
	question_init(&m->question, setup->policy, &m->facts, m);
}

void machine_clear(struct machine *m)
{
	question_clear(&m->question);
	facts_clear(&m->facts);
	buf_free(&m->out);
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
