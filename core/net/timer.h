/* The timer wheel of a loop; owned by net/loop.c.  Owners of timers use net/loop.h.
 *
 * Two rings of slots: a fine one (4 ms a slot, about a second around) and a coarse one (128 ms a
 * slot, about a minute around).  A timer further away waits in the coarse ring and moves to the
 * fine one when its slot comes up, so long timers are as exact as short ones.  A timer that is
 * only pushed back stays where it is: its slot finds out, so restarting a time-out on every
 * command is one store to memory. */
#ifndef MOONPOST_NET_TIMER_H
#define MOONPOST_NET_TIMER_H

#include "net/loop.h"

enum { WHEEL_FINE_MS = 4, WHEEL_FINE = 256, WHEEL_COARSE_MS = 128, WHEEL_COARSE = 512 };

struct wheel_ring {
	uint64_t     done;                /* last tick whose slot was emptied */
	unsigned     ms, size;            /* length of a tick; number of slots */
	uint64_t    *used;                /* a bit per slot that may hold timers */
	struct list *slots;
};

struct wheel {
	struct wheel_ring fine, coarse;
	uint64_t          fine_used[WHEEL_FINE / 64], coarse_used[WHEEL_COARSE / 64];
	struct list       fine_slots[WHEEL_FINE], coarse_slots[WHEEL_COARSE];
	struct list       due;            /* timers about to fire in this sweep */
	uint64_t          wake_ms;        /* the loop's alarm is set for this time; 0: none */
};

void wheel_init(struct wheel *w, uint64_t now_ms);
void wheel_clear(struct wheel *w);                    /* disarms every timer */

/* Fire what is due.  The callbacks may start and stop any timer. */
void wheel_sweep(struct wheel *w, uint64_t now_ms);

/* When the next slot that may hold timers comes up; 0: never. */
uint64_t wheel_next(const struct wheel *w);

#endif
