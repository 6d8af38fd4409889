/* Once a second: free what has expired in memory, and when a durable entry is due, ask the writer
 * for a sweep.  Sweeps of the writer are short, the next follows while there is more. */
#include "store/dict_service.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/dict_durable.h"
#include "store/dict_memory.h"

enum { TICK_MS = 1000, AGAIN_MS = 20, BUDGET = 20000 };

struct dict_service {
	struct loop        *loop;
	struct store_env   *env;
	struct dict_memory *memory;
	struct timer        timer;
	void              (*submit)(void *owner, struct store_request *r);
	void               *owner;
	bool                sweeping, stopped;
	uint64_t            expired;      /* durable ones */
};

static bool due(struct dict_service *d)
{
	struct store_view v;
	bool yes;

	store_view_init(&v, d->env);
	if (store_view_begin(&v) != ST_OK)
		return false;
	yes = dict_durable_due(&v.tx, clock_wall_us());
	store_view_end(&v);
	store_view_clear(&v);
	return yes;
}

static void on_timer(void *owner)
{
	struct dict_service *d = owner;
	unsigned n = dict_memory_sweep(d->memory, (int64_t)clock_us(), BUDGET);

	timer_start(&d->timer, n == BUDGET ? AGAIN_MS : TICK_MS);
	if (d->sweeping || !due(d))
		return;
	d->sweeping = true;
	d->submit(d->owner, store_request_new(WIRE_DICT_SWEEP, 0));
}

struct dict_service *dict_service_new(struct loop *l, struct store_env *e,
                                      const struct store_settings *s,
                                      void (*submit)(void *owner, struct store_request *r),
                                      void *owner)
{
	struct dict_service *d = MEM_NEW(struct dict_service);

	d->loop = l;
	d->env = e;
	d->memory = dict_memory_new(&s->dict);
	d->submit = submit;
	d->owner = owner;
	timer_init(&d->timer, l, on_timer, d);
	timer_start(&d->timer, TICK_MS);
	return d;
}

void dict_service_free(struct dict_service *d)
{
	if (!d)
		return;
	dict_service_stop(d);
	dict_memory_free(d->memory);
	free(d);
}

bool dict_service_run(struct dict_service *d, struct store_request *r)
{
	const struct dict_query *q = &r->dict->query;

	if (!(q->flags & DICT_DURABLE)) {
		r->status = dict_memory_run(d->memory, q, (int64_t)clock_us(), &r->dict->answer);
		return true;
	}
	/* Workers read what is durable themselves; a bucket is never durable. */
	if (q->op == DICT_GET || q->op == DICT_LIST) {
		r->status = ST_UNSUPPORTED;
		return true;
	}
	return false;
}

void dict_service_swept(struct dict_service *d, struct store_request *r)
{
	d->sweeping = false;
	if (r->status == ST_OK)
		d->expired += r->count;
	if (r->status == ST_OK && r->count && !d->stopped)
		timer_start(&d->timer, AGAIN_MS);
	store_request_free(r);
}

void dict_service_stop(struct dict_service *d)
{
	d->stopped = true;
	timer_stop(&d->timer);
}

bool dict_service_busy(const struct dict_service *d)
{
	return d->sweeping;
}

void dict_service_numbers(struct dict_service *d, struct store_numbers *n)
{
	struct dict_memory_numbers memory;
	struct dict_sum sum = { 0 };
	struct store_view v;

	dict_memory_numbers(d->memory, &memory);
	n->dict_entries = memory.entries;
	n->dict_octets = memory.octets;
	n->dict_evicted = memory.evicted;
	n->dict_expired = memory.expired;
	n->dict_refused = memory.refused;
	store_view_init(&v, d->env);
	if (store_view_begin(&v) == ST_OK) {
		(void)dict_durable_sum(&v.tx, SLICE_NONE, &sum);
		store_view_end(&v);
	}
	store_view_clear(&v);
	n->durable_entries = sum.entries;
	n->durable_octets = sum.octets;
	n->durable_expired = d->expired;
}
