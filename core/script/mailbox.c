/* Opening: each backend is asked in turn whether the mailbox is its own. */
#include "script/mailbox.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/place.h"
#include "script/breaker.h"
#include "script/ledger.h"
#include "script/plugin.h"
#include "script/session.h"
#include "script/state.h"

struct opening {
	struct list         link;         /* in script->opens */
	struct script      *script;
	struct facts       *facts;
	char               *mailbox;
	maildrop_opened_fn *done;
	void               *owner;
	struct list        *at;           /* the backend asked now */
	struct call        *call;
	struct drop        *drop;         /* what the backend's answer goes into */
	bool                mine;         /* the backend opened it */
	char               *error;        /* "busy" or why not now; NULL: not its own */
};

static void ask_backend(struct opening *o);

void mailbox_push_glue(lua_State *L, struct backend *b, const char *name)
{
	struct call *c = script_of(L)->current;

	if (c) {
		c->fn = b->table;
		c->member = name;
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->glue);
	lua_getfield(L, -1, name);
	lua_remove(L, -2);
	lua_rawgeti(L, LUA_REGISTRYINDEX, b->table);
}

static struct mailbox_provider *next_provider(struct script *s)
{
	return s->setup.next_mailboxes;
}

static void free_opening(struct opening *o)
{
	drop_free(o->drop);
	list_remove(&o->link);
	free(o->mailbox);
	free(o->error);
	free(o);
}

/* ---- one backend's turn ---- */

static int when_opened(lua_State *L, int status, lua_KContext context)
{
	struct opening *o = (struct opening *)context;

	(void)status;
	if (lua_isnil(L, 1) || lua_isboolean(L, 1)) {
		if (!lua_isnil(L, 2))
			o->error = mem_strdup(luaL_tolstring(L, 2, NULL));
		return 0;
	}
	drop_fill(L, o->drop);
	o->mine = true;
	return 0;
}

static int run_open(lua_State *L)
{
	struct opening *o = lua_touserdata(L, 1);

	lua_settop(L, 0);
	mailbox_push_glue(L, o->drop->backend, "open");
	session_push(L, o->facts);
	lua_pushstring(L, o->mailbox);
	return call_function(L, 3, 5, when_opened, o);
}

static void settle(struct opening *o, enum status st)
{
	maildrop_opened_fn *done = o->done;
	void *owner = o->owner;
	struct maildrop *m = NULL;

	if (st == ST_OK) {
		m = &o->drop->maildrop;
		list_append(&o->script->drops, &o->drop->link);
		o->drop = NULL;
	}
	free_opening(o);
	done(owner, st, m);
}

/* Nobody here has it. */
static void hand_on(struct opening *o)
{
	struct mailbox_provider *next = next_provider(o->script);
	struct facts *f = o->facts;
	maildrop_opened_fn *done = o->done;
	void *owner = o->owner;
	char *mailbox = o->mailbox;

	o->mailbox = NULL;
	free_opening(o);
	if (next)
		next->ops->open(next, f, slice_from(mailbox), done, owner);
	else
		done(owner, ST_UNSUPPORTED, NULL);
	free(mailbox);
}

static void on_done(void *owner, enum call_outcome outcome)
{
	struct opening *o = owner;

	o->call = NULL;
	breaker_tell(o->drop->backend->plugin, outcome == CALL_OK);
	if (outcome != CALL_OK) {
		settle(o, ST_TEMPFAIL);
	} else if (o->mine) {
		settle(o, ST_OK);
	} else if (o->error && strcmp(o->error, "busy") == 0) {
		settle(o, ST_BUSY);
	} else if (o->error) {
		log_warn("a mailbox cannot be opened now", "plugin",
		         plugin_name(o->drop->backend->plugin), "mailbox", o->mailbox, "session",
		         o->facts->id, "error", o->error, NULL);
		settle(o, ST_TEMPFAIL);
	} else {
		o->at = ledger_next_backend(o->script, o->at);
		ask_backend(o);
	}
}

static void ask_backend(struct opening *o)
{
	struct backend *b;

	drop_free(o->drop);
	o->drop = NULL;
	if (o->at == &o->script->backends) {
		hand_on(o);
		return;
	}
	b = CONTAINER_OF(o->at, struct backend, link);
	/* Never skipped: the next one might take the mailbox for its own. */
	if (breaker_ask(b->plugin, "mailbox", false) != BREAKER_CALL) {
		settle(o, ST_TEMPFAIL);
		return;
	}
	o->drop = drop_new(o->script, b, slice_from(o->mailbox), o->facts);
	if (drop_lock(o->drop) != ST_OK) {
		settle(o, ST_BUSY);
		return;
	}
	o->call = call_new(o->script, b->plugin, "mailbox", on_done, o);
	if (!o->call) {
		settle(o, ST_TEMPFAIL);
		return;
	}
	o->call->session = o->facts->id;
	call_start(o->call, run_open);
}

/* ---- the provider ---- */

static void open_mailbox(struct mailbox_provider *p, const struct facts *f, struct slice mailbox,
                         maildrop_opened_fn *done, void *owner)
{
	struct script *s = CONTAINER_OF(p, struct script, mailboxes);
	struct opening *o = MEM_NEW(struct opening);

	o->script = s;
	o->facts = (struct facts *)(uintptr_t)f;   /* the session object hangs on it */
	o->mailbox = mem_slice_dup(mailbox);
	o->done = done;
	o->owner = owner;
	o->at = s->backends.next;
	list_init(&o->link);
	list_append(&s->opens, &o->link);
	ask_backend(o);
}

static void cancel(struct opening *o)
{
	if (o->call)
		call_cancel(o->call);
	free_opening(o);
}

static void cancel_open(struct mailbox_provider *p, void *owner)
{
	struct script *s = CONTAINER_OF(p, struct script, mailboxes);

	LIST_EACH(&s->opens, link) {
		struct opening *o = CONTAINER_OF(link, struct opening, link);

		if (o->owner == owner) {
			cancel(o);
			return;
		}
	}
	if (next_provider(s))
		next_provider(s)->ops->cancel_open(next_provider(s), owner);
}

static enum status room(struct mailbox_provider *p, uint64_t octets)
{
	struct mailbox_provider *next = next_provider(CONTAINER_OF(p, struct script, mailboxes));

	return next ? next->ops->room(next, octets) : ST_OK;
}

static int l_load_glue(lua_State *L)
{
	struct script *s = script_of(L);
	const char *file = lua_pushfstring(L, "%s/lua/moonpost/backend.lua", place_data());

	if (luaL_loadfilex(L, file, "t") != LUA_OK)
		return lua_error(L);
	lua_call(L, 0, 1);
	s->glue = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

bool mailbox_init(struct script *s, char **error)
{
	static const struct mailbox_ops ops = {
		.open = open_mailbox, .cancel_open = cancel_open, .deliver = delivery_start, .room = room,
	};

	s->mailboxes.ops = &ops;
	s->mailboxes.spool = next_provider(s) ? next_provider(s)->spool : NULL;
	if (list_empty(&s->backends))
		return true;
	return script_protect(s, l_load_glue, NULL, 1000, error);
}

void mailbox_stop(struct script *s)
{
	LIST_EACH(&s->opens, link)
		cancel(CONTAINER_OF(link, struct opening, link));
	LIST_EACH(&s->drops, link)
		drop_free(CONTAINER_OF(link, struct drop, link));
}
