/* One message to all its recipients: backends get theirs one by one, what is left goes to the next
 * provider in one piece. */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "script/arguments.h"
#include "script/breaker.h"
#include "script/ledger.h"
#include "script/mailbox.h"
#include "script/plugin.h"
#include "script/state.h"
#include "script/view.h"

struct delivering {
	struct script     *script;
	struct delivery   *delivery;
	unsigned           index;         /* recipient at hand */
	struct list       *at;            /* backend at hand */
	struct call       *call;
	struct handle     *lent;
	bool               stored;
	char              *error;
	/* what is left for the next provider */
	struct envelope            envelope;
	struct envelope_recipient *recipients;
	enum status               *results;
	uint64_t                  *uids;
	struct delivery            inner;
	unsigned                   left;
};

static void deliver_next(struct delivering *g);

static void free_delivering(struct delivering *g)
{
	handle_revoke(&g->lent);
	free(g->recipients);
	free(g->results);
	free(g->uids);
	free(g->error);
	free(g);
}

static void settle(struct delivering *g, enum status st)
{
	struct delivery *d = g->delivery;

	d->cancel = NULL;
	d->work = NULL;
	free_delivering(g);
	d->done(d->owner, st);
}

static void cancel(struct delivery *d)
{
	struct delivering *g = d->work;

	d->cancel = NULL;
	d->work = NULL;
	if (g->call) {
		handle_revoke(&g->lent);
		g->delivery = NULL;
		call_cancel(g->call);             /* on_gone frees */
		return;
	}
	if (g->inner.cancel)
		g->inner.cancel(&g->inner);
	free_delivering(g);
}

/* Cancelled, by its session or by the end of the script. */
static void on_gone(void *owner)
{
	struct delivering *g = owner;

	if (g->delivery) {
		g->delivery->cancel = NULL;
		g->delivery->work = NULL;
	}
	free_delivering(g);
}

/* ---- the rest ---- */

static void on_rest(void *owner, enum status st)
{
	struct delivering *g = owner;

	for (unsigned i = 0; i < g->envelope.recipient_count; i++)
		if (!g->recipients[i].discard) {
			g->delivery->results[i] = st == ST_OK ? g->results[i] : st;
			if (g->delivery->uids)
				g->delivery->uids[i] = g->uids[i];
		}
	/* Those that backends took stay taken, whatever the others met. */
	settle(g, ST_OK);
}

static void deliver_rest(struct delivering *g)
{
	struct mailbox_provider *next = g->script->setup.next_mailboxes;
	struct delivery *d = g->delivery;

	if (g->left == 0) {
		settle(g, ST_OK);
		return;
	}
	if (!next) {
		on_rest(g, ST_UNSUPPORTED);
		return;
	}
	g->inner = (struct delivery){
		.facts = d->facts, .envelope = &g->envelope, .message = d->message,
		.results = g->results, .uids = g->uids, .done = on_rest, .owner = g,
	};
	next->ops->deliver(next, &g->inner);
}

/* ---- one backend, one recipient ---- */

static int when_appended(lua_State *L, int status, lua_KContext context)
{
	struct delivering *g = (struct delivering *)context;

	(void)status;
	g->stored = lua_toboolean(L, 1);
	if (!g->stored && !lua_isnil(L, 2))
		g->error = mem_strdup(lua_tostring(L, 2));
	return 0;
}

static int run_append(lua_State *L)
{
	struct delivering *g = lua_touserdata(L, 1);
	struct backend *b = CONTAINER_OF(g->at, struct backend, link);
	struct slice name = g->recipients[g->index].mailbox;

	lua_settop(L, 0);
	mailbox_push_glue(L, b, "append");
	lua_pushlstring(L, name.len ? name.ptr : "", name.len);
	view_push(L, g->delivery->message, false, &g->lent);
	arguments_push_envelope(L, g->delivery->envelope);
	return call_function(L, 4, 2, when_appended, g);
}

/* The backend's word for the recipient at hand is final. */
static void set_result(struct delivering *g, enum status st)
{
	g->delivery->results[g->index] = st;
	g->recipients[g->index].discard = true;
	g->left--;
	g->index++;
	g->at = g->script->backends.next;
}

static enum status status_of_error(struct delivering *g)
{
	struct backend *b = CONTAINER_OF(g->at, struct backend, link);

	if (strcmp(g->error, "quota") == 0)
		return ST_QUOTA;
	log_warn("a message cannot be stored now", "plugin", plugin_name(b->plugin), "session",
	         g->delivery->facts->id, "error", g->error, NULL);
	return strcmp(g->error, "nospace") == 0 ? ST_NOSPACE : ST_TEMPFAIL;
}

static void on_done(void *owner, enum call_outcome outcome)
{
	struct delivering *g = owner;

	g->call = NULL;
	handle_revoke(&g->lent);
	breaker_tell(CONTAINER_OF(g->at, struct backend, link)->plugin, outcome == CALL_OK);
	if (outcome != CALL_OK)
		set_result(g, ST_TEMPFAIL);
	else if (g->stored)
		set_result(g, ST_OK);
	else if (g->error)
		set_result(g, status_of_error(g));
	else
		g->at = ledger_next_backend(g->script, g->at);
	free(g->error);
	g->error = NULL;
	deliver_next(g);
}

/* Find the next recipient and backend that have not met. */
static void deliver_next(struct delivering *g)
{
	struct backend *b;

	while (g->index < g->envelope.recipient_count) {
		if (g->recipients[g->index].discard || g->at == &g->script->backends) {
			g->index++;
			g->at = g->script->backends.next;
			continue;
		}
		b = CONTAINER_OF(g->at, struct backend, link);
		if (!b->appends) {
			g->at = ledger_next_backend(g->script, g->at);
			continue;
		}
		if (breaker_ask(b->plugin, "mailbox", false) != BREAKER_CALL) {
			set_result(g, ST_TEMPFAIL);
			continue;
		}
		g->stored = false;
		g->call = call_new(g->script, b->plugin, "mailbox", on_done, g);
		if (!g->call) {
			set_result(g, ST_TEMPFAIL);
			continue;
		}
		g->call->gone = on_gone;
		g->call->session = g->delivery->facts->id;
		call_start(g->call, run_append);
		return;
	}
	deliver_rest(g);
}

void delivery_start(struct mailbox_provider *p, struct delivery *d)
{
	struct delivering *g = MEM_NEW(struct delivering);
	unsigned count = d->envelope->recipient_count;

	g->script = CONTAINER_OF(p, struct script, mailboxes);
	g->delivery = d;
	g->envelope = *d->envelope;
	g->recipients = g->envelope.recipients = mem_array(count, sizeof(*g->recipients));
	g->results = mem_array(count, sizeof(*g->results));
	g->uids = mem_array(count, sizeof(*g->uids));
	if (count)
		memcpy(g->recipients, d->envelope->recipients, count * sizeof(*g->recipients));
	for (unsigned i = 0; i < count; i++)
		g->left += !g->recipients[i].discard;
	g->at = g->script->backends.next;
	d->work = g;
	d->cancel = cancel;
	deliver_next(g);
}
