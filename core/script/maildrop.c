/* An open mailbox of a backend: reading, deleting, closing.  Each operation is a call; closing
 * runs on after the machine has let go. */
#include "script/mailbox.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <lauxlib.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"
#include "script/plugin.h"
#include "script/state.h"

struct operation {
	struct list       link;           /* in drop->operations */
	struct drop      *drop;
	struct call      *call;
	unsigned          index;          /* read */
	uint64_t          offset;
	size_t            max;
	struct buf        octets;
	maildrop_read_fn *read_done;
	unsigned         *indexes, count; /* delete */
	maildrop_done_fn *delete_done;
	void             *owner;
	char             *error;
};

/* ---- the lock ---- */

/* Within the worker by a map, between workers by a file in the runtime directory. */
static int lock_file(struct drop *d, enum status *st)
{
	unsigned char sum[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1];
	char *path;
	int fd;

	digest_sha256(slice_from(d->name), sum);
	digest_hex(sum, sizeof(sum), hex);
	path = mem_printf("%s/mailbox-%.32s.lock", d->script->setup.config->runtime, hex);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	free(path);
	*st = ST_OK;
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		*st = ST_BUSY;
		return -1;
	}
	return fd;
}

enum status drop_lock(struct drop *d)
{
	enum status st = ST_OK;

	if (map_get(&d->script->locks, slice_from(d->name)))
		return ST_BUSY;
	if (!d->backend->locks)
		d->lock_fd = lock_file(d, &st);
	if (st == ST_OK) {
		(void)map_put(&d->script->locks, slice_from(d->name), d);
		d->locked = true;
	}
	return st;
}

/* ---- life ---- */

struct drop *drop_new(struct script *s, struct backend *b, struct slice name, const struct facts *f)
{
	struct drop *d = MEM_NEW(struct drop);

	d->maildrop.ops = &drop_ops;
	d->script = s;
	d->backend = b;
	d->name = mem_slice_dup(name);
	snprintf(d->session, sizeof(d->session), "%s", f->id);
	arena_init(&d->arena);
	d->box = d->lock = d->uids = LUA_NOREF;
	d->lock_fd = -1;
	list_init(&d->link);
	list_init(&d->operations);
	return d;
}

static void free_operation(struct operation *o)
{
	list_remove(&o->link);
	buf_free(&o->octets);
	free(o->indexes);
	free(o->error);
	free(o);
}

static void cancel_operations(struct drop *d)
{
	LIST_EACH(&d->operations, link) {
		struct operation *o = CONTAINER_OF(link, struct operation, link);

		call_cancel(o->call);
		free_operation(o);
	}
}

void drop_free(struct drop *d)
{
	lua_State *L;

	if (!d)
		return;
	L = d->script->L;
	cancel_operations(d);
	luaL_unref(L, LUA_REGISTRYINDEX, d->box);
	luaL_unref(L, LUA_REGISTRYINDEX, d->lock);
	luaL_unref(L, LUA_REGISTRYINDEX, d->uids);
	if (d->locked)
		(void)map_remove(&d->script->locks, slice_from(d->name));
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	list_remove(&d->link);
	arena_reset(&d->arena);
	free(d->name);
	free(d);
}

static const char *string_at(lua_State *L, struct arena *a, int table, lua_Integer i)
{
	struct slice s;

	lua_rawgeti(L, table, i);
	s.ptr = luaL_checklstring(L, -1, &s.len);
	const char *copy = arena_strdup(a, s);

	lua_pop(L, 1);
	return copy;
}

/* box, lock, uids, sizes, uidls */
void drop_fill(lua_State *L, struct drop *d)
{
	struct maildrop *m = &d->maildrop;
	unsigned count = (unsigned)lua_rawlen(L, 3);

	m->entries = arena_alloc(&d->arena, (count ? count : 1) * sizeof(*m->entries));
	for (unsigned i = 0; i < count; i++) {
		struct maildrop_entry *e = &m->entries[i];

		lua_rawgeti(L, 4, (lua_Integer)i + 1);
		*e = (struct maildrop_entry){
			.uid = i + 1, .octets = (uint64_t)luaL_checkinteger(L, -1),
			.uidl = string_at(L, &d->arena, 5, (lua_Integer)i + 1), .stuff_unknown = true,
		};
		m->octets += e->octets;
		lua_pop(L, 1);
	}
	m->count = count;
	lua_settop(L, 3);
	d->uids = luaL_ref(L, LUA_REGISTRYINDEX);
	d->lock = luaL_ref(L, LUA_REGISTRYINDEX);
	d->box = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* ---- operations ---- */

static struct operation *operation_new(struct drop *d, call_done_fn *done, void *owner)
{
	struct operation *o = MEM_NEW(struct operation);

	o->drop = d;
	o->owner = owner;
	buf_init(&o->octets, 0);
	list_init(&o->link);
	o->call = call_new(d->script, d->backend->plugin, "mailbox", done, o);
	if (o->call) {
		o->call->session = d->session;
		list_append(&d->operations, &o->link);
	}
	return o;
}

static void push_box(lua_State *L, struct drop *d, const char *function)
{
	lua_settop(L, 0);
	mailbox_push_glue(L, d->backend, function);
	lua_rawgeti(L, LUA_REGISTRYINDEX, d->box);
}

static void push_uid(lua_State *L, struct drop *d, unsigned index)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, d->uids);
	lua_rawgeti(L, -1, (lua_Integer)index + 1);
	lua_remove(L, -2);
}

static void keep_error(lua_State *L, struct operation *o)
{
	if (lua_isnil(L, 1))
		o->error = mem_strdup(lua_tostring(L, 2));
}

static void log_error_of(struct operation *o, const char *what)
{
	if (o->error)
		log_error(what, "plugin", plugin_name(o->drop->backend->plugin), "mailbox", o->drop->name,
		          "session", o->drop->session, "error", o->error, NULL);
}

static int when_read(lua_State *L, int status, lua_KContext context)
{
	struct operation *o = (struct operation *)context;
	struct slice octets;

	(void)status;
	keep_error(L, o);
	if (!o->error) {
		octets.ptr = lua_tolstring(L, 1, &octets.len);
		(void)buf_append(&o->octets, slice_head(octets, o->max));
	}
	return 0;
}

static int run_read(lua_State *L)
{
	struct operation *o = lua_touserdata(L, 1);

	push_box(L, o->drop, "read");
	push_uid(L, o->drop, o->index);
	lua_pushinteger(L, (lua_Integer)o->offset);
	lua_pushinteger(L, (lua_Integer)o->max);
	return call_function(L, 5, 2, when_read, o);
}

static void on_read(void *owner, enum call_outcome outcome)
{
	struct operation *o = owner;
	enum status st = outcome != CALL_OK ? ST_TEMPFAIL : o->error ? ST_IO : ST_OK;
	struct slice octets = buf_slice(&o->octets);

	log_error_of(o, "a message cannot be read");
	/* The end before the end would be a message cut short that looks whole. */
	if (st == ST_OK && octets.len == 0 && o->offset < o->drop->maildrop.entries[o->index].octets)
		st = ST_IO;
	list_remove(&o->link);
	o->read_done(o->owner, st, st == ST_OK ? octets : SLICE_NONE);
	free_operation(o);
}

static void read_message(struct maildrop *m, unsigned index, uint64_t offset, size_t max,
                         maildrop_read_fn *done, void *owner)
{
	struct operation *o = operation_new((struct drop *)m, on_read, owner);

	o->index = index;
	o->offset = offset;
	o->max = max;
	o->read_done = done;
	if (o->call)
		call_start(o->call, run_read);
	else
		on_read(o, CALL_FAILED);
}

static int when_deleted(lua_State *L, int status, lua_KContext context)
{
	(void)status;
	keep_error(L, (struct operation *)context);
	return 0;
}

static int run_delete(lua_State *L)
{
	struct operation *o = lua_touserdata(L, 1);

	push_box(L, o->drop, "delete");
	lua_createtable(L, (int)o->count, 0);
	for (unsigned i = 0; i < o->count; i++) {
		push_uid(L, o->drop, o->indexes[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return call_function(L, 3, 2, when_deleted, o);
}

static void on_deleted(void *owner, enum call_outcome outcome)
{
	struct operation *o = owner;
	enum status st = outcome != CALL_OK || o->error ? ST_TEMPFAIL : ST_OK;

	log_error_of(o, "messages cannot be deleted");
	list_remove(&o->link);
	o->delete_done(o->owner, st);
	free_operation(o);
}

static void commit(struct maildrop *m, const unsigned *indexes, unsigned count,
                   maildrop_done_fn *done, void *owner)
{
	struct operation *o = operation_new((struct drop *)m, on_deleted, owner);

	o->indexes = mem_array(count, sizeof(*indexes));
	if (count)
		memcpy(o->indexes, indexes, count * sizeof(*indexes));
	o->count = count;
	o->delete_done = done;
	if (o->call)
		call_start(o->call, run_delete);
	else
		on_deleted(o, CALL_FAILED);
}

/* ---- closing ---- */

static int when_closed(lua_State *L, int status, lua_KContext context)
{
	(void)L, (void)status, (void)context;
	return 0;
}

static int run_close(lua_State *L)
{
	struct operation *o = lua_touserdata(L, 1);

	push_box(L, o->drop, "close");
	lua_rawgeti(L, LUA_REGISTRYINDEX, o->drop->lock);
	return call_function(L, 3, 0, when_closed, o);
}

static void on_closed(void *owner, enum call_outcome outcome)
{
	struct operation *o = owner;
	struct drop *d = o->drop;

	(void)outcome;                        /* an error was logged; the lock goes all the same */
	free_operation(o);
	drop_free(d);
}

static void close_drop(struct maildrop *m)
{
	struct drop *d = (struct drop *)m;
	struct operation *o;

	cancel_operations(d);
	o = operation_new(d, on_closed, NULL);
	if (o->call)
		call_start(o->call, run_close);
	else
		on_closed(o, CALL_FAILED);
}

const struct maildrop_ops drop_ops = {
	.read = read_message, .commit = commit, .close = close_drop,
};
