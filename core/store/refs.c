/* Open addressing; at most two thirds full. */
#include "store/refs.h"

#include <stdlib.h>

#include "base/mem.h"

void refs_init(struct refs *r)
{
	*r = (struct refs){ 0 };
}

void refs_clear(struct refs *r)
{
	free(r->entries);
	refs_init(r);
}

static struct refs_entry *place(const struct refs *r, uint64_t msgid)
{
	size_t i = (size_t)(msgid * 0x9e3779b97f4a7c15u >> 20) & (r->size - 1);

	while (r->entries[i].count && r->entries[i].msgid != msgid)
		i = (i + 1) & (r->size - 1);
	return &r->entries[i];
}

static void grow(struct refs *r)
{
	struct refs old = *r;

	r->size = old.size ? old.size * 2 : 1024;
	r->entries = mem_array(r->size, sizeof(*r->entries));
	for (size_t i = 0; i < old.size; i++)
		if (old.entries[i].count)
			*place(r, old.entries[i].msgid) = old.entries[i];
	free(old.entries);
}

void refs_add(struct refs *r, uint64_t msgid)
{
	if (r->used * 3 >= r->size * 2)
		grow(r);
	struct refs_entry *e = place(r, msgid);

	if (e->count++ == 0) {
		e->msgid = msgid;
		r->used++;
	}
}

uint32_t refs_count(const struct refs *r, uint64_t msgid)
{
	return r->size ? place(r, msgid)->count : 0;
}
