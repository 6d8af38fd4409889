/* Rows are found by name: workers register the same hooks in the same order, but for those of an
 * older configuration. */
#include "server/figures.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

static const char *const names[] = {
#define X(name) #name,
	SCRIPT_HOOK_NUMBERS(X)
#undef X
};

static unsigned count_of(const struct figures *f)
{
	unsigned count = atomic_load(&f->count);

	return count < FIGURES_ROWS ? count : FIGURES_ROWS;
}

/* The row of that name, made when it is not there; -1: the table is full. */
static int find_row(struct figures *f, const char *plugin, const char *hook)
{
	unsigned count = count_of(f);
	struct figures_row *row;

	for (unsigned i = 0; i < count; i++) {
		row = &f->rows[i];
		if (strncmp(row->plugin, plugin, FIGURES_NAME - 1) == 0 &&
		    strncmp(row->hook, hook, FIGURES_NAME - 1) == 0)
			return (int)i;
	}
	if (count == FIGURES_ROWS)
		return -1;
	row = &f->rows[count];
	snprintf(row->plugin, sizeof(row->plugin), "%.*s", FIGURES_NAME - 1, plugin);
	snprintf(row->hook, sizeof(row->hook), "%.*s", FIGURES_NAME - 1, hook);
	atomic_store(&f->count, count + 1);
	return (int)count;
}

static void publish(void *owner, struct script_hook_numbers *n)
{
	struct figures *f = owner;
	const uint64_t values[] = {
#define X(name) n->name,
		SCRIPT_HOOK_NUMBERS(X)
#undef X
	};

	if (!n->changed)
		return;
	n->changed = false;
	if (n->row < 0)
		n->row = find_row(f, n->plugin, n->hook);
	if (n->row < 0) {
		log_debug("no room for the numbers of a hook", "plugin", n->plugin, "hook", n->hook, NULL);
		return;
	}
	struct figures_row *row = &f->rows[n->row];

	for (unsigned i = 0; i < FIGURES_VALUES; i++)
		atomic_store_explicit(&row->values[i], values[i], memory_order_relaxed);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		atomic_store_explicit(&row->latency_ns[i], n->latency_ns.counts[i], memory_order_relaxed);
}

void server_figures_publish(struct figures *f, struct script *s)
{
	script_each_hook(s, publish, f);
}

static bool is_gauge(unsigned value)
{
	return strcmp(names[value], "live") == 0 || strcmp(names[value], "paused") == 0;
}

void server_figures_add(struct figures *to, const struct figures *from, bool gauges)
{
	for (unsigned r = 0; r < count_of(from); r++) {
		struct figures_row copy = from->rows[r], *row;
		int at;

		copy.plugin[FIGURES_NAME - 1] = copy.hook[FIGURES_NAME - 1] = '\0';
		at = find_row(to, copy.plugin, copy.hook);
		if (at < 0)
			continue;
		row = &to->rows[at];
		for (unsigned i = 0; i < FIGURES_VALUES; i++)
			if (gauges || !is_gauge(i))
				atomic_fetch_add(&row->values[i], copy.values[i]);
		for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
			atomic_fetch_add(&row->latency_ns[i], copy.latency_ns[i]);
	}
}

void server_figures_clear(struct figures *f)
{
	memset((void *)f->rows, 0, count_of(f) * sizeof(f->rows[0]));
	atomic_store(&f->count, 0);
}

void server_figures_latency(const struct figures_row *row, struct histogram *out)
{
	struct histogram h = { 0 };

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		h.counts[i] = atomic_load_explicit(&row->latency_ns[i], memory_order_relaxed);
		h.total += h.counts[i];
	}
	*out = h;
}
