/* The usual case, a plugin that works, costs a look at a flag and a number. */
#include "script/breaker.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "script/plugin.h"
#include "script/state.h"
#include "script/stats.h"

static void set_open(struct plugin *p, bool open)
{
	p->breaker.open = open;
	LIST_EACH(stats_list(p), link) {
		struct script_hook_numbers *n = &CONTAINER_OF(link, struct stats, link)->numbers;

		n->paused = open;
		n->changed = true;
	}
}

void breaker_reset(struct plugin *p)
{
	set_open(p, false);
}

enum breaker_advice breaker_ask(struct plugin *p, const char *hook, bool may_skip)
{
	struct script_hook_numbers *n;
	uint64_t now;

	if (!p->breaker.open)
		return BREAKER_CALL;
	now = clock_ms();
	if (now >= p->breaker.next_ms) {
		/* Whatever becomes of this call, the next one comes after another pause. */
		p->breaker.next_ms = now + p->script->setup.config->lua.breaker_pause_ms;
		return BREAKER_CALL;
	}
	n = &stats_of(p, hook)->numbers;
	n->skipped++;
	n->paused = n->changed = true;
	return may_skip && p->config->on_failure == CONFIG_ON_FAILURE_SKIP ? BREAKER_SKIP
	                                                                    : BREAKER_TEMPFAIL;
}

static void tell_good(struct plugin *p)
{
	struct breaker *b = &p->breaker;

	b->good += b->failures > 0;
	if (!b->open)
		return;
	set_open(p, false);
	b->failures = b->good = 0;
	log_notice("plugin works again and is called as usual", "plugin", p->name, NULL);
}

static void tell_bad(struct plugin *p)
{
	const struct config *c = p->script->setup.config;
	struct breaker *b = &p->breaker;
	uint64_t now = clock_ms();

	if (c->lua.breaker_failures == 0 || b->open || p->withdrawn)
		return;
	if (b->failures == 0 || now - b->window_ms > c->lua.breaker_window_ms) {
		b->failures = b->good = 0;
		b->window_ms = now;
	}
	b->failures++;
	if (b->failures < c->lua.breaker_failures || b->failures < b->good)
		return;
	set_open(p, true);
	b->next_ms = now + c->lua.breaker_pause_ms;
	log_error("plugin fails too often and is left alone for a while (lua.breaker_failures)", "plugin",
	          p->name, "failures", log_u64(b->failures), "pause_ms",
	          log_u64(c->lua.breaker_pause_ms), "meanwhile",
	          p->config->on_failure == CONFIG_ON_FAILURE_SKIP ? "skip" : "tempfail", NULL);
}

void breaker_tell(struct plugin *p, bool good)
{
	if (!good)
		tell_bad(p);
	else if (p->breaker.failures)
		tell_good(p);
}
