/* Names are copied: the plugin may be gone when its resource is found. */
#include "script/resource.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "script/failure.h"
#include "script/plugin.h"
#include "script/state.h"

static const char event[] = "plugin leak";

struct resource {
	struct list link;                 /* in script->resources */
	const char *kind;
	char        plugin[32], where[80];
};

struct resource *resource_open(lua_State *L, const char *kind)
{
	struct script *s = script_of(L);
	struct resource *r = MEM_NEW(struct resource);
	struct plugin *p = s->current ? s->current->plugin : s->loading;

	r->kind = kind;
	snprintf(r->plugin, sizeof(r->plugin), "%s", plugin_name(p));
	failure_where(L, r->where, sizeof(r->where));
	list_init(&r->link);
	list_append(&s->resources, &r->link);
	return r;
}

void resource_close(struct resource **r)
{
	if (!*r)
		return;
	list_remove(&(*r)->link);
	free(*r);
	*r = NULL;
}

void resource_report_calls(struct script *s)
{
	LIST_EACH(&s->calls, link) {
		struct call *c = CONTAINER_OF(link, struct call, link);
		char *function, where[80] = "";

		if (c->detached || c->parent)
			continue;
		function = failure_function(c);
		if (c->waiting)
			failure_where(c->co, where, sizeof(where));
		log_error(event, "plugin", plugin_name(c->plugin), "what", "a call of a session that is gone",
		          "hook", c->hook, "function", function, "where", *where ? where : NULL, "session",
		          c->session, NULL);
		free(function);
	}
}

static void report(struct script *s, const char *why)
{
	LIST_EACH(&s->resources, link) {
		const struct resource *r = CONTAINER_OF(link, struct resource, link);

		log_error(event, "plugin", r->plugin, "what", r->kind, "where", *r->where ? r->where : NULL,
		          "why", why, NULL);
	}
}

void resource_report_held(struct script *s)
{
	report(s, "still open at the end; close it in on_stop");
}

void resource_report_lost(struct script *s)
{
	report(s, "open though Lua is closed");
	for (struct list *link; (link = list_shift(&s->resources)) != NULL;)
		free(CONTAINER_OF(link, struct resource, link));
}
