/* Start, signals and stop of the whole server. */
#include "server/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "hook/login.h"
#include "server/control.h"
#include "server/notify.h"
#include "server/store_process.h"
#include "server/title.h"

enum { EXIT_BUSY = 75, EXIT_SYSTEM = 71, EXIT_CONFIG = 78 };
enum { KILL_EXTRA_MS = 2000, STORE_STOP_MS = 30000 };

/* ---- for the children ---- */

void server_master_forget(struct master *m)
{
	LIST_EACH(&m->processes, link) {
		struct process *p = CONTAINER_OF(link, struct process, link);

		server_channel_free(p->channel);
		p->channel = NULL;
	}
	server_control_forget(m->control);
	server_master_close_store(m);
	close(m->pid_fd);
}

void server_master_close_store(struct master *m)
{
	if (m->store_alive >= 0)
		close(m->store_alive);
	m->store_alive = -1;
}

/* ---- directories, files and sockets of our own ---- */

/* One server per runtime directory: the pid file is locked as long as the master lives. */
static bool lock_pid_file(struct master *m, char **error)
{
	char *path = mem_printf("%s/moonpost.pid", m->generation->config->runtime), text[32];
	ssize_t n;

	m->pid_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (m->pid_fd < 0) {
		*error = mem_printf("%s: %s", path, strerror(errno));
	} else if (flock(m->pid_fd, LOCK_EX | LOCK_NB) < 0) {
		n = read(m->pid_fd, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = '\0';
		*error = mem_printf("a moonpost with this runtime directory (%s) runs already as process %d; "
		                    "stop it with `moonpost stop` or change `runtime`",
		                    m->generation->config->runtime, atoi(text));
		close(m->pid_fd);
		m->pid_fd = -1;               /* it is the other one's file */
	} else {
		n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
		if (ftruncate(m->pid_fd, 0) < 0 || write(m->pid_fd, text, (size_t)n) != n)
			*error = mem_printf("%s: %s", path, strerror(errno));
	}
	free(path);
	return *error == NULL;
}

void server_master_open_log(const struct generation *g)
{
	char *error = NULL;

	log_set_level(g->config->log.level);
	log_set_format(g->config->log.format);
	if (log_open(g->config->log.target, g->config->log.path) != ST_OK)
		log_error("the log cannot be opened, the old one goes on", "path", g->config->log.path,
		          "why", strerror(errno), NULL);
	else if (g->config->log.target == LOG_TO_FILE)
		(void)server_privilege_own(&g->privilege, g->config->log.path, &error);
	free(error);
}

static bool open_own(struct master *m, char **error)
{
	const struct config *c = m->generation->config;
	char *socket_path = mem_printf("%s/control.sock", c->runtime);
	bool good = server_store_process_directory(c->runtime, 0755, "runtime", error) &&
	            lock_pid_file(m, error) &&
	            (m->store_fd = server_store_process_open(c, &m->generation->privilege, error)) >= 0;

	if (good)
		m->control = server_control_new(m, socket_path, error);
	free(socket_path);
	return good && m->control;
}

/* ---- ready ---- */

static void print_welcome(const char *path)
{
	FILE *f = path ? fopen(path, "r") : NULL;
	char block[1024];
	size_t n;

	if (path && !f)
		log_warn("the welcome text cannot be read", "path", path, "why", strerror(errno), NULL);
	while (f && (n = fread(block, 1, sizeof(block), f)) > 0)
		fwrite(block, 1, n, stdout);
	if (f)
		fclose(f);
}

static void print_ready(struct master *m)
{
	char *text = server_generation_text(m->generation);

	printf("moonpost %s ready: %s\n", MOONPOST_VERSION, text);
	print_welcome(m->options->welcome);
	fflush(stdout);
	if (m->generation->config->log.target != LOG_TO_STDERR)     /* there the line above stands */
		log_notice("ready", "listeners", text, "workers",
		           log_u64(m->generation->config->workers), "pid", log_u64((uint64_t)getpid()),
		           NULL);
	server_notify("READY=1");
	free(text);
}

void server_master_progress(struct master *m)
{
	unsigned workers = server_process_count(m, 0, false);

	switch (m->state) {
	case MASTER_STARTING:
		if (server_process_count(m, m->generation->number, true) < m->generation->config->workers)
			return;
		m->state = MASTER_RUNNING;
		print_ready(m);
		break;
	case MASTER_RUNNING:
		break;
	case MASTER_STOPPING:
		if (workers > 0)
			return;
		m->state = MASTER_STOPPING_STORE;
		server_master_close_store(m);
		timer_start(&m->kill, STORE_STOP_MS);
		if (!server_process_store(m))
			loop_stop(m->loop);
		break;
	case MASTER_STOPPING_STORE:
		if (list_empty(&m->processes))
			loop_stop(m->loop);
		break;
	}
}

/* ---- stopping ---- */

static void tell_workers(struct master *m, enum channel_kind kind)
{
	LIST_EACH(&m->processes, link) {
		struct process *p = CONTAINER_OF(link, struct process, link);

		if (!p->is_store)
			(void)server_channel_send(p->channel, kind, SLICE_NONE);
	}
}

static void kill_rest(void *owner)
{
	struct master *m = owner;

	LIST_EACH(&m->processes, link) {
		struct process *p = CONTAINER_OF(link, struct process, link);

		if (p->is_store && m->state != MASTER_STOPPING_STORE)
			continue;
		log_warn("a process did not end in time and is killed", "name", p->name, NULL);
		(void)kill(p->pid, SIGKILL);
	}
}

void server_master_stop(struct master *m, bool at_once)
{
	if (m->state < MASTER_STOPPING) {
		log_notice("stopping", "grace_ms", log_u64(m->generation->config->stop_grace_ms), NULL);
		server_notify("STOPPING=1");
		if (m->reload)
			server_reload_abort(m, "the server stops");
		m->state = MASTER_STOPPING;
		server_generation_close(m->generation);
		tell_workers(m, CHANNEL_STOP);
		timer_start(&m->kill, m->generation->config->stop_grace_ms +
		            m->generation->config->lua.stop_wall_ms + KILL_EXTRA_MS);
	}
	if (at_once && m->state == MASTER_STOPPING) {
		tell_workers(m, CHANNEL_NOW);
		timer_start(&m->kill, KILL_EXTRA_MS);
	}
	server_master_progress(m);
}

void server_master_fail(struct master *m, int exit_code, const char *text)
{
	fprintf(stderr, "moonpost run: %s\n", text);
	m->exit_code = exit_code;
	server_master_stop(m, true);
}

static void on_signal(void *owner, int signum)
{
	struct master *m = owner;

	if (signum == SIGHUP)
		server_reload_begin(m, NULL, NULL);
	else
		server_master_stop(m, signum == SIGINT && m->interrupts++ > 0);
}

/* logrotate without a reload. */
static void on_usr1(void *owner, int signum)
{
	struct master *m = owner;
	struct process *store = server_process_store(m);

	(void)signum;
	server_master_open_log(m->generation);
	tell_workers(m, CHANNEL_REOPEN_LOG);
	if (store)
		(void)kill(store->pid, SIGUSR1);
}

/* ---- the life of the master ---- */

static void refork(void *owner)
{
	server_process_fill(owner);
}

static void print_errors(const char *errors)
{
	struct slice rest = slice_from(errors), line;

	while (slice_cut(&rest, '\n', &line) == ST_OK)
		if (line.len)
			fprintf(stderr, "moonpost run: %.*s\n", SLICE_ARG(line));
}

static void clear(struct master *m)
{
	if (m->store_fd >= 0)
		server_store_process_close(&m->generation->config->store, m->store_fd);
	server_control_free(m->control);
	if (m->pid_fd >= 0) {
		(void)!ftruncate(m->pid_fd, 0);
		close(m->pid_fd);
	}
	server_generation_free(m->generation, NULL);
	loop_free(m->loop);
}

static int serve(struct master *m)
{
	char *error = NULL;

	server_master_open_log(m->generation);
	if (!open_own(m, &error)) {
		print_errors(error ? error : "cannot start");
		free(error);
		return EXIT_SYSTEM;
	}
	loop_signal(m->loop, SIGTERM, on_signal, m);
	loop_signal(m->loop, SIGINT, on_signal, m);
	loop_signal(m->loop, SIGHUP, on_signal, m);
	loop_signal(m->loop, SIGUSR1, on_usr1, m);
	server_process_look(m);
	server_process_fill(m);
	loop_run(m->loop);
	if (m->exit_code == 0)
		log_notice("stopped", NULL);
	return m->exit_code;
}

/* All workers must make up the same SCRAM salt for an unknown user. */
static void share_login_secret(void)
{
	unsigned char secret[32];

	random_bytes(secret, sizeof(secret));
	login_set_secret(slice_of(secret, sizeof(secret)));
	mem_wipe(secret, sizeof(secret));
}

int server_master_run(const struct master_options *options)
{
	struct master m = { .options = options, .store_fd = -1, .store_alive = -1, .pid_fd = -1 };
	char *error = NULL;
	int code;

	log_set_process("master");
	server_title_set("master");
	server_privilege_raise_files();
	random_bytes(m.ticket_key, sizeof(m.ticket_key));
	share_login_secret();
	m.generation = server_generation_new(options->config, NULL, m.ticket_key, &error);
	if (!m.generation) {
		print_errors(error);
		free(error);
		return EXIT_CONFIG;
	}
	list_init(&m.processes);
	m.started_ms = clock_ms();
	m.started_wall = clock_wall();
	m.board = server_board_new();
	m.loop = loop_new();
	timer_init(&m.look, m.loop, server_process_look, &m);
	timer_init(&m.refork, m.loop, refork, &m);
	timer_init(&m.kill, m.loop, kill_rest, &m);
	code = serve(&m);
	clear(&m);
	return code;
}
