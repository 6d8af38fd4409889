/* Mailboxes of plugins for specs of core/script, and the fake provider behind them. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bind_script.h"

static const char drop_metatable[] = "spec.script.drop";
static const char delivery_metatable[] = "spec.script.delivery";

/* The pointer comes first: an on_delete question finds the maildrop there. */
struct spec_drop {
	struct maildrop *drop;
	struct stage    *stage;
	bool             pending, over;
	enum status      status;
	struct buf       octets;
	char            *mailbox;
};

struct spec_delivery {
	struct stage        *stage;
	struct delivery      d;
	struct envelope      envelope;
	struct envelope_recipient recipients[8];
	enum status          results[8];
	struct message      *message;
	bool                 pending;
	enum status          status;
};

/* ---- what is behind the plugins ---- */

static void fake_open(struct mailbox_provider *p, const struct facts *f, struct slice mailbox,
                      maildrop_opened_fn *done, void *owner)
{
	struct stage *s = CONTAINER_OF(p, struct stage, mailboxes);

	(void)f, (void)mailbox;
	s->fallback_opens++;
	done(owner, ST_UNSUPPORTED, NULL);
}

static void fake_cancel(struct mailbox_provider *p, void *owner)
{
	(void)p, (void)owner;
}

static void fake_deliver(struct mailbox_provider *p, struct delivery *d)
{
	struct stage *s = CONTAINER_OF(p, struct stage, mailboxes);

	for (unsigned i = 0; i < d->envelope->recipient_count; i++) {
		if (d->envelope->recipients[i].discard)
			continue;
		s->fallback_deliveries++;
		d->results[i] = ST_OK;
	}
	d->done(d->owner, ST_OK);
}

static enum status fake_room(struct mailbox_provider *p, uint64_t octets)
{
	(void)p, (void)octets;
	return ST_OK;
}

void bind_script_mailbox_init(struct stage *s)
{
	static const struct mailbox_ops ops = { fake_open, fake_cancel, fake_deliver, fake_room };

	s->mailboxes = (struct mailbox_provider){ &ops, NULL };
}

/* ---- maildrops ---- */

static void settle_drop(struct spec_drop *d, enum status st)
{
	d->status = st;
	d->pending = false;
	stage_settled(d->stage);
}

static void on_opened(void *owner, enum status st, struct maildrop *m)
{
	struct spec_drop *d = owner;

	d->drop = m;
	settle_drop(d, st);
}

/* stage:open(session, mailbox) -> drop; drop:status() says how it went */
static int l_open(lua_State *L)
{
	struct stage *s = stage_check(L);
	struct facts *f = stage_check_session(L, 2);
	struct spec_drop *d = lua_newuserdatauv(L, sizeof(*d), 2);
	struct mailbox_provider *p = script_mailboxes(s->script);

	*d = (struct spec_drop){ .stage = s, .pending = true };
	buf_init(&d->octets, 0);
	luaL_setmetatable(L, drop_metatable);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	lua_pushvalue(L, 2);
	lua_setiuservalue(L, -2, 2);
	d->mailbox = mem_strdup(luaL_checkstring(L, 3));
	s->pending++;
	p->ops->open(p, f, slice_from(d->mailbox), on_opened, d);
	return 1;
}

static struct spec_drop *check_drop(lua_State *L)
{
	return luaL_checkudata(L, 1, drop_metatable);
}

static int l_drop_status(lua_State *L)
{
	struct spec_drop *d = check_drop(L);

	if (d->pending)
		return 0;
	stage_push_status(L, d->status);
	return 1;
}

/* drop:list() -> { { octets =, uidl = } } */
static int l_list(lua_State *L)
{
	struct spec_drop *d = check_drop(L);
	char uidl[UIDL_SIZE];

	luaL_argcheck(L, d->drop, 1, "not open");
	lua_newtable(L);
	for (unsigned i = 0; i < d->drop->count; i++) {
		lua_newtable(L);
		maildrop_uidl(d->drop, i, uidl);
		lua_pushstring(L, uidl);
		lua_setfield(L, -2, "uidl");
		lua_pushinteger(L, (lua_Integer)d->drop->entries[i].octets);
		lua_setfield(L, -2, "octets");
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

static void on_read(void *owner, enum status st, struct slice octets)
{
	struct spec_drop *d = owner;

	buf_reset(&d->octets);
	(void)buf_append(&d->octets, octets);
	settle_drop(d, st);
}

/* drop:read(index, offset, max), then drop:octets() */
static int l_read(lua_State *L)
{
	struct spec_drop *d = check_drop(L);

	d->pending = true;
	d->stage->pending++;
	d->drop->ops->read(d->drop, (unsigned)luaL_checkinteger(L, 2) - 1,
	                   (uint64_t)luaL_checkinteger(L, 3), (size_t)luaL_checkinteger(L, 4), on_read, d);
	return 0;
}

static int l_octets(lua_State *L)
{
	struct slice s = buf_slice(&check_drop(L)->octets);

	lua_pushlstring(L, s.len ? s.ptr : "", s.len);
	return 1;
}

static void on_committed(void *owner, enum status st)
{
	settle_drop(owner, st);
}

/* drop:commit{ indexes } */
static int l_commit(lua_State *L)
{
	struct spec_drop *d = check_drop(L);
	unsigned indexes[16], count = (unsigned)lua_rawlen(L, 2);

	for (unsigned i = 0; i < count; i++) {
		lua_rawgeti(L, 2, (lua_Integer)i + 1);
		indexes[i] = (unsigned)lua_tointeger(L, -1) - 1;
		lua_pop(L, 1);
	}
	d->pending = true;
	d->stage->pending++;
	d->drop->ops->commit(d->drop, indexes, count, on_committed, d);
	return 0;
}

static int l_drop_close(lua_State *L)
{
	struct spec_drop *d = check_drop(L);

	if (d->stage && d->stage->script) {
		if (d->drop)
			d->drop->ops->close(d->drop);
		else if (d->pending)
			script_mailboxes(d->stage->script)->ops->cancel_open(script_mailboxes(d->stage->script), d);
		if (d->pending)
			stage_settled(d->stage);
	}
	d->pending = false;
	d->drop = NULL;
	buf_free(&d->octets);
	free(d->mailbox);
	d->mailbox = NULL;
	return 0;
}

/* ---- delivery ---- */

static void on_delivered(void *owner, enum status st)
{
	struct spec_delivery *g = owner;

	g->pending = false;
	g->status = st;
	stage_settled(g->stage);
}

static void take_recipients(lua_State *L, struct spec_delivery *g)
{
	unsigned count = (unsigned)lua_rawlen(L, 3);

	luaL_argcheck(L, count <= 8, 3, "at most 8");
	for (unsigned i = 0; i < count; i++) {
		struct slice name;

		lua_rawgeti(L, 3, (lua_Integer)i + 1);
		name.ptr = luaL_checklstring(L, -1, &name.len);
		g->recipients[i] = (struct envelope_recipient){ .address = name, .mailbox = name };
		lua_pop(L, 1);
	}
	g->envelope = (struct envelope){
		.sender = SLICE("sender@example.test"), .recipients = g->recipients, .recipient_count = count,
	};
}

/* stage:deliver(session, { mailbox, ... }, octets, spool) -> delivery */
static int l_deliver(lua_State *L)
{
	struct stage *s = stage_check(L);
	struct facts *f = stage_check_session(L, 2);
	struct mailbox_provider *p = script_mailboxes(s->script);
	struct spec_delivery *g;
	struct slice octets;

	lua_settop(L, 5);
	octets.ptr = luaL_checklstring(L, 4, &octets.len);
	g = lua_newuserdatauv(L, sizeof(*g), 3);
	*g = (struct spec_delivery){ .stage = s };
	luaL_setmetatable(L, delivery_metatable);
	for (int i = 1; i <= 3; i++) {
		lua_pushvalue(L, i);
		lua_setiuservalue(L, -2, i);
	}
	take_recipients(L, g);
	g->message = message_new(lua_tostring(L, 5));
	(void)message_append(g->message, octets);
	g->pending = true;
	s->pending++;
	g->d = (struct delivery){ .facts = f, .envelope = &g->envelope, .message = g->message,
	                          .results = g->results, .done = on_delivered, .owner = g };
	p->ops->deliver(p, &g->d);
	return 1;
}

static struct spec_delivery *check_delivery(lua_State *L)
{
	return luaL_checkudata(L, 1, delivery_metatable);
}

/* delivery:results() -> { "OK", "QUOTA" }, or nil while it waits */
static int l_results(lua_State *L)
{
	struct spec_delivery *g = check_delivery(L);

	if (g->pending)
		return 0;
	lua_newtable(L);
	for (unsigned i = 0; i < g->envelope.recipient_count; i++) {
		stage_push_status(L, g->results[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

static int l_delivery_cancel(lua_State *L)
{
	struct spec_delivery *g = check_delivery(L);

	if (g->pending && g->stage->script && g->d.cancel) {
		g->d.cancel(&g->d);
		stage_settled(g->stage);
	}
	g->pending = false;
	message_free(g->message);
	g->message = NULL;
	return 0;
}

static void make_metatable(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction gc)
{
	luaL_newmetatable(L, name);
	lua_newtable(L);
	luaL_setfuncs(L, methods, 0);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
}

void bind_script_mailbox(lua_State *L)
{
	static const luaL_Reg stage[] = { { "open", l_open }, { "deliver", l_deliver }, { NULL, NULL } };
	static const luaL_Reg drop[] = {
		{ "status", l_drop_status }, { "list", l_list }, { "read", l_read }, { "octets", l_octets },
		{ "commit", l_commit }, { "close", l_drop_close }, { NULL, NULL },
	};
	static const luaL_Reg delivery[] = {
		{ "results", l_results }, { "cancel", l_delivery_cancel }, { NULL, NULL },
	};

	make_metatable(L, drop_metatable, drop, l_drop_close);
	make_metatable(L, delivery_metatable, delivery, l_delivery_cancel);
	luaL_setfuncs(L, stage, 0);
}
