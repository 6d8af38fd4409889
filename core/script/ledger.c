/* Order: priority, then the plugin's place in the configuration, then its own order. */
#include "script/ledger.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "script/plugin.h"
#include "script/state.h"

static struct listener *listener_at(struct list *link)
{
	return CONTAINER_OF(link, struct listener, link);
}

static struct backend *backend_at(struct list *link)
{
	return CONTAINER_OF(link, struct backend, link);
}

/* Whether a is asked before b, where both are of different plugins. */
static bool before(const struct listener *a, const struct listener *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	return a->plugin->index < b->plugin->index;
}

/* Behind those that are asked before it and its own kind. */
static void insert(struct listener *l)
{
	LIST_EACH(l->home, link) {
		if (before(l, listener_at(link))) {
			list_append(link, &l->link);      /* in front of link */
			return;
		}
	}
	list_append(l->home, &l->link);
}

static void insert_backend(struct backend *b)
{
	struct list *head = &b->plugin->script->backends;

	LIST_EACH(head, link) {
		if (backend_at(link)->plugin->index > b->plugin->index) {
			list_append(link, &b->link);
			return;
		}
	}
	list_append(head, &b->link);
}

void ledger_publish(struct plugin *p)
{
	for (struct list *link; (link = list_shift(&p->listeners)) != NULL;)
		insert(listener_at(link));
	for (struct list *link; (link = list_shift(&p->backends)) != NULL;)
		insert_backend(backend_at(link));
}

static void withdraw_from(struct plugin *p, struct list *head)
{
	LIST_EACH(head, link) {
		if (listener_at(link)->plugin != p)
			continue;
		list_remove(link);
		list_append(&p->listeners, link);
	}
}

void ledger_withdraw(struct plugin *p)
{
	struct script *s = p->script;

	p->withdrawn = true;
	for (unsigned i = 0; i < HOOK__COUNT; i++)
		withdraw_from(p, &s->listeners[i]);
	withdraw_from(p, &s->observers);
	withdraw_from(p, &s->starts);
	withdraw_from(p, &s->stops);
	LIST_EACH(&s->backends, link) {
		if (backend_at(link)->plugin != p)
			continue;
		list_remove(link);
		list_append(&p->backends, link);
	}
}

/* Newer code of the same plugin is not asked what the older one has answered. */
struct list *ledger_next(struct list *head, struct listener *l)
{
	if (!l->plugin->withdrawn)
		return l->link.next;
	LIST_EACH(head, link)
		if (before(l, listener_at(link)))
			return link;
	return head;
}

struct list *ledger_next_backend(struct script *s, struct list *link)
{
	const struct plugin *p = backend_at(link)->plugin;

	if (!p->withdrawn)
		return link->next;
	LIST_EACH(&s->backends, next)
		if (backend_at(next)->plugin->index > p->index)
			return next;
	return &s->backends;
}

void ledger_unref(struct plugin *p)
{
	lua_State *L = p->script->L;

	LIST_EACH(&p->listeners, link) {
		luaL_unref(L, LUA_REGISTRYINDEX, listener_at(link)->fn);
		listener_at(link)->fn = LUA_NOREF;
	}
	LIST_EACH(&p->backends, link) {
		luaL_unref(L, LUA_REGISTRYINDEX, backend_at(link)->table);
		backend_at(link)->table = LUA_NOREF;
	}
}

void ledger_free(struct plugin *p)
{
	if (!p->withdrawn)
		ledger_withdraw(p);
	for (struct list *link; (link = list_shift(&p->listeners)) != NULL;)
		listener_free(listener_at(link));
	for (struct list *link; (link = list_shift(&p->backends)) != NULL;)
		free(backend_at(link));
}
