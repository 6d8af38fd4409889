/* deletion:read() reads through the maildrop, which may be LMDB, a file or Lua again: the answer
 * may take its time.  A read cannot be cancelled, so one whose call is gone stays on its list
 * until its answer or the end of the session. */
#include "script/deletion.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "hook/mailbox.h"
#include "script/lib.h"
#include "script/state.h"

static const char metatable[] = "moonpost.Deletion";
static const char gone[] = "the message is gone: it can be read while on_delete runs only";

enum { CHUNK = 65536 };

struct reading {
	struct list         link;         /* in script->readings */
	struct call_ticket  ticket;
	const struct facts *facts;
	struct maildrop    *maildrop;
	unsigned            index;
	uint64_t            offset;
	size_t              left;         /* octets still wanted */
	struct buf          octets;
	enum status         status;
	bool                over, inside; /* over: nothing in flight; inside: read() has not returned */
	bool                orphan;       /* its call is gone */
	bool                last;         /* its session is gone: no answer can come any more */
};

static void on_read(void *owner, enum status st, struct slice octets);

static void free_reading(struct reading *r)
{
	list_remove(&r->link);
	buf_free(&r->octets);
	free(r);
}

/* Ask for the next octets until one answer does not come at once. */
static void read_on(struct reading *r)
{
	bool again;

	do {
		size_t want = r->left < CHUNK ? r->left : CHUNK;

		r->inside = true;
		r->over = false;
		r->maildrop->ops->read(r->maildrop, r->index, r->offset, want, on_read, r);
		r->inside = false;
		again = r->over && r->status == ST_AGAIN;
	} while (again);
}

/* status AGAIN: more is wanted. */
static void on_read(void *owner, enum status st, struct slice octets)
{
	struct reading *r = owner;

	if (r->orphan) {
		free_reading(r);
		return;
	}
	r->over = true;
	r->status = st;
	if (st == ST_OK && octets.len) {
		octets = slice_head(octets, r->left);
		r->status = buf_append(&r->octets, octets);
		r->offset += octets.len;
		r->left -= octets.len;
		if (r->status == ST_OK && r->left)
			r->status = ST_AGAIN;
	}
	if (r->inside)
		return;                           /* read_on goes on */
	if (r->status == ST_AGAIN) {
		read_on(r);
		if (!r->over)
			return;
	}
	call_wake(r->ticket);
}

static void cancel(void *op)
{
	struct reading *r = op;

	r->orphan = true;
	if (r->over || r->last)
		free_reading(r);
}

/* The call is awake; what was read becomes the result.  When Lua has no memory for it, the reading
 * stays on the list until the session ends. */
static int when_read(lua_State *L, int status, lua_KContext context)
{
	struct reading *r = (struct reading *)context;
	enum status st = r->status;

	(void)status;
	if (st == ST_OK)
		lib_push_slice(L, buf_slice(&r->octets));
	free_reading(r);
	return st == ST_OK ? 1 : lib_fail(L, "the message cannot be read: %s", status_text(st));
}

/* deletion:read() -> the whole message; deletion:read(offset, max) -> octets, "" at the end */
static int l_read(lua_State *L)
{
	struct question *q = handle_check(L, 1, metatable, gone);
	struct call *c = call_check(L, "deletion:read");
	lua_Integer offset = luaL_optinteger(L, 2, 0);
	lua_Integer max = luaL_optinteger(L, 3, (lua_Integer)q->deletion.octets + 1);
	struct reading *r;

	luaL_argcheck(L, offset >= 0, 2, "an offset is 0 or more");
	luaL_argcheck(L, max >= 1, 3, "at least 1 octet");
	r = MEM_NEW(struct reading);
	list_append(&script_of(L)->readings, &r->link);
	r->ticket = call_ticket(c);
	r->facts = q->facts;
	r->maildrop = q->deletion.maildrop;
	r->index = q->deletion.index;
	r->offset = (uint64_t)offset;
	r->left = (size_t)max;
	buf_init(&r->octets, script_of(L)->memory_max);
	read_on(r);
	if (r->over)
		return when_read(L, LUA_OK, (lua_KContext)r);
	return call_suspend(L, c, cancel, r, when_read);
}

static int l_index(lua_State *L)
{
	const char *key = luaL_checkstring(L, 2);
	struct question *q = handle_check(L, 1, metatable, gone);

	if (strcmp(key, "read") == 0)
		lua_pushcfunction(L, l_read);
	else if (strcmp(key, "uidl") == 0)
		lib_push_slice(L, q->deletion.uidl);
	else if (strcmp(key, "mailbox") == 0)
		lib_push_slice(L, q->deletion.mailbox);
	else if (strcmp(key, "octets") == 0)
		lua_pushinteger(L, (lua_Integer)q->deletion.octets);
	else if (strcmp(key, "number") == 0)
		lua_pushinteger(L, q->deletion.number);
	else
		return luaL_error(L, "deletion has no \"%s\"; there are uidl, mailbox, octets, number and "
		                  "read", key);
	return 1;
}

void deletion_push(lua_State *L, struct question *q, struct handle **lent)
{
	handle_push(L, metatable, q, lent);
}

void deletion_prepare(lua_State *L)
{
	luaL_newmetatable(L, metatable);
	lua_pushcfunction(L, l_index);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, handle_gc);
	lua_setfield(L, -2, "__gc");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
}

void deletion_forget(struct script *s, const struct facts *f)
{
	LIST_EACH(&s->readings, link) {
		struct reading *r = CONTAINER_OF(link, struct reading, link);

		if (f && r->facts != f)
			continue;
		if (r->orphan || r->over)
			free_reading(r);
		else
			r->last = true;               /* its question is about to be cancelled */
	}
}
