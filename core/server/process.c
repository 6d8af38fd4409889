/* The children of the master: forking them, hearing from them, burying and replacing them. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/control.h"
#include "server/master.h"
#include "server/title.h"
#include "server/worker.h"

enum {
	LOOK_MS = 250,                    /* between looks at the heartbeats */
	START_MS = 60000,                 /* for a worker to load its plugins */
	ABORT_MS = 1000,                  /* SIGABRT, and so long after it SIGKILL */
	EARLY_MS = 1000,                  /* a child that dies sooner is replaced with a pause */
	STORE_PATIENCE = 2,               /* heartbeats that the store may miss more than a worker */
	PAUSE_MAX_MS = 800,               /* replaced within a second, whatever happens */
	TAKEOVER_MS = 10000,              /* for the store of a killed master to finish */
	EXIT_BUSY = 75, EXIT_SYSTEM = 71, EXIT_CONFIG = 78,
};

/* ---- forking ---- */

/* No signal may reach a child that still has the master's handlers. */
static int fork_quiet(struct master *m)
{
	sigset_t all, before;
	int pid;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	pid = fork();
	if (pid == 0) {
		loop_after_fork(m->loop);
		signal(SIGINT, SIG_IGN);      /* Ctrl-C is for the master, which ends us in order */
		signal(SIGHUP, SIG_IGN);
		signal(SIGUSR1, SIG_IGN);
		signal(SIGPIPE, SIG_IGN);
		signal(SIGTERM, SIG_DFL);
		server_master_forget(m);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

static struct process *process_new(struct master *m, int pid, const char *name)
{
	struct process *p = MEM_NEW(struct process);

	p->master = m;
	p->pid = pid;
	p->started_ms = clock_ms();
	snprintf(p->name, sizeof(p->name), "%s", name);
	list_append(&m->processes, &p->link);
	return p;
}

static void process_free(struct process *p)
{
	server_channel_free(p->channel);
	if (p->slot)
		server_board_release(p->master->board, p->slot);
	list_remove(&p->link);
	free(p);
}

static void ended(void *owner, int pid, int status);

bool server_process_fork_store(struct master *m)
{
	int alive[2], pid;
	struct process *p;

	if (pipe(alive) < 0) {
		log_error("cannot make a pipe for the store", "why", strerror(errno), NULL);
		return false;
	}
	m->store_alive = alive[1];
	pid = fork_quiet(m);
	if (pid == 0) {
		log_set_process("store");
		server_title_set("store");
		server_generation_forget(m->generation, NULL);
		server_generation_forget(server_reload_next(m), m->generation);
		server_privilege_drop(&m->generation->privilege);
		exit(store_run(&m->generation->config->store, m->store_fd, alive[0]));
	}
	close(alive[0]);
	if (pid < 0) {
		log_error("cannot fork the store", "why", strerror(errno), NULL);
		server_master_close_store(m);
		return false;
	}
	p = process_new(m, pid, "store");
	p->is_store = true;
	p->state = PROCESS_SERVING;
	p->generation = m->generation->number;
	loop_child(m->loop, pid, ended, p);
	return true;
}

/* The lowest number that no living worker has. */
static void name_worker(const struct master *m, char *out, size_t size)
{
	bool taken;

	for (unsigned n = 1;; n++) {
		snprintf(out, size, "worker.%u", n);
		taken = false;
		LIST_EACH(&m->processes, link)
			taken |= strcmp(CONTAINER_OF(link, struct process, link)->name, out) == 0;
		if (!taken)
			return;
	}
}

static void worker_failed(struct process *p, struct slice text)
{
	struct master *m = p->master;
	char *why = mem_slice_dup(text);

	if (m->state == MASTER_STARTING) {
		server_master_fail(m, EXIT_CONFIG, why);
	} else {
		log_error("a worker cannot start", "worker", p->name, "why", why, NULL);
		server_reload_worker_failed(m, p, text);
	}
	free(why);
}

static void on_message(void *owner, enum channel_kind kind, struct slice text)
{
	struct process *p = owner;
	struct master *m = p->master;

	switch (kind) {
	case CHANNEL_READY:
		if (p->state == PROCESS_STARTING)
			p->state = PROCESS_SERVING;
		server_reload_worker_ready(m, p);
		server_master_progress(m);
		break;
	case CHANNEL_FAILED:
		worker_failed(p, text);
		break;
	case CHANNEL_LEAVING:
		p->state = PROCESS_LEAVING;
		if (m->state == MASTER_RUNNING)
			server_process_fill(m);
		break;
	case CHANNEL_RELOADED:
		server_reload_plugin_answer(m, p, text);
		break;
	case CHANNEL_TRACED:
		server_control_traced(m->control, text);
		break;
	case CHANNEL_NUMBERS:
		server_control_numbers(m->control, text);
		break;
	default:
		break;
	}
}

/* Its end is what matters, and that is told by the kernel. */
static void on_closed(void *owner)
{
	(void)owner;
}

struct process *server_process_fork_worker(struct master *m, const struct generation *g)
{
	struct worker_setup setup = { .loop = m->loop, .generation = g, .board = m->board,
	                              .control = m->control };
	char name[24];
	int fds[2], pid;
	struct process *p;

	name_worker(m, name, sizeof(name));
	setup.name = name;
	setup.slot = server_board_take(m->board);
	if (!setup.slot || !server_channel_pair(fds)) {
		log_error("cannot start a worker", "why", setup.slot ? strerror(errno) :
		          "too many workers of old configurations still have sessions; end them or set "
		          "reload_grace", NULL);
		if (setup.slot)
			server_board_release(m->board, setup.slot);
		return NULL;
	}
	pid = fork_quiet(m);
	if (pid == 0) {
		close(fds[0]);
		close(m->store_fd);
		server_generation_forget(m->generation, g);
		server_generation_forget(server_reload_next(m), g);
		setup.channel = fds[1];
		exit(server_worker_run(&setup));
	}
	close(fds[1]);
	if (pid < 0) {
		log_error("cannot fork a worker", "why", strerror(errno), NULL);
		close(fds[0]);
		server_board_release(m->board, setup.slot);
		return NULL;
	}
	p = process_new(m, pid, name);
	p->slot = setup.slot;
	p->generation = g->number;
	p->channel = server_channel_new(m->loop, fds[0], on_message, on_closed, p);
	loop_child(m->loop, pid, ended, p);
	return p;
}

/* ---- counting ---- */

unsigned server_process_count(const struct master *m, unsigned generation, bool serving_only)
{
	unsigned n = 0;

	LIST_EACH(&m->processes, link) {
		const struct process *p = CONTAINER_OF(link, struct process, link);

		n += !p->is_store && (!generation || p->generation == generation) &&
		     (generation ? p->state != PROCESS_LEAVING : true) &&
		     (!serving_only || p->state == PROCESS_SERVING);
	}
	return n;
}

struct process *server_process_store(const struct master *m)
{
	LIST_EACH(&m->processes, link) {
		struct process *p = CONTAINER_OF(link, struct process, link);

		if (p->is_store)
			return p;
	}
	return NULL;
}

void server_process_fill(struct master *m)
{
	bool good = true;

	if (!server_process_store(m))
		good = server_process_fork_store(m);
	if (m->state == MASTER_STOPPING || m->state == MASTER_STOPPING_STORE)
		return;
	while (good && server_process_count(m, m->generation->number, false) <
	               m->generation->config->workers)
		good = server_process_fork_worker(m, m->generation) != NULL;
	if (!good)
		timer_start(&m->refork, EARLY_MS);
}

/* ---- ends ---- */

static void log_end(const struct process *p, int status, uint64_t uptime_ms, bool expected)
{
	char how[64];

	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(how, sizeof(how), "exit code %d", WEXITSTATUS(status));
	log_event(expected ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
	          expected ? "process ended" : "process died and is replaced", "name", p->name,
	          "pid", log_u64((uint64_t)p->pid), "how", how, "uptime_ms", log_u64(uptime_ms),
	          "stuck", p->killed_ms ? "yes" : NULL, NULL);
}

/* A child that dies at once again and again must not eat the machine. */
static void replace(struct master *m, uint64_t uptime_ms)
{
	uint64_t pause;

	m->restarts++;
	if (uptime_ms >= EARLY_MS)
		m->early_deaths = 0;
	else
		m->early_deaths++;
	if (m->early_deaths <= 1) {
		server_process_fill(m);
		return;
	}
	pause = 100ull << (m->early_deaths < 8 ? m->early_deaths - 2 : 6);
	/* Somebody else may wait already: not longer because of us. */
	if (!m->refork.at_ms)
		timer_start(&m->refork, pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS);
}

static void ended_early(struct master *m, bool is_store, int status)
{
	int code = WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EXIT_SYSTEM;

	/* After kill -9 of a master its store commits what it has and ends by itself. */
	if (is_store && code == EXIT_BUSY && clock_ms() - m->started_ms < TAKEOVER_MS)
		timer_start(&m->refork, 100);
	else
		server_master_fail(m, is_store ? code : EXIT_SYSTEM, is_store ?
		                   "the store process ended while it started; its reason is in the log" :
		                   "a worker died while it started; its reason is in the log");
}

static void ended(void *owner, int pid, int status)
{
	struct process *p = owner;

	server_channel_last_words(p->channel);

	struct master *m = p->master;
	uint64_t uptime_ms = clock_ms() - p->started_ms;
	bool stopping = m->state >= MASTER_STOPPING;
	bool expected = p->state == PROCESS_LEAVING ||
	                (stopping && (!p->is_store || m->state == MASTER_STOPPING_STORE));
	bool is_store = p->is_store, reloading = p->reloading;
	unsigned generation = p->generation;

	(void)pid;
	log_end(p, status, uptime_ms, expected);
	if (is_store)
		server_master_close_store(m);
	else if (!expected)
		server_reload_worker_failed(m, p, SLICE("the worker died while it started"));
	process_free(p);
	if (reloading)
		server_reload_plugin_gone(m);
	if (m->state == MASTER_STARTING) {
		ended_early(m, is_store, status);
		return;
	}
	/* While stopping, a store that somebody else ended is still needed by running sessions. */
	if (is_store ? m->state != MASTER_STOPPING_STORE :
	    !expected && generation == m->generation->number)
		replace(m, expected ? EARLY_MS : uptime_ms);
	server_master_progress(m);
}

/* The last sign of life: of a worker its heartbeat, of the store its newest answer to a worker.
 * Its answers come from its I/O loop, so a disk that takes long does not make it look dead. */
static uint64_t last_sign(const struct process *p)
{
	uint64_t newest = p->started_ms;
	bool asked = false;

	if (p->slot)
		return atomic_load(&p->slot->gauges.beat_ms);
	LIST_EACH(&p->master->processes, link) {
		const struct process *worker = CONTAINER_OF(link, struct process, link);
		uint64_t at;

		if (!worker->slot || worker->state != PROCESS_SERVING)
			continue;
		asked = true;
		at = atomic_load(&worker->slot->gauges.store_ms);
		newest = at > newest ? at : newest;
	}
	return asked ? newest : clock_ms();
}

static void look_at(struct process *p, uint64_t now, uint64_t limit_ms)
{
	uint64_t sign = last_sign(p);
	uint64_t allowed = p->state == PROCESS_STARTING ? START_MS :
	                   p->is_store ? limit_ms * STORE_PATIENCE : limit_ms;

	if (p->killed_ms) {
		if (now - p->killed_ms >= ABORT_MS)
			(void)kill(p->pid, SIGKILL);
		return;
	}
	if (!limit_ms || now < sign || now - sign <= allowed)
		return;
	log_error("a process does not answer and is killed", "name", p->name,
	          "pid", log_u64((uint64_t)p->pid), "silent_ms", log_u64(now - sign), NULL);
	p->killed_ms = now;
	(void)kill(p->pid, SIGABRT);
}

void server_process_look(void *master)
{
	struct master *m = master;
	uint64_t now = clock_ms();

	LIST_EACH(&m->processes, link)
		look_at(CONTAINER_OF(link, struct process, link), now, m->generation->config->heartbeat_ms);
	timer_start(&m->look, LOOK_MS);
}
