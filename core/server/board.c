/* Shared memory of master and workers.  The table of client addresses is open addressing with a
 * short window and one writer: an address may stand in any of the BOARD_WINDOW places behind its
 * hash, so that removing leaves no tombstone.  A full window counts nothing, which errs on the
 * client's side. */
#include "server/board.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/random.h"

struct board {
	unsigned char       key[16];      /* so that no client can choose who shares its place */
	_Atomic uint64_t    past[BOARD_TOTAL_COUNT];       /* totals of released slots */
	struct board_slot   slots[BOARD_SLOTS];
};

struct board *server_board_new(void)
{
	struct board *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
	                       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (b == MAP_FAILED)
		die("cannot map %zu octets of shared memory for the workers", sizeof(*b));
	random_bytes(b->key, sizeof(b->key));
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

void server_board_release(struct board *b, struct board_slot *slot)
{
	for (unsigned i = 0; i < BOARD_TOTAL_COUNT; i++)
		atomic_fetch_add(&b->past[i], atomic_load(&slot->totals[i]));
	memset((void *)slot, 0, sizeof(*slot));
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

/* A provider hands out a /64 to one customer: counting single IPv6 addresses would limit nobody. */
static uint64_t address_hash(const struct board *b, const char *ip)
{
	unsigned char input[16 + 17] = { 0 }, digest[MD5_SIZE];
	struct in6_addr v6;
	struct in_addr v4;
	uint64_t hash;

	memcpy(input, b->key, sizeof(b->key));
	if (inet_pton(AF_INET, ip, &v4) == 1) {
		input[16] = 4;
		memcpy(input + 17, &v4, sizeof(v4));
	} else if (inet_pton(AF_INET6, ip, &v6) == 1) {
		input[16] = 6;
		memcpy(input + 17, &v6, 8);
	}
	digest_md5(slice_of(input, sizeof(input)), digest);
	memcpy(&hash, digest, sizeof(hash));
	return hash;
}

static _Atomic uint64_t *find(struct board_slot *slot, uint64_t hash, bool make)
{
	uint32_t mark = (uint32_t)(hash >> 32), at = (uint32_t)hash;
	_Atomic uint64_t *empty = NULL;

	for (unsigned i = 0; i < BOARD_WINDOW; i++) {
		_Atomic uint64_t *place = &slot->addresses[(at + i) % BOARD_ADDRESSES];
		uint64_t value = atomic_load_explicit(place, memory_order_relaxed);

		if ((uint32_t)value == 0) {
			if (!empty)
				empty = place;
		} else if (value >> 32 == mark) {
			return place;
		}
	}
	if (make && empty)
		atomic_store(empty, (uint64_t)mark << 32);
	return make ? empty : NULL;
}

bool server_board_enter(struct board *b, struct board_slot *slot, const char *ip, uint32_t limit)
{
	uint64_t hash = address_hash(b, ip), open = 0;
	_Atomic uint64_t *mine = find(slot, hash, true);

	if (!mine)
		return true;
	/* First count, then look: two workers that accept at once may both refuse, never both
	 * go over the limit. */
	atomic_fetch_add(mine, 1);
	if (!limit)
		return true;
	for (unsigned i = 0; i < BOARD_SLOTS; i++) {
		_Atomic uint64_t *place;

		if (!atomic_load_explicit(&b->slots[i].used, memory_order_relaxed))
			continue;
		place = find(&b->slots[i], hash, false);
		if (place)
			open += (uint32_t)atomic_load(place);
	}
	if (open <= limit)
		return true;
	atomic_fetch_sub(mine, 1);
	return false;
}

void server_board_leave(struct board *b, struct board_slot *slot, const char *ip)
{
	_Atomic uint64_t *mine = find(slot, address_hash(b, ip), false);

	if (mine)
		atomic_fetch_sub(mine, 1);
}
