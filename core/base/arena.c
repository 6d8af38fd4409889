/* Bump allocation in blocks of nearly 1 KiB or more: glibc keeps what is freed of that size at hand,
 * from 1 KiB on it tidies up all small blocks before it gives a large one out. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum { BLOCK_SIZE = 1024 - 64 };

struct arena_block {
	struct arena_block *next;
	size_t              used, size;
	alignas(max_align_t) char data[];
};

void arena_init(struct arena *a)
{
	*a = (struct arena){ 0 };
}

void *arena_alloc(struct arena *a, size_t size)
{
	size_t need = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	struct arena_block *b = a->blocks;

	if (!b || b->size - b->used < need) {
		size_t room = need > BLOCK_SIZE ? need : BLOCK_SIZE;

		b = mem_resize(NULL, sizeof(*b) + room);
		*b = (struct arena_block){ .size = room, .next = a->blocks };
		a->blocks = b;
	}
	void *ptr = b->data + b->used;

	b->used += need;
	a->taken += need;
	return memset(ptr, 0, need);
}

struct slice arena_copy(struct arena *a, struct slice s)
{
	return (struct slice){ arena_strdup(a, s), s.len };
}

char *arena_strdup(struct arena *a, struct slice s)
{
	char *copy = arena_alloc(a, s.len + 1);

	if (s.len)
		memcpy(copy, s.ptr, s.len);
	return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	char *out = arena_alloc(a, (size_t)n + 1);

	va_start(ap, fmt);
	vsnprintf(out, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return out;
}

void arena_reset(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *next = a->blocks->next;

		free(a->blocks);
		a->blocks = next;
	}
	a->taken = 0;
}

void arena_wipe(struct arena *a)
{
	for (struct arena_block *b = a->blocks; b; b = b->next)
		mem_wipe(b->data, b->used);
	arena_reset(a);
}
