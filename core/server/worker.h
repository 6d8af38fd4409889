/* A worker process: one event loop that serves sessions of all listeners.  Forked by the master,
 * which it tells that it is ready and alive; everything it may break is its own. */
#ifndef MOONPOST_SERVER_WORKER_H
#define MOONPOST_SERVER_WORKER_H

#include "net/loop.h"
#include "net/tls.h"
#include "net/work.h"
#include "script/script.h"
#include "server/board.h"
#include "server/channel.h"
#include "server/generation.h"
#include "server/transcript.h"
#include "store/client.h"

/* What the parts of core/server share within a worker. */
struct worker {
	struct loop             *loop;
	const struct generation *generation;      /* configuration, TLS, listening sockets */
	const struct config     *config;          /* generation->config */
	struct board            *board;
	struct board_slot       *slot;
	struct channel          *channel;         /* to the master */
	struct work_pool        *work;            /* hashing passwords, reading files */
	struct store_client     *store;
	struct policy           *directory;
	struct script           *script;
	struct transcript        transcript;
	struct accept           *accept;
	struct certificates     *certificates;    /* of plugins, by name */
	struct list              connections;
	unsigned                 open;            /* connections in the list */
	uint64_t                 arrivals;        /* connections and TLS handshakes so far */
	uint64_t                 arrivals_beat, arrivals_trim;     /* at the last beat, at the last trim */
	bool                     serving;         /* said to be ready */
	bool                     asking;          /* whether the store lives */
	bool                     leaving;         /* no new clients; ends with the last session */
	bool                     ended;           /* plugins' on_stop hooks run or have run */
	bool                     at_once;         /* without asking anybody */
	bool                     stopping;        /* sessions are asked to end as well */
	struct timer             beat, grace, retry;
	int                      exit_code;
};

struct control;

struct worker_setup {
	struct loop             *loop;            /* the master's; forked */
	const struct generation *generation;
	struct board            *board;
	struct board_slot       *slot;
	int                      channel;
	const char              *name;            /* "worker.2" */
	const struct control    *control;         /* the master's; knows what is traced */
};

/* Runs until told to stop; returns the exit code of the process. */
int server_worker_run(const struct worker_setup *setup);

/* A connection left the list: the last one of a leaving worker ends it. */
void server_worker_left(struct worker *w);

#endif
