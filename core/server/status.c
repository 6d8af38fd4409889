/* What `moonpost status` shows, as one JSON object: read from the board, so that asking costs the
 * workers nothing. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "server/control.h"

static const char *state_name(const struct process *p)
{
	static const char *const names[] = {
		[PROCESS_STARTING] = "starting", [PROCESS_SERVING] = "serving",
		[PROCESS_LEAVING] = "leaving",
	};

	return names[p->state];
}

static double seconds_since(uint64_t ms)
{
	uint64_t seconds = (clock_ms() - ms) / 1000;

	return (double)seconds;
}

static void add_gauges(cJSON *o, const struct board_gauges *g)
{
	cJSON *script = cJSON_AddObjectToObject(o, "script");
	uint64_t beat = atomic_load(&g->beat_ms), now = clock_ms();

	cJSON_AddNumberToObject(o, "smtp", atomic_load(&g->smtp));
	cJSON_AddNumberToObject(o, "pop3", atomic_load(&g->pop3));
	cJSON_AddNumberToObject(o, "silent_ms", (double)(now > beat ? now - beat : 0));
	cJSON_AddNumberToObject(script, "calls", (double)atomic_load(&g->script_calls));
	cJSON_AddNumberToObject(script, "errors", (double)atomic_load(&g->script_errors));
	cJSON_AddNumberToObject(script, "running", (double)atomic_load(&g->script_running));
	cJSON_AddNumberToObject(script, "memory_octets", (double)atomic_load(&g->script_octets));
}

static void add_processes(cJSON *o, const struct master *m)
{
	cJSON *list = cJSON_AddArrayToObject(o, "processes");
	cJSON *sessions = cJSON_AddObjectToObject(o, "sessions");
	uint64_t smtp = 0, pop3 = 0;

	LIST_EACH(&m->processes, link) {
		const struct process *p = CONTAINER_OF(link, struct process, link);
		cJSON *one = cJSON_CreateObject();

		cJSON_AddStringToObject(one, "name", p->name);
		cJSON_AddNumberToObject(one, "pid", p->pid);
		cJSON_AddStringToObject(one, "state", state_name(p));
		cJSON_AddNumberToObject(one, "generation", p->generation);
		cJSON_AddNumberToObject(one, "uptime_s", seconds_since(p->started_ms));
		if (p->slot) {
			add_gauges(one, &p->slot->gauges);
			smtp += atomic_load(&p->slot->gauges.smtp);
			pop3 += atomic_load(&p->slot->gauges.pop3);
		}
		cJSON_AddItemToArray(list, one);
	}
	cJSON_AddNumberToObject(sessions, "smtp", (double)smtp);
	cJSON_AddNumberToObject(sessions, "pop3", (double)pop3);
}

static void add_listeners(cJSON *o, const struct generation *g)
{
	cJSON *list = cJSON_AddArrayToObject(o, "listeners");

	for (unsigned i = 0; i < g->socket_count; i++) {
		cJSON *one = cJSON_CreateObject();
		char text[64];

		address_format(&g->sockets[i].address, text, sizeof(text));
		cJSON_AddStringToObject(one, "name", g->sockets[i].listener->name);
		cJSON_AddStringToObject(one, "service", service_name(g->sockets[i].listener->service));
		cJSON_AddStringToObject(one, "address", text);
		cJSON_AddItemToArray(list, one);
	}
}

static void add_totals(cJSON *o, const struct master *m)
{
	cJSON *totals = cJSON_AddObjectToObject(o, "totals");
	struct board_totals t;

	server_board_totals(m->board, &t);
#define X(name, text) cJSON_AddNumberToObject(totals, #name, (double)t.name);
	BOARD_TOTALS(X)
#undef X
}

static cJSON *hook_object(const struct figures_row *row)
{
	static const char *const names[] = {
#define X(name) #name,
		SCRIPT_HOOK_NUMBERS(X)
#undef X
	};
	static const unsigned percents[] = { 50, 90, 99 };
	cJSON *o = cJSON_CreateObject();
	struct histogram latency;
	char name[24];

	cJSON_AddStringToObject(o, "plugin", row->plugin);
	cJSON_AddStringToObject(o, "hook", row->hook);
	for (unsigned i = 0; i < COUNT_OF(names); i++)
		cJSON_AddNumberToObject(o, names[i], (double)atomic_load(&row->values[i]));
	server_figures_latency(row, &latency);
	for (unsigned i = 0; i < COUNT_OF(percents); i++) {
		snprintf(name, sizeof(name), "latency_p%u_ns", percents[i]);
		cJSON_AddNumberToObject(o, name, (double)histogram_percentile(&latency, percents[i]));
	}
	return o;
}

/* Of all workers together, in the order of registration. */
static void add_hooks(cJSON *o, const struct master *m)
{
	cJSON *list = cJSON_AddArrayToObject(o, "hooks");
	struct figures *sum = MEM_NEW(struct figures);
	unsigned count;

	server_board_figures(m->board, sum);
	count = atomic_load(&sum->count);
	for (unsigned i = 0; i < count; i++)
		cJSON_AddItemToArray(list, hook_object(&sum->rows[i]));
	free(sum);
}

cJSON *server_control_status(const struct master *m, bool plugins)
{
	static const char *const states[] = {
		[MASTER_STARTING] = "starting", [MASTER_RUNNING] = "running",
		[MASTER_STOPPING] = "stopping", [MASTER_STOPPING_STORE] = "stopping",
	};
	cJSON *o = cJSON_CreateObject();

	cJSON_AddBoolToObject(o, "ok", true);
	cJSON_AddStringToObject(o, "version", MOONPOST_VERSION);
	cJSON_AddStringToObject(o, "state", m->reload ? "reloading" : states[m->state]);
	cJSON_AddNumberToObject(o, "pid", getpid());
	cJSON_AddNumberToObject(o, "started", (double)m->started_wall);
	cJSON_AddNumberToObject(o, "uptime_s", seconds_since(m->started_ms));
	cJSON_AddStringToObject(o, "config", m->generation->config->file);
	cJSON_AddNumberToObject(o, "generation", m->generation->number);
	cJSON_AddNumberToObject(o, "restarts", m->restarts);
	add_listeners(o, m->generation);
	add_processes(o, m);
	add_totals(o, m);
	if (plugins)
		add_hooks(o, m);
	return o;
}
