/* The store process: one I/O loop, the writer thread, flush threads for large messages.
 *
 *   socket -> connection -> received -+-> (large: flush thread) -> writer -> finished -> reply
 *
 * Nothing here waits for the disk but the start and the end. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/histogram.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"
#include "store/body.h"
#include "store/connection.h"
#include "store/dict_service.h"
#include "store/file_gc.h"
#include "store/recover.h"
#include "store/space.h"
#include "store/writer.h"

enum {
	EXIT_BUSY = 75, EXIT_CANNOT_OPEN = 73, EXIT_BROKEN = 74,
	HOUSEKEEPING_MS = 10000, FLUSHING_MAX = 256, GOODBYE_MS = 2000,
};

struct process {
	struct connection_owner      clients;
	const struct store_settings *settings;
	struct store_env            *env;
	struct store_writer         *writer;
	struct work_pool            *flush;
	struct file_gc              *files;
	struct dict_service         *dicts;
	struct watch                *listening, *alive, *woken;
	int                          listen_fd, wake_fd;
	struct timer                 housekeeping;
	struct histogram             flush_us;
	unsigned                     flushing;
	bool                         paused, stopping;
	int                          exit_code;
};

static struct process *process_of(struct connection_owner *o)
{
	return CONTAINER_OF(o, struct process, clients);
}

/* Back-pressure: with the queue full, the sockets are left to fill. */
static void check_pressure(struct process *p)
{
	bool pause = p->stopping || p->flushing >= FLUSHING_MAX || store_writer_busy(p->writer);

	if (pause != p->paused) {
		p->paused = pause;
		connection_read_all(&p->clients, !pause);
	}
}

static void stop_when_done(struct process *p)
{
	if (p->stopping && p->flushing == 0 && connection_in_flight(&p->clients) == 0 &&
	    !file_gc_busy(p->files) && !dict_service_busy(p->dicts))
		loop_stop(p->clients.loop);
}

static void stop(struct process *p, int exit_code)
{
	if (exit_code)
		p->exit_code = exit_code;
	if (p->stopping)
		return;
	p->stopping = true;
	dict_service_stop(p->dicts);
	watch_set(p->listening, 0);
	check_pressure(p);
	stop_when_done(p);
}

/* ---- requests ---- */

static void refuse(struct store_request *r, enum status st)
{
	r->status = st;
	connection_reply(r, SLICE_NONE);
}

/* On a flush thread. */
static void run_flush(struct work *work)
{
	struct store_request *r = CONTAINER_OF(work, struct store_request, work);

	r->status = store_body_link(r->directory, r->msgid, r->fd);
}

static void flushed(struct work *work)
{
	struct store_request *r = CONTAINER_OF(work, struct store_request, work);
	struct process *p = process_of((struct connection_owner *)r->flusher);
	enum status st = r->status;

	p->flushing--;
	histogram_add(&p->flush_us, clock_us() - r->queued_us);
	if (st == ST_OK) {
		store_writer_submit(p->writer, r);
		return;
	}
	(void)store_body_unlink(p->env->path, r->msgid, r->msgid);
	if (st == ST_IO && space_exhausted(p->settings))
		st = ST_NOSPACE;
	if (st != ST_NOSPACE) {
		log_error("a large message cannot be stored", "directory", p->env->path,
		          "reason", status_text(st), NULL);
		st = ST_IO;
	}
	refuse(r, st);
	connection_flush_all(&p->clients);
	check_pressure(p);
	stop_when_done(p);
}

static void start_flush(struct process *p, struct store_request *r)
{
	struct stat st;

	if (fstat(r->fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size != r->message.octets) {
		refuse(r, ST_SYNTAX);
		return;
	}
	if (!apply_ids_take(store_writer_ids(p->writer), &r->msgid)) {
		store_writer_nudge(p->writer);
		refuse(r, ST_OVERLOAD);
		return;
	}
	r->message.flags |= MESSAGE_IN_FILE;
	r->directory = p->env->path;
	r->flusher = &p->clients;
	r->queued_us = clock_us();
	r->work = (struct work){ .run = run_flush, .done = flushed };
	p->flushing++;
	work_submit(p->flush, &r->work);
}

/* How far the oldest reader is behind: what it sees cannot be freed. */
static int read_lag(const char *line, void *arg)
{
	unsigned long long pid, thread, txnid, *oldest = arg;

	if (sscanf(line, "%llu %llx %llu", &pid, &thread, &txnid) == 3 && txnid < *oldest)
		*oldest = txnid;
	return 0;
}

static void numbers(struct process *p, struct store_request *r)
{
	struct store_numbers n = { 0 };
	unsigned long long oldest;
	MDB_envinfo info;

	store_writer_numbers(p->writer, &n);
	mdb_env_info(p->env->env, &info);
	oldest = info.me_last_txnid;
	mdb_reader_list(p->env->env, read_lag, &oldest);
	n.flush_us_p50 = histogram_percentile(&p->flush_us, 50);
	n.pages_used = info.me_last_pgno + 1;
	n.pages_free = space_free_pages(p->env);
	n.map_octets = info.me_mapsize;
	n.transactions = info.me_last_txnid;
	n.reader_lag = info.me_last_txnid - oldest;
	dict_service_numbers(p->dicts, &n);
	(void)space_free(p->env->path, &n.disk_free_octets);
	r->status = ST_OK;
	connection_reply(r, slice_of(&n, sizeof(n)));
}

static void received(struct connection_owner *o, struct store_request *r)
{
	struct process *p = process_of(o);
	enum status st = store_request_decode(r);

	if (st != ST_OK)
		refuse(r, st);
	else if (r->type == WIRE_NUMBERS)
		numbers(p, r);
	else if (r->type == WIRE_DICT && dict_service_run(p->dicts, r))
		connection_reply(r, buf_slice(&r->dict->answer));
	else if (r->fd >= 0)
		start_flush(p, r);
	else
		store_writer_submit(p->writer, r);
	check_pressure(p);
}

static void lost(struct connection_owner *o)
{
	int dead;

	mdb_reader_check(process_of(o)->env->env, &dead);     /* perhaps a worker died */
}

static void finish_request(struct process *p, struct store_request *r)
{
	if (r->type == WIRE_DICT_SWEEP) {
		dict_service_swept(p->dicts, r);
		return;
	}
	if (r->type == WIRE_FILES_GONE) {
		file_gc_committed(p->files, r->status);
		store_request_free(r);
		return;
	}
	if (r->type == WIRE_DELETE || r->type == WIRE_MAILBOX_REMOVE)
		file_gc_soon(p->files);
	if (r->fd >= 0 && !r->stored)
		(void)store_body_unlink(p->env->path, r->msgid, r->msgid);
	connection_reply(r, r->dict ? buf_slice(&r->dict->answer)
	                  : r->type == WIRE_DELIVER && r->status == ST_OK
	                        ? slice_of(r->results, r->count * REQUEST_RESULT) : SLICE_NONE);
}

static void woken(void *owner, int events)
{
	struct process *p = owner;
	struct list done, *link;
	uint64_t count;

	(void)events;
	(void)!read(p->wake_fd, &count, sizeof(count));
	list_init(&done);
	store_writer_finished(p->writer, &done);
	while ((link = list_shift(&done)) != NULL)
		finish_request(p, CONTAINER_OF(link, struct store_request, link));
	connection_flush_all(&p->clients);
	if (store_writer_failed(p->writer)) {
		p->exit_code = EXIT_BROKEN;
		loop_stop(p->clients.loop);
	}
	check_pressure(p);
	stop_when_done(p);
}

/* ---- events from outside ---- */

static void accept_clients(void *owner, int events)
{
	struct process *p = owner;
	int fd;

	(void)events;
	while ((fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		connection_new(&p->clients, fd);
	if (p->paused)
		connection_read_all(&p->clients, false);
}

static void on_alive(void *owner, int events)
{
	(void)events;
	stop(owner, 0);                          /* the master is gone */
}

/* logrotate moved the file away. */
static void reopen_log(void *owner, int signum)
{
	(void)owner, (void)signum;
	(void)log_reopen();
}

static void on_signal(void *owner, int signum)
{
	(void)signum;
	stop(owner, 0);
}

static void housekeeping(void *owner)
{
	struct process *p = owner;
	int dead;

	mdb_reader_check(p->env->env, &dead);
	space_make_ballast(p->settings);
	store_writer_nudge(p->writer);           /* gc may have stopped for want of room */
	timer_start(&p->housekeeping, HOUSEKEEPING_MS);
}

/* ---- start and end ---- */

static void submit_own(void *owner, struct store_request *r)
{
	struct process *p = owner;

	store_writer_submit(p->writer, r);
}

static void gc_rested(void *owner)
{
	stop_when_done(owner);
}

static bool start(struct process *p, int alive_fd)
{
	struct loop *l = p->clients.loop = loop_new();
	static const struct file_gc_events gc_events = { submit_own, gc_rested };

	list_init(&p->clients.connections);
	p->clients.received = received;
	p->clients.lost = lost;
	timer_init(&p->housekeeping, l, housekeeping, p);
	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	space_make_ballast(p->settings);
	p->writer = store_writer_new(p->env, p->settings, p->wake_fd);
	if (!p->writer)
		return false;
	recover_directory(p->env);
	p->flush = work_pool_new(l, p->settings->flush_threads, "flush");
	p->files = file_gc_new(l, p->flush, p->env, store_writer_ids(p->writer), &gc_events, p);
	p->dicts = dict_service_new(l, p->env, p->settings, submit_own, p);
	p->woken = watch_new(l, p->wake_fd, LOOP_READABLE, woken, p);
	p->listening = watch_new(l, p->listen_fd, LOOP_READABLE, accept_clients, p);
	if (alive_fd >= 0)
		p->alive = watch_new(l, alive_fd, LOOP_READABLE, on_alive, p);
	loop_signal(l, SIGTERM, on_signal, p);
	loop_signal(l, SIGUSR1, reopen_log, NULL);
	housekeeping(p);
	file_gc_soon(p->files);
	return true;
}

static void finish(struct process *p)
{
	timer_stop(&p->housekeeping);
	if (p->writer)
		store_writer_stop(p->writer);
	watch_free(p->listening);
	watch_free(p->alive);
	watch_free(p->woken);
	work_pool_free(p->flush);                /* its jobs still use what follows */
	connection_close_all(&p->clients, GOODBYE_MS);
	file_gc_free(p->files);
	dict_service_free(p->dicts);
	store_writer_free(p->writer);
	loop_free(p->clients.loop);
	close(p->wake_fd);
}

static int serve(const struct store_settings *s, int listen_fd, int alive_fd)
{
	struct process p = { .settings = s, .listen_fd = listen_fd };
	char *error;

	if (store_env_open(s, STORE_ENV_WRITE, &p.env, &error) != ST_OK) {
		log_error(error, NULL);
		free(error);
		return EXIT_CANNOT_OPEN;
	}
	if (start(&p, alive_fd)) {
		log_info("store ready", "directory", s->path, NULL);
		loop_run(p.clients.loop);
	} else {
		p.exit_code = EXIT_BROKEN;
	}
	/* A broken environment is left as it is: the exit does not wait for anything. */
	if (p.exit_code == EXIT_BROKEN)
		return EXIT_BROKEN;
	finish(&p);
	store_env_close(&p.env);
	return p.exit_code;
}

int store_run(const struct store_settings *s, int listen_fd, int alive_fd)
{
	int lock = store_lock_open(s->path);

	signal(SIGINT, SIG_IGN);
	if (lock < 0) {
		log_error("cannot open store.lock", "directory", s->path, "error", strerror(errno), NULL);
		return EXIT_CANNOT_OPEN;
	}
	if (store_lock_set(lock, STORE_LOCK_WRITER, F_WRLCK, false) != ST_OK) {
		log_error("another store process holds the directory: is the server running already?",
		          "directory", s->path, NULL);
		close(lock);
		return EXIT_BUSY;
	}
	fcntl(listen_fd, F_SETFL, fcntl(listen_fd, F_GETFL) | O_NONBLOCK);
	int code = serve(s, listen_fd, alive_fd);

	close(lock);
	return code;
}
