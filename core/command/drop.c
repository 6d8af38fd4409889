/* Maildrops, waited for. */
#include "command/drop.h"

#include <stdlib.h>

#include "base/mem.h"

enum { READ_MAX = 256 * 1024 };

struct opening { struct access *access; struct maildrop *maildrop; };

static void opened(void *owner, enum status st, struct maildrop *m)
{
	struct opening *o = owner;

	o->maildrop = m;
	access_done(o->access, st);
}

struct maildrop *drop_open(struct access *a, const char *mailbox, int *code)
{
	struct mailbox_provider *p = store_client_mailboxes(a->store);
	struct opening o = { a, NULL };
	struct facts facts;
	enum status st;

	facts_init(&facts);
	a->outcome = ST_AGAIN;
	p->ops->open(p, &facts, slice_from(mailbox), opened, &o);
	st = access_wait(a);
	facts_clear(&facts);
	if (st == ST_OK)
		return o.maildrop;
	*code = access_fail(a, st, arena_printf(&a->arena, "mailbox %s", mailbox));
	return NULL;
}

struct reading { struct access *access; struct buf *out; };

static void was_read(void *owner, enum status st, struct slice octets)
{
	struct reading *r = owner;

	if (st == ST_OK)
		st = buf_append(r->out, octets);
	access_done(r->access, st);
}

enum status drop_read(struct access *a, struct maildrop *m, unsigned index, uint64_t offset,
                      struct buf *out)
{
	struct reading r = { a, out };

	a->outcome = ST_AGAIN;
	m->ops->read(m, index, offset, READ_MAX, was_read, &r);
	return access_wait(a);
}

enum status drop_empty(struct access *a, struct maildrop *m)
{
	unsigned *indexes = mem_array(m->count + 1, sizeof(*indexes));
	enum status st;

	for (unsigned i = 0; i < m->count; i++)
		indexes[i] = i;
	a->outcome = ST_AGAIN;
	m->ops->commit(m, indexes, m->count, access_done, a);
	st = access_wait(a);
	free(indexes);
	return st;
}
