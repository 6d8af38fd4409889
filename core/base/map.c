/* Chained hash map; SipHash-like mixing would be overkill here, a keyed multiply-xorshift over
 * 8-byte words does, since the key is random per process. */
#include "base/map.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/random.h"

struct map_entry {
	struct map_entry *next;
	uint64_t          hash;
	void             *value;
	size_t            len;
	char              key[];
};

uint64_t map_hash(struct slice s, uint64_t seed)
{
	uint64_t h = seed ^ (s.len * 0x9e3779b97f4a7c15u);

	while (s.len) {
		uint64_t word = 0;
		size_t n = s.len < sizeof(word) ? s.len : sizeof(word);

		memcpy(&word, s.ptr, n);
		h = (h ^ word) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
		s = slice_skip(s, n);
	}
	h *= seed | 1;
	return h ^ (h >> 29);
}

static uint64_t hash_key(struct slice key)
{
	static uint64_t seed;

	if (!seed)
		seed = random_u64() | 1;
	return map_hash(key, seed);
}

void map_init(struct map *m)
{
	*m = (struct map){ 0 };
}

static struct map_entry **find(const struct map *m, struct slice key, uint64_t hash)
{
	struct map_entry **at = &m->buckets[hash & (m->bucket_count - 1)];

	while (*at && !((*at)->hash == hash && slice_eq(slice_of((*at)->key, (*at)->len), key)))
		at = &(*at)->next;
	return at;
}

static void grow(struct map *m)
{
	size_t count = m->bucket_count ? m->bucket_count * 2 : 16;
	struct map_entry **buckets = mem_array(count, sizeof(struct map_entry *));

	for (size_t i = 0; i < m->bucket_count; i++) {
		for (struct map_entry *e = m->buckets[i], *next; e; e = next) {
			next = e->next;
			e->next = buckets[e->hash & (count - 1)];
			buckets[e->hash & (count - 1)] = e;
		}
	}
	free(m->buckets);
	m->buckets = buckets;
	m->bucket_count = count;
}

void *map_get(const struct map *m, struct slice key)
{
	if (m->count == 0)
		return NULL;
	struct map_entry *e = *find(m, key, hash_key(key));

	return e ? e->value : NULL;
}

void *map_put(struct map *m, struct slice key, void *value)
{
	uint64_t hash = hash_key(key);

	if (m->count >= m->bucket_count)
		grow(m);
	struct map_entry **at = find(m, key, hash);

	if (*at) {
		void *old = (*at)->value;

		(*at)->value = value;
		return old;
	}
	struct map_entry *e = mem_alloc(sizeof(*e) + key.len + 1);

	e->hash = hash;
	e->value = value;
	e->len = key.len;
	if (key.len)
		memcpy(e->key, key.ptr, key.len);
	*at = e;
	m->count++;
	return NULL;
}

void *map_remove(struct map *m, struct slice key)
{
	if (m->count == 0)
		return NULL;
	struct map_entry **at = find(m, key, hash_key(key)), *e = *at;

	if (!e)
		return NULL;
	void *value = e->value;

	*at = e->next;
	m->count--;
	free(e);
	return value;
}

void map_each(const struct map *m, bool (*fn)(void *arg, struct slice key, void *value), void *arg)
{
	for (size_t i = 0; i < m->bucket_count; i++)
		for (struct map_entry *e = m->buckets[i]; e; e = e->next)
			if (!fn(arg, slice_of(e->key, e->len), e->value))
				return;
}

void map_free(struct map *m, void (*free_value)(void *value))
{
	for (size_t i = 0; i < m->bucket_count; i++) {
		for (struct map_entry *e = m->buckets[i], *next; e; e = next) {
			next = e->next;
			if (free_value)
				free_value(e->value);
			free(e);
		}
	}
	free(m->buckets);
	map_init(m);
}
