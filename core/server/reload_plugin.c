/* moonpost reload --plugin: new code of plugins in the workers that run.
 *
 * One worker tries it first; what is wrong there is wrong everywhere, and nothing has changed.  Then
 * the others follow.  A worker that dies meanwhile is replaced by one that reads the new file. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/master.h"

enum {
	ANSWER_MS = 20000,                /* a plugin may compute for 5 s while it is loaded */
	ERRORS_MAX = 64 * 1024,
};

struct plugin_reload {
	struct master      *master;
	char               *name;         /* "": all plugins */
	bool                tried;        /* the first worker has the new code */
	unsigned            waiting;      /* workers that have not answered */
	struct buf          errors;
	server_reloaded_fn *done;
	void               *owner;
	struct timer        limit;
	uint32_t            id;           /* a late answer carries an old one */
};

static void finish(struct plugin_reload *r)
{
	const char *errors = buf_len(&r->errors) ? buf_cstr(&r->errors) : NULL;

	r->master->plugin_reload = NULL;
	timer_stop(&r->limit);
	if (!errors)
		log_notice("plugin code reloaded", "plugin", *r->name ? r->name : "all", NULL);
	if (r->done)
		r->done(r->owner, errors);
	LIST_EACH(&r->master->processes, link)
		CONTAINER_OF(link, struct process, link)->reloading = false;     /* too late now */
	buf_free(&r->errors);
	free(r->name);
	free(r);
}

static bool wanted(const struct master *m, const struct process *p)
{
	return !p->is_store && p->state != PROCESS_LEAVING && p->generation == m->generation->number;
}

/* The others will read the new file, or are told now. */
static void ask(struct plugin_reload *r, bool one)
{
	char *text = mem_printf("%u %s", r->id, r->name);

	LIST_EACH(&r->master->processes, link) {
		struct process *p = CONTAINER_OF(link, struct process, link);

		if (!wanted(r->master, p) || p->has_new_code == r->id || (one && r->waiting > 0))
			continue;
		if (server_channel_send(p->channel, CHANNEL_RELOAD, slice_from(text)) != ST_OK) {
			(void)buf_printf(&r->errors, "%s: too busy to be told; try again\n", p->name);
			continue;
		}
		p->reloading = true;
		r->waiting++;
	}
	free(text);
}

/* One answer less to wait for. */
static void answered(struct plugin_reload *r, bool good)
{
	if (--r->waiting > 0)
		return;
	if (!r->tried && good) {
		r->tried = true;
		ask(r, false);
	}
	if (r->waiting == 0)
		finish(r);
}

static void too_slow(void *owner)
{
	struct plugin_reload *r = owner;

	LIST_EACH(&r->master->processes, link) {
		struct process *p = CONTAINER_OF(link, struct process, link);

		if (p->reloading)
			(void)buf_printf(&r->errors, "%s: no answer within %d s\n", p->name, ANSWER_MS / 1000);
	}
	finish(r);
}

void server_reload_plugin(struct master *m, const char *name, server_reloaded_fn *done, void *owner)
{
	static uint32_t last_id;
	struct plugin_reload *r;

	if (m->state != MASTER_RUNNING || m->reload || m->plugin_reload) {
		done(owner, m->reload || m->plugin_reload ? "a reload is under way already" :
		            "the server is starting or stopping");
		return;
	}
	r = m->plugin_reload = MEM_NEW(struct plugin_reload);
	r->master = m;
	r->name = mem_strdup(name);
	r->done = done;
	r->owner = owner;
	r->id = ++last_id;
	buf_init(&r->errors, ERRORS_MAX);
	timer_init(&r->limit, m->loop, too_slow, r);
	timer_start(&r->limit, ANSWER_MS);
	ask(r, true);
	if (r->waiting == 0 && buf_len(&r->errors) == 0)
		(void)buf_append(&r->errors, SLICE("no worker runs now; the next one reads the new file\n"));
	if (r->waiting == 0)
		finish(r);
}

void server_reload_plugin_answer(struct master *m, struct process *p, struct slice text)
{
	struct plugin_reload *r = m->plugin_reload;
	struct slice word = SLICE_NONE;
	uint64_t id = 0;

	(void)slice_cut(&text, ' ', &word);
	if (!r || !p->reloading || slice_to_u64(word, &id) != ST_OK || id != r->id)
		return;
	if (text.len) {
		char *why = mem_slice_dup(text);

		log_error("a plugin cannot be reloaded, its old code stays", "worker", p->name, "why", why,
		          NULL);
		(void)buf_printf(&r->errors, "%s%s%s\n", r->tried ? p->name : "", r->tried ? ": " : "", why);
		free(why);
	}
	p->reloading = false;
	p->has_new_code = r->id;              /* or never will: it is not asked again */
	answered(r, text.len == 0);
}

void server_reload_plugin_gone(struct master *m)
{
	struct plugin_reload *r = m->plugin_reload;

	if (!r)
		return;
	if (!r->tried)
		(void)buf_append(&r->errors, SLICE("the worker that tried the new code died\n"));
	answered(r, false);
}

void server_reload_plugin_forget(struct master *m, void *owner)
{
	if (m->plugin_reload && m->plugin_reload->owner == owner)
		m->plugin_reload->done = NULL;
}
