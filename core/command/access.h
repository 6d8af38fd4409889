/* The store, for a command: through the socket of the running server, or, when none runs, through
 * a store process of the command's own.  Calls that change something wait until it is durable. */
#ifndef MOONPOST_COMMAND_ACCESS_H
#define MOONPOST_COMMAND_ACCESS_H

#include "command/command.h"
#include "script/config.h"
#include "store/client.h"

struct access {
	struct command_call *call;
	struct config       *config;
	struct loop         *loop;
	struct work_pool    *pool;
	struct store_client *store;
	struct arena         arena;       /* what is read for the command */
	int                  child;       /* our own store process, or 0 */
	int                  listen_fd, alive_fd;
	bool                 waiting;
	enum status          outcome;
};

/* COMMAND_OK, or an exit code after a complaint.  access_close in both cases. */
int access_open(struct access *a, struct command_call *call);
int access_config(struct access *a, struct command_call *call);   /* only a->config */
void access_close(struct access *a);

/* The frame of most sub-commands: open, run fn, close.  Its exit code, or that of opening. */
int access_run(struct command_call *call, int (*fn)(struct access *a));

/* Use as `done` with the access as owner, then access_wait(). */
void access_done(void *access, enum status st);
enum status access_wait(struct access *a);

/* Complain about a status of the store; returns the exit code.  what: "user alice@example.test". */
int access_fail(struct access *a, enum status st, const char *what);

/* The canonical mailbox name of an argument: lower case, with the default domain if it has none.
 * NULL after a complaint. */
const char *access_name(struct access *a, const char *argument);

/* Ask "text [y/N]" on the terminal; without one the answer is no. */
bool access_confirm(struct access *a, const char *text);

#endif
