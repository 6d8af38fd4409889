/* Shared memory of master and workers.  The table of client addresses is open addressing with a
 * short window and one writer: an address may stand in any of the BOARD_WINDOW places behind its
 * hash, so that removing leaves no tombstone.  A full window counts nothing, which errs on the
 * client's side. */
#include "server/board.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/random.h"

struct board {
	uint64_t            seed;         /* so that no client can choose who shares its place */
	_Atomic unsigned    leader;       /* number of its slot, from 1 on; 0: nobody */
	_Atomic uint64_t    past[BOARD_TOTAL_COUNT];       /* totals of released slots */
	struct figures      past_figures;
	struct board_slot   slots[BOARD_SLOTS];
};

struct board *server_board_new(void)
{
	struct board *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
	                       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (b == MAP_FAILED)
		die("cannot map %zu octets of shared memory for the workers", sizeof(*b));
	b->seed = random_u64();
	return b;
}

struct board_slot *server_board_take(struct board *b)
{
	for (unsigned i = 0; i < BOARD_SLOTS; i++) {
		struct board_slot *slot = &b->slots[i];

		if (atomic_load(&slot->used))
			continue;
		atomic_store(&slot->gauges.beat_ms, clock_ms());
		atomic_store(&slot->used, true);
		return slot;
	}
	return NULL;
}

bool server_board_lead(struct board *b, const struct board_slot *slot)
{
	unsigned mine = (unsigned)(slot - b->slots) + 1, nobody = 0;

	return atomic_load_explicit(&b->leader, memory_order_relaxed) == mine ||
	       atomic_compare_exchange_strong(&b->leader, &nobody, mine);
}

void server_board_give_up(struct board *b, const struct board_slot *slot)
{
	unsigned mine = (unsigned)(slot - b->slots) + 1;

	(void)atomic_compare_exchange_strong(&b->leader, &mine, 0);
}

void server_board_release(struct board *b, struct board_slot *slot)
{
	server_board_give_up(b, slot);
	for (unsigned i = 0; i < BOARD_TOTAL_COUNT; i++)
		atomic_fetch_add(&b->past[i], atomic_load(&slot->totals[i]));
	server_figures_add(&b->past_figures, &slot->figures, false);
	server_figures_clear(&slot->figures);
	memset((void *)slot, 0, offsetof(struct board_slot, figures));
}

void server_board_totals(const struct board *b, struct board_totals *out)
{
	uint64_t sum[BOARD_TOTAL_COUNT] = { 0 };

	for (unsigned i = 0; i < BOARD_TOTAL_COUNT; i++) {
		sum[i] += atomic_load(&b->past[i]);
		for (unsigned s = 0; s < BOARD_SLOTS; s++)
			if (atomic_load(&b->slots[s].used))
				sum[i] += atomic_load(&b->slots[s].totals[i]);
	}
	memcpy(out, sum, sizeof(*out));
}

void server_board_figures(const struct board *b, struct figures *out)
{
	server_figures_add(out, &b->past_figures, false);
	for (unsigned s = 0; s < BOARD_SLOTS; s++)
		if (atomic_load(&b->slots[s].used))
			server_figures_add(out, &b->slots[s].figures, true);
}

void server_board_why(const struct board *b, const char *id, struct cJSON *to)
{
	for (unsigned s = 0; s < BOARD_SLOTS; s++)
		server_why_find(&b->slots[s].why, id, to);
}

/* A provider hands out a /64 to one customer: counting single IPv6 addresses would limit nobody. */
uint64_t server_board_place(const struct board *b, const char *ip)
{
	struct slice network = SLICE_NONE;
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, ip, &v4) == 1)
		network = slice_of(&v4, sizeof(v4));
	else if (inet_pton(AF_INET6, ip, &v6) == 1)
		network = slice_of(&v6, 8);
	return map_hash(network, b->seed) | 1;
}

static _Atomic uint64_t *find(struct board_slot *slot, uint64_t place, bool make)
{
	uint32_t mark = (uint32_t)(place >> 32), at = (uint32_t)place >> 1;
	_Atomic uint64_t *empty = NULL;

	for (unsigned i = 0; i < BOARD_WINDOW; i++) {
		_Atomic uint64_t *count = &slot->addresses[(at + i) % BOARD_ADDRESSES];
		uint64_t value = atomic_load_explicit(count, memory_order_relaxed);

		if ((uint32_t)value == 0) {
			if (!empty)
				empty = count;
		} else if (value >> 32 == mark) {
			return count;
		}
	}
	if (make && empty)
		atomic_store(empty, (uint64_t)mark << 32);
	return make ? empty : NULL;
}

bool server_board_enter(struct board *b, struct board_slot *slot, uint64_t place, uint32_t limit)
{
	_Atomic uint64_t *mine = find(slot, place, true);
	uint64_t open = 0;

	if (!mine)
		return true;
	/* First count, then look: two workers that accept at once may both refuse, never both
	 * go over the limit. */
	atomic_fetch_add(mine, 1);
	if (!limit)
		return true;
	for (unsigned i = 0; i < BOARD_SLOTS; i++) {
		if (!atomic_load_explicit(&b->slots[i].used, memory_order_relaxed))
			continue;
		_Atomic uint64_t *count = find(&b->slots[i], place, false);

		if (count)
			open += (uint32_t)atomic_load(count);
	}
	if (open <= limit)
		return true;
	atomic_fetch_sub(mine, 1);
	return false;
}

void server_board_leave(struct board_slot *slot, uint64_t place)
{
	_Atomic uint64_t *mine = find(slot, place, false);

	if (mine)
		atomic_fetch_sub(mine, 1);
}
