/* Reload: the next generation is loaded and tried before anything of the old one ends.
 *
 *   load and bind -> one worker tries it -> all its workers serve -> old workers drain
 *
 * Whatever fails on the way ends the new generation and leaves the old one as it was. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "server/master.h"

enum { TRY_MS = 60000 };              /* for the new workers to get ready */

struct reload {
	struct master      *master;
	struct generation  *next;
	server_reloaded_fn *done;
	void               *owner;
	struct timer        limit;
};

static void finish(struct master *m, const char *errors)
{
	struct reload *r = m->reload;

	m->reload = NULL;
	timer_stop(&r->limit);
	if (r->done)
		r->done(r->owner, errors);
	free(r);
}

static void log_lines(const char *errors)
{
	struct slice rest = slice_from(errors), line;

	while (slice_cut(&rest, '\n', &line) == ST_OK) {
		char *text = mem_slice_dup(line);

		if (*text)
			log_error("reload failed, the old configuration stays", "why", text, NULL);
		free(text);
	}
}

void server_reload_abort(struct master *m, const char *why)
{
	struct generation *next = m->reload->next;

	log_lines(why);
	LIST_EACH(&m->processes, link) {
		struct process *p = CONTAINER_OF(link, struct process, link);

		if (p->is_store || p->generation != next->number)
			continue;
		p->state = PROCESS_LEAVING;
		(void)kill(p->pid, SIGKILL);
	}
	server_generation_free(next, m->generation);
	finish(m, why);
}

static void too_slow(void *owner)
{
	struct reload *r = owner;

	server_reload_abort(r->master, "the new workers did not get ready within a minute");
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* What a running server cannot change. */
static char *check_fixed(const struct config *old, const struct config *new)
{
	const struct { const char *key; bool same; } fixed[] = {
		{ "runtime", same(old->runtime, new->runtime) },
		{ "store.path", same(old->store.path, new->store.path) },
		{ "user", same(old->user, new->user) },
		{ "group", same(old->group, new->group) },
	};

	for (unsigned i = 0; i < COUNT_OF(fixed); i++)
		if (!fixed[i].same)
			return mem_printf("%s: %s: a reload cannot change it; restart the server",
			                  new->file, fixed[i].key);
	return NULL;
}

static bool same_store(const struct store_settings *a, const struct store_settings *b)
{
	return a->map_octets == b->map_octets && a->min_free_octets == b->min_free_octets &&
	       a->ballast_octets == b->ballast_octets &&
	       a->max_batch_messages == b->max_batch_messages &&
	       a->max_batch_octets == b->max_batch_octets &&
	       a->max_queued_requests == b->max_queued_requests &&
	       a->max_queued_octets == b->max_queued_octets && a->flush_threads == b->flush_threads &&
	       a->default_quota_octets == b->default_quota_octets &&
	       a->default_quota_messages == b->default_quota_messages;
}

void server_reload_begin(struct master *m, server_reloaded_fn *done, void *owner)
{
	struct generation *next = NULL;
	char *error = NULL;

	if (m->state != MASTER_RUNNING || m->reload || m->plugin_reload) {
		error = mem_strdup(m->reload || m->plugin_reload ? "a reload is under way already" :
		                   "the server is starting or stopping");
	} else {
		next = server_generation_new(m->options->config, m->generation, m->ticket_key, &error);
		if (next && (error = check_fixed(m->generation->config, next->config)) != NULL)
			server_generation_free(next, m->generation);
	}
	if (error) {
		log_lines(error);
		if (done)
			done(owner, error);
		free(error);
		return;
	}
	m->reload = MEM_NEW(struct reload);
	*m->reload = (struct reload){ .master = m, .next = next, .done = done, .owner = owner };
	timer_init(&m->reload->limit, m->loop, too_slow, m->reload);
	timer_start(&m->reload->limit, TRY_MS);
	if (!server_process_fork_worker(m, next))
		server_reload_abort(m, "a worker cannot be started; the reason is in the log");
}

static void switch_over(struct master *m)
{
	struct generation *old = m->generation, *next = m->reload->next;
	struct process *store = server_process_store(m);

	m->generation = next;
	server_master_open_log(next);
	LIST_EACH(&m->processes, link) {
		struct process *p = CONTAINER_OF(link, struct process, link);

		if (p->is_store || p->generation == next->number)
			continue;
		p->state = PROCESS_LEAVING;
		(void)server_channel_send(p->channel, CHANNEL_DRAIN, SLICE_NONE);
		(void)server_channel_send(p->channel, CHANNEL_REOPEN_LOG, SLICE_NONE);
	}
	if (store && !same_store(&old->config->store, &next->config->store)) {
		log_notice("store settings changed: the store process restarts", NULL);
		store->state = PROCESS_LEAVING;
		server_master_close_store(m);
	} else if (store) {
		(void)kill(store->pid, SIGUSR1);      /* the log file may be another one now */
	}
	server_generation_free(old, next);
	log_notice("configuration reloaded", "generation", log_u64(next->number), NULL);
	finish(m, NULL);
}

void server_reload_worker_ready(struct master *m, struct process *p)
{
	struct generation *next = m->reload ? m->reload->next : NULL;

	if (!next || p->generation != next->number)
		return;
	while (server_process_count(m, next->number, false) < next->config->workers)
		if (!server_process_fork_worker(m, next)) {
			server_reload_abort(m, "a worker cannot be started; the reason is in the log");
			return;
		}
	if (server_process_count(m, next->number, true) == next->config->workers)
		switch_over(m);
}

void server_reload_worker_failed(struct master *m, struct process *p, struct slice why)
{
	char *text;

	if (!m->reload || p->generation != m->reload->next->number || p->state == PROCESS_LEAVING)
		return;
	text = mem_slice_dup(why);
	server_reload_abort(m, text);
	free(text);
}

const struct generation *server_reload_next(const struct master *m)
{
	return m->reload ? m->reload->next : NULL;
}

void server_reload_forget(struct master *m, void *owner)
{
	if (m->reload && m->reload->owner == owner)
		m->reload->done = NULL;
}
