/* Life of a worker: start everything, say ready, serve, leave when told.
 *
 *   starting -> serving -> leaving (no new clients) -> stopping (sessions are ended) -> exit */
#include "server/worker.h"

#include <cjson/cJSON.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/accept.h"
#include "server/certificates.h"
#include "server/connection.h"
#include "server/control.h"
#include "server/directory.h"
#include "server/title.h"

enum { BEAT_MS = 250 /* least heartbeat: 1 s */, RETRY_MS = 50, EXIT_CONFIG = 78 };
enum { RUSH = 1000, QUIET = 3 };          /* arrivals since the last trim; between two beats */

/* A rush of clients leaves the heap full of holes between the sessions that stay, most of all
 * where TLS handshakes ran side by side: when it is over, their pages go back to the system. */
static void give_memory_back(struct worker *w)
{
	if (w->arrivals - w->arrivals_trim >= RUSH && w->arrivals - w->arrivals_beat <= QUIET) {
		malloc_trim(0);
		w->arrivals_trim = w->arrivals;
	}
	w->arrivals_beat = w->arrivals;
}

static void store_lives(void *owner, enum status st, const struct store_numbers *n)
{
	struct worker *w = owner;

	(void)n;
	w->asking = false;
	if (st == ST_OK)
		atomic_store(&w->slot->gauges.store_ms, clock_ms());
}

static void beat(void *owner)
{
	struct worker *w = owner;
	struct board_gauges *g = &w->slot->gauges;
	struct script_numbers n = { 0 };

	atomic_store(&g->beat_ms, clock_ms());
	script_numbers(w->script, &n);
	atomic_store(&g->script_calls, n.calls);
	atomic_store(&g->script_errors, n.errors);
	atomic_store(&g->script_running, n.running);
	atomic_store(&g->script_octets, n.memory_octets);
	server_figures_publish(&w->slot->figures, w->script);
	script_lead(w->script, w->serving && !w->leaving && server_board_lead(w->board, w->slot));
	server_transcript_refresh(&w->transcript);
	if (w->serving && !w->asking) {
		w->asking = true;
		store_numbers_get(w->store, store_lives, w);
	}
	give_memory_back(w);
	timer_start(&w->beat, BEAT_MS);
}

/* ---- leaving ---- */

static void plugins_stopped(void *owner)
{
	struct worker *w = owner;

	loop_stop(w->loop);
}

void server_worker_left(struct worker *w)
{
	if (!w->leaving || w->open > 0)
		return;
	if (!w->serving || w->at_once) {
		loop_stop(w->loop);
	} else if (!w->ended) {
		w->ended = true;
		script_stop(w->script, plugins_stopped, w);
	}
}

static void end_all(struct worker *w, bool at_once)
{
	LIST_EACH(&w->connections, link)
		server_connection_end(CONTAINER_OF(link, struct connection, link), at_once);
}

static void leave(struct worker *w)
{
	if (w->leaving)
		return;
	w->leaving = true;
	timer_stop(&w->retry);
	if (w->script)
		script_lead(w->script, false);
	server_board_give_up(w->board, w->slot);
	if (w->accept)
		server_accept_stop(w->accept);
}

static void grace_over(void *owner)
{
	struct worker *w = owner;

	log_notice("the time for running sessions is over", "sessions", log_u64(w->open), NULL);
	end_all(w, true);
	server_worker_left(w);
}

static void stop(struct worker *w)
{
	leave(w);
	if (!w->stopping) {
		w->stopping = true;
		end_all(w, false);
		timer_start(&w->grace, w->config->stop_grace_ms);
	}
	server_worker_left(w);
}

static void drain_over(void *owner)
{
	struct worker *w = owner;

	log_notice("the time for sessions of the old configuration is over", "sessions",
	           log_u64(w->open), NULL);
	w->grace.fn = grace_over;
	stop(w);
}

static void drain(struct worker *w)
{
	leave(w);
	if (w->config->reload_grace_ms && !w->stopping) {
		w->grace.fn = drain_over;
		timer_start(&w->grace, w->config->reload_grace_ms);
	}
	server_worker_left(w);
}

static void on_signal(void *owner, int signum)
{
	struct worker *w = owner;

	(void)signum;
	/* Somebody else than the master wants this worker to go: the master sends another one. */
	(void)server_channel_send(w->channel, CHANNEL_LEAVING, SLICE_NONE);
	w->grace.fn = grace_over;
	stop(w);
}

static void master_died(void *owner)
{
	struct worker *w = owner;

	log_error("the master is gone, so this worker finishes its sessions and ends", NULL);
	w->exit_code = EXIT_FAILURE;
	w->grace.fn = grace_over;
	stop(w);
}

/* ---- messages of the master ---- */

struct numbers_request { struct worker *worker; uint32_t id; };

static void got_numbers(void *owner, enum status st, const struct store_numbers *n)
{
	struct numbers_request *r = owner;
	cJSON *o = cJSON_CreateObject();
	char *json, *packet;

	if (st == ST_OK) {
		const struct { const char *name; uint64_t value; } members[] = {
			{ "commits", n->commits }, { "messages", n->messages },
			{ "deletions", n->deletions }, { "requests_queued", n->requests_queued },
			{ "octets_queued", n->octets_queued }, { "batch_p50", n->batch_p50 },
			{ "batch_max", n->batch_max }, { "commit_us_p50", n->commit_us_p50 },
			{ "commit_us_p99", n->commit_us_p99 }, { "flush_us_p50", n->flush_us_p50 },
			{ "pages_used", n->pages_used }, { "pages_free", n->pages_free },
			{ "map_octets", n->map_octets }, { "disk_free_octets", n->disk_free_octets },
			{ "reader_lag", n->reader_lag },
			{ "transactions", n->transactions }, { "dict_entries", n->dict_entries },
			{ "dict_octets", n->dict_octets }, { "dict_evicted", n->dict_evicted },
			{ "dict_expired", n->dict_expired }, { "dict_refused", n->dict_refused },
			{ "durable_entries", n->durable_entries }, { "durable_octets", n->durable_octets },
			{ "durable_expired", n->durable_expired },
		};

		for (unsigned i = 0; i < COUNT_OF(members); i++)
			cJSON_AddNumberToObject(o, members[i].name, (double)members[i].value);
	} else {
		cJSON_AddStringToObject(o, "error", status_text(st));
	}
	json = cJSON_PrintUnformatted(o);
	packet = mem_printf("%u %s", r->id, json);
	(void)server_channel_send(r->worker->channel, CHANNEL_NUMBERS, slice_from(packet));
	free(packet);
	free(json);
	cJSON_Delete(o);
	free(r);
}

static uint32_t take_id(struct slice *text)
{
	struct slice word = SLICE_NONE;
	uint64_t id = 0;

	if (slice_cut(text, ' ', &word) != ST_OK || slice_to_u64(word, &id) != ST_OK)
		return 0;
	return (uint32_t)id;
}

static void reload_plugin(struct worker *w, uint32_t id, struct slice name)
{
	char *plugin = mem_slice_dup(name), *error = NULL, *answer;

	(void)script_reload(w->script, *plugin ? plugin : NULL, &error);
	answer = mem_printf("%u %s", id, error ? error : "");
	(void)server_channel_send(w->channel, CHANNEL_RELOADED, slice_from(answer));
	free(answer);
	free(error);
	free(plugin);
}

static void on_message(void *owner, enum channel_kind kind, struct slice text)
{
	struct worker *w = owner;
	struct transcript_filter filter;
	struct numbers_request *request;
	uint32_t id;

	switch (kind) {
	case CHANNEL_STOP:
		w->grace.fn = grace_over;
		stop(w);
		break;
	case CHANNEL_DRAIN:
		drain(w);
		break;
	case CHANNEL_NOW:
		leave(w);
		w->stopping = w->at_once = true;
		end_all(w, true);
		server_worker_left(w);
		break;
	case CHANNEL_TRACE:
		id = take_id(&text);
		if (id && server_transcript_parse_filter(text, &filter))
			(void)server_transcript_subscribe(&w->transcript, id, &filter);
		break;
	case CHANNEL_UNTRACE:
		server_transcript_unsubscribe(&w->transcript, take_id(&text));
		break;
	case CHANNEL_ASK_NUMBERS:
		request = MEM_NEW(struct numbers_request);
		*request = (struct numbers_request){ w, take_id(&text) };
		store_numbers_get(w->store, got_numbers, request);
		break;
	case CHANNEL_RELOAD:
		reload_plugin(w, take_id(&text), text);
		break;
	case CHANNEL_REOPEN_LOG:
		(void)log_reopen();
		break;
	default:
		break;
	}
}

/* ---- starting ---- */

static void ask_store(void *owner);

/* Plugins have started: serve. */
static void plugins_started(void *owner)
{
	struct worker *w = owner;

	if (w->leaving)
		return;
	w->serving = true;
	w->certificates = server_certificates_new();
	w->accept = server_accept_new(w);
	(void)server_channel_send(w->channel, CHANNEL_READY, SLICE_NONE);
}

/* The store answers, so that plugins may ask it too. */
static void store_answered(void *owner, enum status st, const struct store_numbers *n)
{
	struct worker *w = owner;

	(void)n;
	if (w->leaving)
		return;
	if (st != ST_OK) {
		timer_start(&w->retry, RETRY_MS);
		return;
	}
	atomic_store(&w->slot->gauges.store_ms, clock_ms());
	script_start(w->script, plugins_started, w);
}

static void ask_store(void *owner)
{
	struct worker *w = owner;

	store_numbers_get(w->store, store_answered, w);
}

static bool start(struct worker *w)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct script_setup setup = { .loop = w->loop, .config = w->config };
	char *error = NULL;

	w->work = work_pool_new(w->loop, cores > 2 ? (unsigned)cores : 2, "work");
	w->store = store_client_new(w->loop, w->work, &w->config->store, &error);
	if (w->store) {
		w->directory = server_directory_new(w->config, w->store);
		setup.work = w->work;
		setup.store = w->store;
		setup.next_policy = w->directory;
		setup.next_mailboxes = store_client_mailboxes(w->store);
		w->script = script_new(&setup, &error);
	}
	if (!w->script) {
		(void)server_channel_send(w->channel, CHANNEL_FAILED,
		                          slice_from(error ? error : "cannot start"));
		free(error);
		return false;
	}
	server_transcript_set_script(&w->transcript, w->script);
	w->transcript.observer.reply_ids = (enum reply_ids)w->config->reply_ids;
	script_policy(w->script)->explains = true;
	script_policy(w->script)->explains_all = w->config->reply_ids == REPLY_IDS_ALL;
	beat(w);
	ask_store(w);
	return true;
}

static void clear(struct worker *w)
{
	timer_stop(&w->beat);
	timer_stop(&w->grace);
	timer_stop(&w->retry);
	server_certificates_free(w->certificates);
	server_accept_free(w->accept);
	if (w->script)
		script_free(w->script);
	server_directory_free(w->directory);
	if (w->store)
		store_client_free(w->store);
	if (w->work)
		work_pool_free(w->work);
	server_channel_free(w->channel);
}

int server_worker_run(const struct worker_setup *setup)
{
	struct worker w = {
		.loop = setup->loop,
		.generation = setup->generation,
		.config = setup->generation->config,
		.board = setup->board,
		.slot = setup->slot,
	};

	log_set_process(setup->name);
	server_title_set(setup->name);
	server_privilege_drop(&w.generation->privilege);
	list_init(&w.connections);
	timer_init(&w.beat, w.loop, beat, &w);
	timer_init(&w.grace, w.loop, grace_over, &w);
	timer_init(&w.retry, w.loop, ask_store, &w);
	w.channel = server_channel_new(w.loop, setup->channel, on_message, master_died, &w);
	server_transcript_init(&w.transcript, w.slot, w.channel);
	server_control_inherit(setup->control, &w.transcript);
	loop_signal(w.loop, SIGTERM, on_signal, &w);
	if (start(&w))
		loop_run(w.loop);
	else
		w.exit_code = EXIT_CONFIG;
	clear(&w);
	return w.exit_code;
}
