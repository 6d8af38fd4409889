/* The master: binds, forks, watches, replaces, reloads, stops.  It speaks no mail protocol, opens
 * no mailbox and has no threads, so that there is little that could end it.
 *
 *   master.c   start, signals, stop          process.c  one child: fork, heartbeat, end
 *   reload.c   the next generation           control.c  the socket of the command line
 *   reload_plugin.c  new code of plugins in running workers */
#ifndef MOONPOST_SERVER_MASTER_H
#define MOONPOST_SERVER_MASTER_H

#include "net/loop.h"
#include "server/board.h"
#include "server/channel.h"
#include "server/generation.h"

struct master_options {
	const char *config;               /* path of the configuration file */
	const char *welcome;              /* file whose text follows the ready line, or NULL */
};

/* Runs until stopped; returns the exit code: 0, or 78 when the configuration is at fault, 75 when
 * another server uses the same directories, 71 when the system refuses something. */
int server_master_run(const struct master_options *options);

/* ---- what the files of the master share ---- */

enum process_state { PROCESS_STARTING, PROCESS_SERVING, PROCESS_LEAVING };

struct process {
	struct list        link;
	struct master     *master;
	char               name[24];      /* "store", "worker.2" */
	bool               is_store;
	int                pid;
	unsigned           generation;
	enum process_state state;
	uint64_t           started_ms, killed_ms;    /* killed: because it was stuck, or 0 */
	struct board_slot *slot;          /* workers */
	struct channel    *channel;       /* workers */
	bool               reloading;     /* reload_plugin.c: its answer is awaited */
	uint32_t           has_new_code;  /* and the last one that it gave an answer to */
};

enum master_state { MASTER_STARTING, MASTER_RUNNING, MASTER_STOPPING, MASTER_STOPPING_STORE };

struct master {
	const struct master_options *options;
	struct loop        *loop;
	struct board       *board;
	struct generation  *generation;
	struct list         processes;
	enum master_state   state;
	int                 exit_code;
	unsigned            interrupts;           /* SIGINTs seen: the second one is meant */
	uint64_t            started_ms;
	int64_t             started_wall;
	unsigned            restarts;             /* children replaced because they died */
	unsigned            early_deaths;         /* in a row, within a second of their start */
	unsigned char       ticket_key[TLS_TICKET_KEY_SIZE];
	int                 pid_fd;               /* the locked pid file */
	int                 store_fd;             /* listening socket of the store */
	int                 store_alive;          /* closing it tells the store to finish */
	struct reload      *reload;               /* while one is under way */
	struct plugin_reload *plugin_reload;      /* the same */
	struct control     *control;
	struct timer        look, refork, kill;
};

/* process.c */
bool server_process_fork_store(struct master *m);
struct process *server_process_fork_worker(struct master *m, const struct generation *g);
void server_process_look(void *master);                   /* timer: heartbeats */
unsigned server_process_count(const struct master *m, unsigned generation, bool serving_only);
struct process *server_process_store(const struct master *m);
void server_process_fill(struct master *m);               /* fork what is missing */

/* master.c */
void server_master_progress(struct master *m);            /* a child got ready or ended */
void server_master_stop(struct master *m, bool at_once);
void server_master_fail(struct master *m, int exit_code, const char *text);   /* while starting */
void server_master_forget(struct master *m);              /* in a child: close the master's own */
void server_master_open_log(const struct generation *g);
void server_master_close_store(struct master *m);         /* tell it to commit and end */

/* reload.c.  owner NULL: nobody waits for the outcome (SIGHUP). */
typedef void server_reloaded_fn(void *owner, const char *errors);        /* NULL: done */
void server_reload_begin(struct master *m, server_reloaded_fn *done, void *owner);
void server_reload_worker_ready(struct master *m, struct process *p);
void server_reload_worker_failed(struct master *m, struct process *p, struct slice why);
const struct generation *server_reload_next(const struct master *m);    /* or NULL */
void server_reload_forget(struct master *m, void *owner); /* the owner is gone */
void server_reload_abort(struct master *m, const char *why);

/* reload_plugin.c.  name "": all plugins. */
void server_reload_plugin(struct master *m, const char *name, server_reloaded_fn *done, void *owner);
void server_reload_plugin_answer(struct master *m, struct process *p, struct slice text);
void server_reload_plugin_gone(struct master *m);         /* a process that was to answer ended */
void server_reload_plugin_forget(struct master *m, void *owner);

#endif
