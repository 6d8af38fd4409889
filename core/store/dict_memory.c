/* A skip list per owner, two lists by last use, one heap by expiry. */
#include "store/dict_memory.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/random.h"

enum { LEVELS = 12, NOWHERE = UINT32_MAX, SWEEP_WITH_REQUEST = 16 };

struct owner {
	struct list   used;               /* entries that may be evicted, longest unused first */
	uint64_t      entries, octets;
	size_t        name_len;
	struct entry *first[LEVELS];
	char          name[];
};

struct entry {
	struct owner    *owner;
	struct list      used, used_of_all;   /* in lists of their own when it is never evicted */
	struct dict_item item;            /* octets of its value: on the heap */
	uint32_t         heap_at;         /* or NOWHERE */
	uint16_t         key_len;
	uint8_t          levels;
	struct entry    *next[];          /* levels of them; the key behind them */
};

struct dict_memory {
	struct store_dict_settings settings;
	struct map      owners;
	struct list     used;
	struct entry  **heap;             /* the entry that expires first is heap[0] */
	uint32_t        heap_count, heap_room;
	struct dict_memory_numbers numbers;
};

static struct slice key_of(const struct entry *e)
{
	return slice_of((const char *)(e->next + e->levels), e->key_len);
}

static size_t size_of(const struct entry *e)
{
	return sizeof(*e) + e->levels * sizeof(e->next[0]) + e->key_len + e->item.value.octets.len;
}

/* ---- the heap ---- */

static void heap_place(struct dict_memory *m, uint32_t at, struct entry *e)
{
	m->heap[at] = e;
	e->heap_at = at;
}

static void heap_settle(struct dict_memory *m, uint32_t at)
{
	struct entry *e = m->heap[at];

	while (at > 0 && m->heap[(at - 1) / 2]->item.expires_us > e->item.expires_us) {
		heap_place(m, at, m->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= m->heap_count)
			break;
		if (child + 1 < m->heap_count &&
		    m->heap[child + 1]->item.expires_us < m->heap[child]->item.expires_us)
			child++;
		if (m->heap[child]->item.expires_us >= e->item.expires_us)
			break;
		heap_place(m, at, m->heap[child]);
		at = child;
	}
	heap_place(m, at, e);
}

static void heap_remove(struct dict_memory *m, struct entry *e)
{
	uint32_t at = e->heap_at;

	if (at == NOWHERE)
		return;
	e->heap_at = NOWHERE;
	struct entry *last = m->heap[--m->heap_count];

	if (last == e)
		return;
	heap_place(m, at, last);
	heap_settle(m, at);
}

static void heap_update(struct dict_memory *m, struct entry *e)
{
	if (e->item.expires_us == 0) {
		heap_remove(m, e);
		return;
	}
	if (e->heap_at == NOWHERE) {
		if (m->heap_count == m->heap_room) {
			m->heap_room = m->heap_room ? m->heap_room * 2 : 64;
			m->heap = mem_resize(m->heap, m->heap_room * sizeof(struct entry *));
		}
		heap_place(m, m->heap_count++, e);
	}
	heap_settle(m, e->heap_at);
}

/* ---- the skip list ---- */

/* The first entry at or behind the key; before: the places that point to it or past it. */
static struct entry *seek(struct owner *o, struct slice key, struct entry **before[LEVELS])
{
	struct entry **row = o->first;

	for (int level = LEVELS - 1; level >= 0; level--) {
		while (row[level] && slice_cmp(key_of(row[level]), key) < 0)
			row = row[level]->next;
		before[level] = &row[level];
	}
	return row[0];
}

static struct entry *find(struct owner *o, struct slice key)
{
	struct entry **before[LEVELS], *e = seek(o, key, before);

	return e && slice_eq(key_of(e), key) ? e : NULL;
}

/* One entry in four is a level higher; keys are the peers' choice, levels are not. */
static unsigned choose_levels(void)
{
	uint64_t bits = random_u64();
	unsigned levels = 1;

	while (levels < LEVELS && (bits & 3) == 0) {
		bits >>= 2;
		levels++;
	}
	return levels;
}

static struct entry *add(struct owner *o, struct slice key, unsigned levels)
{
	struct entry **before[LEVELS];
	struct entry *e = mem_alloc(sizeof(*e) + levels * sizeof(e->next[0]) + key.len);

	(void)seek(o, key, before);
	e->owner = o;
	e->levels = (uint8_t)levels;
	e->key_len = (uint16_t)key.len;
	e->heap_at = NOWHERE;
	list_init(&e->used);
	list_init(&e->used_of_all);
	memcpy(e->next + levels, key.ptr, key.len);
	for (unsigned i = 0; i < levels; i++) {
		e->next[i] = *before[i];
		*before[i] = e;
	}
	return e;
}

/* ---- owners and entries ---- */

static struct owner *make_owner(struct dict_memory *m, struct slice name)
{
	struct owner *o = mem_alloc(sizeof(*o) + name.len);

	list_init(&o->used);
	o->name_len = name.len;
	memcpy(o->name, name.ptr, name.len);
	m->numbers.octets += sizeof(*o) + name.len;
	(void)map_put(&m->owners, name, o);
	return o;
}

static void free_if_empty(struct dict_memory *m, struct owner *o)
{
	if (o->entries)
		return;
	m->numbers.octets -= sizeof(*o) + o->name_len;
	(void)map_remove(&m->owners, slice_of(o->name, o->name_len));
	free(o);
}

static void count(struct dict_memory *m, struct owner *o, int64_t entries, int64_t octets)
{
	o->entries += (uint64_t)entries;
	o->octets += (uint64_t)octets;
	m->numbers.entries += (uint64_t)entries;
	m->numbers.octets += (uint64_t)octets;
}

/* The owner stays, also without entries. */
static void drop(struct dict_memory *m, struct entry *e)
{
	struct entry **before[LEVELS];

	(void)seek(e->owner, key_of(e), before);
	for (unsigned i = 0; i < e->levels; i++)
		*before[i] = e->next[i];
	count(m, e->owner, -1, -(int64_t)size_of(e));
	heap_remove(m, e);
	list_remove(&e->used);
	list_remove(&e->used_of_all);
	free((char *)(uintptr_t)e->item.value.octets.ptr);
	free(e);
}

static void touch(struct dict_memory *m, struct entry *e, bool evictable)
{
	list_remove(&e->used);
	list_remove(&e->used_of_all);
	if (!evictable)
		return;
	list_append(&e->owner->used, &e->used);
	list_append(&m->used, &e->used_of_all);
}

static unsigned sweep(struct dict_memory *m, int64_t now_us, unsigned budget,
                      const struct owner *keep)
{
	unsigned n = 0;

	while (n < budget && m->heap_count && dict_expired(&m->heap[0]->item, now_us)) {
		struct owner *o = m->heap[0]->owner;

		drop(m, m->heap[0]);
		m->numbers.expired++;
		n++;
		if (o != keep)
			free_if_empty(m, o);
	}
	return n;
}

unsigned dict_memory_sweep(struct dict_memory *m, int64_t now_us, unsigned budget)
{
	return sweep(m, now_us, budget, NULL);
}

/* ---- room ---- */

static bool over_share(const struct dict_memory *m, const struct owner *o, size_t more)
{
	return o->octets + more > m->settings.max_plugin_octets;
}

static bool over_all(const struct dict_memory *m, size_t more, unsigned entries)
{
	return m->numbers.octets + more > m->settings.max_octets ||
	       m->numbers.entries + entries > m->settings.max_entries;
}

/* Room for `more` octets and `entries` entries of the owner; `changing` (or NULL) stays. */
static bool make_room(struct dict_memory *m, struct owner *o, size_t more, unsigned entries,
                      bool evict, struct entry *changing)
{
	while (over_share(m, o, more) || over_all(m, more, entries)) {
		bool own = over_share(m, o, more);
		struct list *from = own ? &o->used : &m->used, *link = from->next;
		struct entry *e = !evict || link == from ? NULL
		                : own ? CONTAINER_OF(link, struct entry, used)
		                      : CONTAINER_OF(link, struct entry, used_of_all);

		if (!e || e == changing)
			return false;
		struct owner *theirs = e->owner;

		drop(m, e);
		m->numbers.evicted++;
		if (theirs != o)
			free_if_empty(m, theirs);
	}
	return true;
}

/* ---- requests ---- */

static char *copy_octets(struct slice octets)
{
	char *copy = octets.len ? mem_resize(NULL, octets.len) : NULL;

	if (copy)
		memcpy(copy, octets.ptr, octets.len);
	return copy;
}

static enum status put(struct dict_memory *m, struct owner *o, const struct dict_query *q,
                       struct entry *e, const struct dict_item *item)
{
	bool evict = !(q->flags & DICT_REFUSE);
	unsigned levels = e ? e->levels : choose_levels();
	size_t old = e ? size_of(e) : 0;
	size_t size = sizeof(*e) + levels * sizeof(e->next[0]) + q->key.len + item->value.octets.len;

	if (e)
		touch(m, e, evict);               /* the last that would be evicted */
	if (size > old && !make_room(m, o, size - old, e == NULL, evict, e)) {
		m->numbers.refused++;
		return ST_TOOBIG;
	}
	char *octets = copy_octets(item->value.octets);

	if (!e) {
		e = add(o, q->key, levels);
		touch(m, e, evict);
	}
	free((char *)(uintptr_t)e->item.value.octets.ptr);
	e->item = *item;
	e->item.value.octets.ptr = octets;
	count(m, o, old == 0, (int64_t)size - (int64_t)old);
	heap_update(m, e);
	return ST_OK;
}

static void list(struct owner *o, const struct dict_query *q, int64_t now_us, struct buf *answer)
{
	struct slice from = slice_cmp(q->after, q->key) > 0 ? q->after : q->key;
	struct entry **before[LEVELS];
	struct dict_answer a = { .done = true };
	struct buf out;

	buf_init(&out, 0);
	for (struct entry *e = o ? seek(o, from, before) : NULL; e; e = e->next[0]) {
		struct slice key = key_of(e);

		if (!slice_starts(key, q->key))
			break;
		if (slice_eq(key, q->after) || dict_expired(&e->item, now_us))
			continue;
		if (!dict_list_add(&out, &a, q, key, &e->item.value))
			break;
	}
	a.list = buf_slice(&out);
	dict_put_answer(answer, &a);
	buf_free(&out);
}

static enum status change(struct dict_memory *m, struct owner *o, const struct dict_query *q,
                          int64_t now_us, struct buf *answer)
{
	struct entry *e = find(o, q->key);
	struct dict_item item = { 0 };
	size_t before = buf_len(answer);
	struct dict_answer a;
	enum status st;

	if (e && dict_expired(&e->item, now_us)) {
		drop(m, e);
		m->numbers.expired++;
		e = NULL;
	}
	if (e)
		item = e->item;
	enum dict_change what = dict_decide(q, now_us, &item, &a, &st);

	if (st != ST_OK)
		return st;
	dict_put_answer(answer, &a);              /* while the old value is still there */
	if (what == DICT_PUT)
		st = put(m, o, q, e, &item);
	else if (what == DICT_DROP && e)
		drop(m, e);
	else if (e && !list_empty(&e->used))
		touch(m, e, true);
	if (st != ST_OK)
		buf_truncate(answer, before);
	return st;
}

enum status dict_memory_run(struct dict_memory *m, const struct dict_query *q, int64_t now_us,
                            struct buf *answer)
{
	struct owner *o = map_get(&m->owners, q->owner);

	(void)sweep(m, now_us, SWEEP_WITH_REQUEST, o);
	if (q->op == DICT_LIST) {
		list(o, q, now_us, answer);
		return ST_OK;
	}
	if (!o)
		o = make_owner(m, q->owner);
	enum status st = change(m, o, q, now_us, answer);

	free_if_empty(m, o);
	return st;
}

/* ---- life ---- */

struct dict_memory *dict_memory_new(const struct store_dict_settings *s)
{
	struct dict_memory *m = MEM_NEW(struct dict_memory);

	m->settings = *s;
	map_init(&m->owners);
	list_init(&m->used);
	return m;
}

static void free_owner(void *value)
{
	struct owner *o = value;

	for (struct entry *e = o->first[0], *next; e; e = next) {
		next = e->next[0];
		free((char *)(uintptr_t)e->item.value.octets.ptr);
		free(e);
	}
	free(o);
}

void dict_memory_free(struct dict_memory *m)
{
	if (!m)
		return;
	map_free(&m->owners, free_owner);
	free(m->heap);
	free(m);
}

void dict_memory_numbers(const struct dict_memory *m, struct dict_memory_numbers *n)
{
	*n = m->numbers;
}
