/* core/store for specs: operations of a client that change something, and listings. */
#include "bind_store.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct op *store_new_op(struct client *c, lua_State *L)
{
	struct op *o = MEM_NEW(struct op);

	o->client = c;
	c->L = L;
	c->pending++;
	arena_init(&o->arena);
	buf_init(&o->text, 0);
	lua_newtable(L);
	lua_pushvalue(L, -1);
	o->ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return o;
}

lua_State *store_push_op(struct op *o)
{
	lua_rawgeti(o->client->L, LUA_REGISTRYINDEX, o->ref);
	return o->client->L;
}

void store_end_op(struct op *o, enum status st)
{
	lua_State *L = store_push_op(o);

	if (o->holder)
		*o->holder = NULL;
	lua_pushstring(L, status_name(st));
	lua_setfield(L, -2, "status");
	lua_pushboolean(L, true);
	lua_setfield(L, -2, "done");
	lua_pop(L, 1);
	luaL_unref(L, LUA_REGISTRYINDEX, o->ref);
	message_free(o->message);
	arena_reset(&o->arena);
	buf_free(&o->text);
	facts_clear(&o->facts);
	o->client->pending--;
	loop_stop(o->client->loop);
	free(o);
}

void store_op_done(void *owner, enum status st)
{
	store_end_op(owner, st);
}

static struct message *make_message(lua_State *L, struct client *c, int index)
{
	struct message *m = message_new(store_client_mailboxes(c->client)->spool);
	struct slice text;

	text.ptr = luaL_checklstring(L, index, &text.len);
	if (message_append(m, text) != ST_OK) {
		message_free(m);
		luaL_error(L, "the message cannot be made");
	}
	return m;
}

static void delivered(void *owner, enum status st)
{
	struct op *o = owner;
	lua_State *L = store_push_op(o);

	lua_newtable(L);
	for (unsigned i = 0; i < o->envelope.recipient_count; i++) {
		lua_pushstring(L, status_name(o->delivery.results[i]));
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "results");
	lua_newtable(L);
	for (unsigned i = 0; i < o->envelope.recipient_count; i++) {
		lua_pushinteger(L, (lua_Integer)o->delivery.uids[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "uids");
	lua_pop(L, 1);
	store_end_op(o, st);
}

/* client:deliver(sender, {mailbox, ...}, text, {nth of the discarded = true}) -> op */
static int l_deliver(lua_State *L)
{
	struct client *c = store_check_client(L);
	unsigned count = (unsigned)luaL_len(L, 3);
	struct message *m = make_message(L, c, 4);
	struct op *o = store_new_op(c, L);
	int table = lua_gettop(L);

	o->message = m;
	o->envelope.sender = arena_copy(&o->arena, slice_from(luaL_checkstring(L, 2)));
	o->envelope.recipient_count = count;
	o->envelope.recipients = arena_alloc(&o->arena, count * sizeof(*o->envelope.recipients));
	for (unsigned i = 0; i < count; i++) {
		lua_rawgeti(L, 3, (lua_Integer)i + 1);
		o->envelope.recipients[i].mailbox = arena_copy(&o->arena, slice_from(lua_tostring(L, -1)));
		if (lua_istable(L, 5)) {
			lua_rawgeti(L, 5, (lua_Integer)i + 1);
			o->envelope.recipients[i].discard = lua_toboolean(L, -1);
		}
		lua_settop(L, table);
	}
	facts_init(&o->facts);
	o->delivery = (struct delivery){
		.facts = &o->facts, .envelope = &o->envelope, .message = m, .done = delivered, .owner = o,
		.results = arena_alloc(&o->arena, count * sizeof(enum status)),
		.uids = arena_alloc(&o->arena, count * sizeof(uint64_t)),
	};
	lua_pushlightuserdata(L, o);
	lua_setfield(L, table, "op");
	struct mailbox_provider *p = store_client_mailboxes(c->client);

	p->ops->deliver(p, &o->delivery);
	return 1;
}

/* client:cancel(op): of a delivery */
static int l_cancel(lua_State *L)
{
	store_check_client(L);
	lua_getfield(L, 2, "op");
	struct op *o = lua_touserdata(L, -1);

	o->delivery.cancel(&o->delivery);
	memset(o->message->memory.data, '!', o->message->memory.cap);
	store_end_op(o, ST_CANCELED);
	return 0;
}

/* client:import(mailbox, text, uidl or nil, received) -> op */
static int l_import(lua_State *L)
{
	struct client *c = store_check_client(L);
	struct message *m = make_message(L, c, 3);
	struct op *o = store_new_op(c, L);

	o->message = m;
	store_mailbox_import(c->client, slice_from(luaL_checkstring(L, 2)), m,
	                     luaL_optstring(L, 4, NULL), luaL_optinteger(L, 5, 0), store_op_done, o);
	return 1;
}

static int l_mailbox_quota(lua_State *L)
{
	struct client *c = store_check_client(L);
	struct op *o = store_new_op(c, L);

	store_mailbox_quota(c->client, slice_from(luaL_checkstring(L, 2)),
	                    (uint64_t)luaL_checkinteger(L, 3), (uint64_t)luaL_checkinteger(L, 4),
	                    store_op_done, o);
	return 1;
}

typedef void remove_fn(struct store_client *c, struct slice name, store_done_fn *done, void *owner);

static int remove_by(lua_State *L, remove_fn *fn)
{
	struct client *c = store_check_client(L);
	struct slice name = slice_from(luaL_checkstring(L, 2));
	struct op *o = store_new_op(c, L);

	fn(c->client, name, store_op_done, o);
	return 1;
}

static int l_mailbox_remove(lua_State *L) { return remove_by(L, store_mailbox_remove); }
static int l_user_remove(lua_State *L) { return remove_by(L, store_user_remove); }
static int l_domain_remove(lua_State *L) { return remove_by(L, store_domain_remove); }
static int l_alias_remove(lua_State *L) { return remove_by(L, store_alias_remove); }

static void push_mailbox(lua_State *L, const struct store_mailbox *m)
{
	lua_newtable(L);
	lua_pushstring(L, m->name);
	lua_setfield(L, -2, "name");
#define FIELD(name) (lua_pushinteger(L, (lua_Integer)m->name), lua_setfield(L, -2, #name))
	FIELD(id);
	FIELD(count);
	FIELD(octets);
	FIELD(quota_octets);
	FIELD(quota_messages);
	FIELD(uidnext);
	FIELD(uidvalidity);
#undef FIELD
}

int store_push_status(lua_State *L, enum status st)
{
	lua_pushnil(L);
	lua_pushstring(L, status_name(st));
	return 2;
}

static int l_mailbox_get(lua_State *L)
{
	struct client *c = store_check_client(L);
	struct store_mailbox m;
	struct arena a;

	arena_init(&a);
	enum status st = store_mailbox_get(c->client, slice_from(luaL_checkstring(L, 2)), &a, &m);

	if (st == ST_OK)
		push_mailbox(L, &m);
	arena_reset(&a);
	return st == ST_OK ? 1 : store_push_status(L, st);
}

/* client:mailbox_names() -> {name, ...} in order */
static int l_mailbox_names(lua_State *L)
{
	struct client *c = store_check_client(L);
	struct store_mailbox m;
	struct arena a;
	char *cursor = NULL;

	arena_init(&a);
	lua_newtable(L);
	for (lua_Integer i = 1; store_mailbox_next(c->client, &cursor, &a, &m) == ST_OK; i++) {
		lua_pushstring(L, m.name);
		lua_rawseti(L, -2, i);
	}
	arena_reset(&a);
	return 1;
}

static int l_mailbox_room(lua_State *L)
{
	struct client *c = store_check_client(L);

	lua_pushstring(L, status_name(store_mailbox_room(c->client, slice_from(luaL_checkstring(L, 2)),
	                                                 (uint64_t)luaL_checkinteger(L, 3))));
	return 1;
}

static int l_room(lua_State *L)
{
	struct mailbox_provider *p = store_client_mailboxes(store_check_client(L)->client);

	lua_pushstring(L, status_name(p->ops->room(p, (uint64_t)luaL_optinteger(L, 2, 0))));
	return 1;
}

static void counted(void *owner, enum status st, const struct store_numbers *n)
{
	struct op *o = owner;
	lua_State *L = store_push_op(o);

	lua_newtable(L);
#define FIELD(name) (lua_pushinteger(L, (lua_Integer)n->name), lua_setfield(L, -2, #name))
	FIELD(commits);
	FIELD(messages);
	FIELD(deletions);
	FIELD(requests_queued);
	FIELD(batch_p50);
	FIELD(batch_max);
	FIELD(commit_us_p50);
	FIELD(commit_us_p99);
	FIELD(flush_us_p50);
	FIELD(pages_used);
	FIELD(pages_free);
	FIELD(map_octets);
	FIELD(disk_free_octets);
	FIELD(reader_lag);
	FIELD(transactions);
	FIELD(dict_entries);
	FIELD(durable_entries);
	FIELD(durable_octets);
	FIELD(durable_expired);
#undef FIELD
	lua_setfield(L, -2, "numbers");
	lua_pop(L, 1);
	store_end_op(o, st);
}

static int l_numbers(lua_State *L)
{
	struct client *c = store_check_client(L);

	store_numbers_get(c->client, counted, store_new_op(c, L));
	return 1;
}

const luaL_Reg store_delivery_methods[] = {
	{ "deliver", l_deliver }, { "cancel", l_cancel }, { "import", l_import },
	{ "mailbox_quota", l_mailbox_quota }, { "mailbox_remove", l_mailbox_remove },
	{ "user_remove", l_user_remove }, { "domain_remove", l_domain_remove },
	{ "alias_remove", l_alias_remove }, { "mailbox", l_mailbox_get },
	{ "mailbox_names", l_mailbox_names }, { "mailbox_room", l_mailbox_room },
	{ "room", l_room }, { "numbers", l_numbers }, { NULL, NULL },
};
