/* No system call on the way into Lua and out of it: two looks at the clock for each turn.  Inside of
 * its turns a call computes, between them it waits. */
#include "script/stats.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "script/plugin.h"
#include "script/state.h"

struct list *stats_list(struct plugin *p)
{
	return p->ancestor ? &p->ancestor->stats : &p->stats;
}

struct stats *stats_of(struct plugin *p, const char *hook)
{
	struct stats *st;

	LIST_EACH(stats_list(p), link) {
		st = CONTAINER_OF(link, struct stats, link);
		if (st->numbers.hook == hook || strcmp(st->numbers.hook, hook) == 0)
			return st;
	}
	st = MEM_NEW(struct stats);
	st->numbers.plugin = p->name;
	st->numbers.hook = hook;
	st->numbers.row = -1;
	st->numbers.changed = true;
	list_append(stats_list(p), &st->link);
	return st;
}

void stats_free(struct plugin *p)
{
	for (struct list *link; (link = list_shift(&p->stats)) != NULL;)
		free(CONTAINER_OF(link, struct stats, link));
}

void stats_add(const struct call *c, enum call_outcome outcome, uint64_t now)
{
	struct script_hook_numbers *n = &c->stats->numbers;
	uint64_t took = c->began_ns ? now - c->began_ns : 0;

	n->errors += outcome == CALL_FAILED;
	n->timeouts += outcome == CALL_TIMEOUT;
	n->cpu_ns += c->cpu_ns;
	n->wait_ns += took > c->cpu_ns ? took - c->cpu_ns : 0;
	histogram_add(&n->latency_ns, took);
}

void script_each_hook(struct script *s, script_hook_fn *fn, void *owner)
{
	LIST_EACH(&s->plugins, plugin) {
		struct plugin *p = CONTAINER_OF(plugin, struct plugin, link);

		LIST_EACH(stats_list(p), link)
			fn(owner, &CONTAINER_OF(link, struct stats, link)->numbers);
	}
}
