/* core/store for specs: maildrops. */
#include "bind_store.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

struct drop {
	struct client   *client;
	struct maildrop *maildrop;
	struct op       *op;         /* commit under way */
};

static struct drop *check_drop(lua_State *L)
{
	struct drop *d = luaL_checkudata(L, 1, DROP_MT);

	luaL_argcheck(L, d->maildrop != NULL, 1, "the maildrop is closed");
	return d;
}

struct opened { enum status st; struct maildrop *maildrop; bool called; };

static void on_opened(void *owner, enum status st, struct maildrop *m)
{
	struct opened *o = owner;

	o->st = st;
	o->maildrop = m;
	o->called = true;
}

/* client:open(mailbox) -> maildrop, or nil and the status */
static int l_open(lua_State *L)
{
	struct client *c = store_check_client(L);
	struct mailbox_provider *p = store_client_mailboxes(c->client);
	struct drop *d = lua_newuserdatauv(L, sizeof(*d), 1);
	struct opened o = { .called = false };

	p->ops->open(p, NULL, slice_from(luaL_checkstring(L, 2)), on_opened, &o);
	if (!o.called)
		return luaL_error(L, "open did not answer at once");
	if (o.st != ST_OK)
		return store_push_status(L, o.st);
	*d = (struct drop){ c, o.maildrop, NULL };
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);          /* the client stays as long as the maildrop */
	luaL_setmetatable(L, DROP_MT);
	return 1;
}

static int l_entries(lua_State *L)
{
	struct maildrop *m = check_drop(L)->maildrop;
	char uidl[UIDL_SIZE];

	lua_createtable(L, (int)m->count, 0);
	for (unsigned i = 0; i < m->count; i++) {
		lua_newtable(L);
		lua_pushinteger(L, (lua_Integer)m->entries[i].uid);
		lua_setfield(L, -2, "uid");
		lua_pushinteger(L, (lua_Integer)m->entries[i].octets);
		lua_setfield(L, -2, "octets");
		lua_pushboolean(L, (m->entries[i].flags & MESSAGE_DOT_LINES) != 0);
		lua_setfield(L, -2, "dot_lines");
		maildrop_uidl(m, i, uidl);
		lua_pushstring(L, uidl);
		lua_setfield(L, -2, "uidl");
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

static int l_facts(lua_State *L)
{
	struct maildrop *m = check_drop(L)->maildrop;

	lua_newtable(L);
	lua_pushinteger(L, m->count);
	lua_setfield(L, -2, "count");
	lua_pushinteger(L, (lua_Integer)m->octets);
	lua_setfield(L, -2, "octets");
	lua_pushinteger(L, m->uidvalidity);
	lua_setfield(L, -2, "uidvalidity");
	lua_pushinteger(L, m->last_login);
	lua_setfield(L, -2, "last_login");
	return 1;
}

/* drop:login_time(seconds since 1970) */
static int l_login_time(lua_State *L)
{
	check_drop(L)->maildrop->login_time = luaL_checkinteger(L, 2);
	return 0;
}

struct reading { struct buf text; enum status st; bool called, over; struct loop *loop; };

static void on_read(void *owner, enum status st, struct slice octets)
{
	struct reading *r = owner;

	r->called = true;
	r->st = st;
	r->over = st != ST_OK || octets.len == 0;
	(void)buf_append(&r->text, octets);
	loop_stop(r->loop);
}

/* drop:read(index, most per call) -> text, or nil and the status */
static int l_read(lua_State *L)
{
	struct drop *d = check_drop(L);
	unsigned index = (unsigned)luaL_checkinteger(L, 2) - 1;
	size_t max = (size_t)luaL_optinteger(L, 3, 65536);
	struct reading r = { .loop = d->client->loop };

	buf_init(&r.text, 0);
	luaL_argcheck(L, index < d->maildrop->count, 2, "no such message");
	while (!r.over) {
		r.called = false;
		d->maildrop->ops->read(d->maildrop, index, buf_len(&r.text), max, on_read, &r);
		while (!r.called)
			store_run_loop(d->client, L, 10000);
	}
	if (r.st == ST_OK)
		lua_pushlstring(L, buf_slice(&r.text).ptr, buf_len(&r.text));
	buf_free(&r.text);
	return r.st == ST_OK ? 1 : store_push_status(L, r.st);
}

/* drop:range(index, offset, max) -> the octets of the range, its length; or nothing */
static int l_range(lua_State *L)
{
	struct maildrop *m = check_drop(L)->maildrop;
	luaL_Buffer b;
	struct file_range r;

	if (!m->ops->range(m, (unsigned)luaL_checkinteger(L, 2) - 1, (uint64_t)luaL_checkinteger(L, 3),
	                   (size_t)luaL_checkinteger(L, 4), &r))
		return 0;
	char *room = luaL_buffinitsize(L, &b, r.octets);
	ssize_t n = pread(r.fd, room, r.octets, (off_t)r.offset);

	luaL_pushresultsize(&b, n > 0 ? (size_t)n : 0);
	lua_pushinteger(L, (lua_Integer)r.octets);
	return 2;
}

/* drop:touch(index, offset) -> how many octets one read gave, as a session that streams asks */
static int l_touch(lua_State *L)
{
	struct drop *d = check_drop(L);
	struct reading r = { .loop = d->client->loop };

	buf_init(&r.text, 0);
	d->maildrop->ops->read(d->maildrop, (unsigned)luaL_checkinteger(L, 2) - 1,
	                       (uint64_t)luaL_checkinteger(L, 3), 65536, on_read, &r);
	while (!r.called)
		store_run_loop(d->client, L, 10000);
	lua_pushinteger(L, (lua_Integer)buf_len(&r.text));
	buf_free(&r.text);
	return r.st == ST_OK ? 1 : store_push_status(L, r.st);
}

static void on_read_closed(void *owner, enum status st, struct slice octets)
{
	(void)owner, (void)st, (void)octets;
}

/* drop:read_and_close(index): begin to read, close before or in the middle of it */
static int l_read_and_close(lua_State *L)
{
	struct drop *d = check_drop(L);

	d->maildrop->ops->read(d->maildrop, (unsigned)luaL_checkinteger(L, 2) - 1,
	                       (uint64_t)luaL_optinteger(L, 3, 0), 65536, on_read_closed, NULL);
	d->maildrop->ops->close(d->maildrop);
	d->maildrop = NULL;
	return 0;
}

/* drop:commit{index, ...} -> op */
static int l_commit(lua_State *L)
{
	struct drop *d = check_drop(L);
	unsigned count = (unsigned)luaL_len(L, 2);
	unsigned *indexes = mem_array(count, sizeof(*indexes));

	for (unsigned i = 0; i < count; i++) {
		lua_rawgeti(L, 2, (lua_Integer)i + 1);
		indexes[i] = (unsigned)lua_tointeger(L, -1) - 1;
		lua_pop(L, 1);
	}
	struct op *o = d->op = store_new_op(d->client, L);

	o->holder = &d->op;
	d->maildrop->ops->commit(d->maildrop, indexes, count, store_op_done, o);
	free(indexes);
	return 1;
}

static int l_close(lua_State *L)
{
	struct drop *d = luaL_checkudata(L, 1, DROP_MT);

	if (d->maildrop && d->client->client)
		d->maildrop->ops->close(d->maildrop);
	d->maildrop = NULL;
	if (d->op)
		store_end_op(d->op, ST_CANCELED);
	return 0;
}

const luaL_Reg store_maildrop_methods[] = { { "open", l_open }, { NULL, NULL } };

void store_maildrop_metatable(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "entries", l_entries }, { "facts", l_facts }, { "login_time", l_login_time }, { "read", l_read },
		{ "range", l_range }, { "touch", l_touch }, { "read_and_close", l_read_and_close },
		{ "commit", l_commit }, { "close", l_close },
		{ "__gc", l_close }, { NULL, NULL },
	};

	luaL_newmetatable(L, DROP_MT);
	luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}
