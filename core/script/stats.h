/* What hooks cost and how they end, counted per plugin and hook in this worker.  Plain numbers that
 * a call adds to when it ends; who publishes them reads them with script_each_hook (script.h). */
#ifndef MOONPOST_SCRIPT_STATS_H
#define MOONPOST_SCRIPT_STATS_H

#include "script/call.h"
#include "script/script.h"

struct plugin;

struct stats {
	struct list                link;      /* in plugin->stats */
	struct script_hook_numbers numbers;
};

/* Of the plugin's hook, a static text; made when it is asked for first. */
struct stats *stats_of(struct plugin *p, const char *hook);
struct list *stats_list(struct plugin *p);        /* of all generations of its code */
void stats_free(struct plugin *p);

/* The call is over (no child); now: clock_ns(). */
void stats_add(const struct call *c, enum call_outcome outcome, uint64_t now);

#endif
