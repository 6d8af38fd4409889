/* The timer wheel: arming, stopping and restarting cost no search and no system call. */
#include "net/timer.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/loop_internal.h"

static void ring_init(struct wheel_ring *r, unsigned ms, unsigned size, uint64_t *used,
                      struct list *slots, uint64_t now_ms)
{
	*r = (struct wheel_ring){ now_ms / ms, ms, size, used, slots };
	for (unsigned i = 0; i < size; i++)
		list_init(&slots[i]);
}

void wheel_init(struct wheel *w, uint64_t now_ms)
{
	*w = (struct wheel){ 0 };
	ring_init(&w->fine, WHEEL_FINE_MS, WHEEL_FINE, w->fine_used, w->fine_slots, now_ms);
	ring_init(&w->coarse, WHEEL_COARSE_MS, WHEEL_COARSE, w->coarse_used, w->coarse_slots, now_ms);
	list_init(&w->due);
}

static void disarm_all(struct list *timers)
{
	struct list *link;

	while ((link = list_shift(timers)) != NULL)
		CONTAINER_OF(link, struct timer, link)->at_ms = 0;
}

void wheel_clear(struct wheel *w)
{
	for (unsigned i = 0; i < WHEEL_FINE; i++)
		disarm_all(&w->fine_slots[i]);
	for (unsigned i = 0; i < WHEEL_COARSE; i++)
		disarm_all(&w->coarse_slots[i]);
	disarm_all(&w->due);
}

static uint64_t ring_put(struct wheel_ring *r, struct timer *t, uint64_t tick)
{
	unsigned slot = (unsigned)(tick % r->size);

	list_append(&r->slots[slot], &t->link);
	r->used[slot / 64] |= UINT64_C(1) << slot % 64;
	return tick * r->ms;
}

/* Link the timer where it belongs; the time its slot comes up. */
static uint64_t place(struct wheel *w, struct timer *t)
{
	/* Rounded up: a timer may be late by one fine tick but never early. */
	uint64_t tick = (t->at_ms + WHEEL_FINE_MS - 1) / WHEEL_FINE_MS;

	if (tick <= w->fine.done)
		tick = w->fine.done + 1;
	if (tick - w->fine.done < WHEEL_FINE)
		return ring_put(&w->fine, t, tick);
	tick = t->at_ms / WHEEL_COARSE_MS;
	if (tick <= w->coarse.done)
		tick = w->coarse.done + 1;
	/* More than once around: its slot comes up too early and puts it back. */
	return ring_put(&w->coarse, t, tick);
}

static void ring_sweep(struct wheel *w, struct wheel_ring *r, uint64_t now_ms)
{
	uint64_t now = now_ms / r->ms;
	uint64_t tick = r->done + 1;

	if (now - r->done > r->size)                 /* a long sleep: each slot once */
		tick = now - r->size + 1;
	r->done = now;
	for (; tick <= now; tick++) {
		unsigned slot = (unsigned)(tick % r->size);
		uint64_t bit = UINT64_C(1) << slot % 64;
		struct list timers;
		struct list *link;

		if (!(r->used[slot / 64] & bit))
			continue;
		r->used[slot / 64] &= ~bit;
		list_init(&timers);
		while ((link = list_shift(&r->slots[slot])) != NULL)
			list_append(&timers, link);
		while ((link = list_shift(&timers)) != NULL) {
			struct timer *t = CONTAINER_OF(link, struct timer, link);

			if (t->at_ms <= now_ms)
				list_append(&w->due, link);
			else
				place(w, t);
		}
	}
}

static void ring_empty(struct wheel_ring *r, struct list *into, uint64_t now_ms)
{
	struct list *link;

	for (unsigned i = 0; i < r->size; i++)
		while ((link = list_shift(&r->slots[i])) != NULL)
			list_append(into, link);
	memset(r->used, 0, r->size / 8);
	r->done = now_ms / r->ms;
}

/* The clock went back: only the fake one of specs does. */
static void turn_back(struct wheel *w, uint64_t now_ms)
{
	struct list all, *link;

	list_init(&all);
	ring_empty(&w->fine, &all, now_ms);
	ring_empty(&w->coarse, &all, now_ms);
	w->wake_ms = 0;
	while ((link = list_shift(&all)) != NULL)
		place(w, CONTAINER_OF(link, struct timer, link));
}

static bool is_ahead(const struct wheel *w, uint64_t now_ms)
{
	return w->fine.done > now_ms / WHEEL_FINE_MS;
}

void wheel_sweep(struct wheel *w, uint64_t now_ms)
{
	struct list *link;

	if (is_ahead(w, now_ms))
		turn_back(w, now_ms);
	/* In this order: timers of the coarse ring move to where the fine one stands then. */
	ring_sweep(w, &w->fine, now_ms);
	ring_sweep(w, &w->coarse, now_ms);
	while ((link = list_shift(&w->due)) != NULL) {
		struct timer *t = CONTAINER_OF(link, struct timer, link);

		if (t->at_ms > now_ms) {                     /* restarted by a callback before it */
			place(w, t);
			continue;
		}
		t->at_ms = 0;
		t->fn(t->owner);
	}
}

static uint64_t ring_next(const struct wheel_ring *r)
{
	for (unsigned i = 1; i <= r->size; ) {
		unsigned slot = (unsigned)((r->done + i) % r->size);
		uint64_t bits = r->used[slot / 64] >> slot % 64;

		if (bits & 1)
			return (r->done + i) * r->ms;
		i += bits ? (unsigned)__builtin_ctzll(bits) : 64 - slot % 64;
	}
	return 0;
}

uint64_t wheel_next(const struct wheel *w)
{
	uint64_t fine = ring_next(&w->fine);
	uint64_t coarse = ring_next(&w->coarse);

	return !fine || (coarse && coarse < fine) ? coarse : fine;
}

void timer_init(struct timer *t, struct loop *l, void (*fn)(void *owner), void *owner)
{
	*t = (struct timer){ .loop = l, .fn = fn, .owner = owner };
	list_init(&t->link);
}

void timer_start(struct timer *t, uint64_t in_ms)
{
	struct wheel *w = loop_wheel(t->loop);
	uint64_t before = t->at_ms, now_ms = clock_ms();

	if (is_ahead(w, now_ms)) {
		turn_back(w, now_ms);
		loop_alarm(t->loop, now_ms);
	}
	t->at_ms = now_ms + in_ms;
	if (before && t->at_ms >= before)
		return;
	list_remove(&t->link);
	loop_alarm(t->loop, place(w, t));
}

void timer_stop(struct timer *t)
{
	list_remove(&t->link);
	t->at_ms = 0;
}
