/* Numbers of plugins' hooks in shared memory: one table per worker, written by it alone, and one of
 * the workers that are gone.  A broken worker can spoil nothing but numbers: what is read here is
 * never trusted to be text of a certain length or a number within bounds. */
#ifndef MOONPOST_SERVER_FIGURES_H
#define MOONPOST_SERVER_FIGURES_H

#include <stdatomic.h>

#include "base/histogram.h"
#include "script/script.h"

enum {
	FIGURES_ROWS = 256,               /* pairs of plugin and hook that are shown */
	FIGURES_NAME = 32,                /* octets of a name, longer ones are cut */
#define X(name) + 1
	FIGURES_VALUES = 0 SCRIPT_HOOK_NUMBERS(X),
#undef X
};

struct figures_row {
	char             plugin[FIGURES_NAME], hook[FIGURES_NAME];
	_Atomic uint64_t values[FIGURES_VALUES];       /* in the order of SCRIPT_HOOK_NUMBERS */
	_Atomic uint32_t latency_ns[HISTOGRAM_BUCKETS];
};

struct figures {
	_Atomic unsigned   count;
	struct figures_row rows[FIGURES_ROWS];
};

/* In a worker: everything that changed since the last time. */
void server_figures_publish(struct figures *f, struct script *s);

/* Add the rows by name.  gauges: also what is true now only (calls alive, plugins paused). */
void server_figures_add(struct figures *to, const struct figures *from, bool gauges);

void server_figures_clear(struct figures *f);

/* A row of a sum that nobody else writes. */
void server_figures_latency(const struct figures_row *row, struct histogram *out);

#endif
