/* The default mailbox store: the store process and its settings.  Schema and commit protocol:
 * schema.h and writer.h.  Workers talk to it through client.h. */
#ifndef MOONPOST_STORE_STORE_H
#define MOONPOST_STORE_STORE_H

#include <stdbool.h>

#include "base/slice.h"
#include "base/status.h"

/* Keys of the same name under `dict` in the configuration. */
struct store_dict_settings {
	uint32_t max_key_octets;              /* of one key; default 255 */
	uint32_t max_value_octets;            /* of one value; default 4 KiB */
	uint64_t max_entries;                 /* in memory; default 1,000,000 */
	uint64_t max_octets;                  /* the same; default 64 MiB */
	uint64_t max_plugin_octets;           /* of one plugin; default 32 MiB */
	uint64_t durable_max_entries;         /* on disk; default 1,000,000 */
	uint64_t durable_max_octets;          /* default 256 MiB */
	uint64_t durable_max_plugin_octets;   /* default 128 MiB */
};

/* Keys of the same name under `store` in the configuration. */
struct store_settings {
	/* data directory: mail.mdb, store.lock, blobs/, locks/, spool/, sock */
	const char *path;
	uint64_t map_octets;                  /* address space of the environment; default 256 GiB */
	uint64_t min_free_octets;             /* below: 452 at MAIL; default 64 MiB */
	uint64_t ballast_octets;              /* file given up when the disk is full; default 8 MiB */
	uint32_t max_batch_messages;          /* default 512 */
	uint32_t max_batch_octets;            /* default 4 MiB */
	uint32_t max_queued_requests;         /* default 10000 */
	uint64_t max_queued_octets;           /* default 64 MiB */
	uint32_t flush_threads;               /* default 8 */
	uint64_t default_quota_octets;        /* of a mailbox; 0: none */
	uint64_t default_quota_messages;
	struct store_dict_settings dict;
};

void store_settings_default(struct store_settings *s);

/* Make the directory and the environment if they are missing, check the schema version.  On
 * failure error (heap, the caller frees) says what and where. */
enum status store_prepare(const struct store_settings *s, char **error);

/* Bind <path>/sock and listen; the descriptor (close-on-exec) or -1 with error set.  An old
 * socket file is replaced: ask with store_running first. */
int store_listen(const struct store_settings *s, char **error);

/* Does a store process hold the directory? */
bool store_running(const struct store_settings *s);

/* Connect to <path>/sock; -1 with errno.  Non-blocking. */
int store_connect(const struct store_settings *s);

/* The store process: serves the listening unix socket until SIGTERM or until alive_fd (a pipe
 * from the master, or -1) closes; then commits what is queued and returns the exit code.
 * Takes the write lock of the directory first: BUSY is exit code 75 with a log line, an
 * environment that cannot be opened 73, one that cannot be written 74.  SIGINT is ignored (Ctrl-C
 * reaches the whole foreground group, and the master decides). */
int store_run(const struct store_settings *s, int listen_fd, int alive_fd);

#endif
