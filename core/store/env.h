/* The LMDB environment of a data directory, its databases and its lock file.
 *
 * One environment per process and directory (LMDB's rule: a second one would drop the first
 * one's locks), so opening again gives the same one, counted.  Not for several threads: open and
 * close on the main thread.  The only header besides *.c of this folder that includes lmdb.h. */
#ifndef MOONPOST_STORE_ENV_H
#define MOONPOST_STORE_ENV_H

#include <lmdb.h>

#include "base/list.h"
#include "base/slice.h"
#include "store/store.h"

/*        symbol       name            key -> value, see schema.h */
#define STORE_DB_LIST(X)        \
	X(META,        "meta")      \
	X(NAME,        "name")      \
	X(MBOX,        "mbox")      \
	X(UIDVALIDITY, "uidvalidity") \
	X(ROW,         "row")       \
	X(UIDL,        "uidl")      \
	X(UIDL_TEXT,   "uidltext")  \
	X(MSG,         "msg")       \
	X(BODY,        "body")      \
	X(GC,          "gc")        \
	X(GC_FILE,     "gcfile")    \
	X(USER,        "user")      \
	X(DOMAIN,      "domain")    \
	X(ALIAS,       "alias")     \
	X(DICT,        "dict")      \
	X(DICT_DUE,    "dictdue")   \
	X(DICT_SUM,    "dictsum")

enum store_db {
#define X(symbol, name) DB_##symbol,
	STORE_DB_LIST(X)
#undef X
	DB__COUNT,
	DB__SINCE_2 = DB_DICT,   /* those that an environment of schema version 1 lacks */
	DB__ABSENT = -1          /* its dbi: read as empty */
};

/* Bytes of store.lock, one OFD lock each. */
enum store_lock {
	STORE_LOCK_OPEN,         /* shared: the environment is open; exclusive: compact */
	STORE_LOCK_WRITER,       /* exclusive: the store process */
	STORE_LOCK_FILES,        /* shared: a backup copies blobs; exclusive: gc removes some */
};

struct store_env {
	struct list link;
	unsigned    refs;
	int         pid;                  /* whose it is: a fork does not inherit it */
	char       *path;
	bool        writable;
	int         lock_fd;              /* store.lock with STORE_LOCK_OPEN held */
	MDB_env    *env;
	MDB_dbi     dbi[DB__COUNT];
	uint64_t    map_octets;           /* what mmap gave */
};

enum store_env_mode { STORE_ENV_READ, STORE_ENV_WRITE };

/* WRITE makes directory and databases where they are missing, also those that an older schema
 * lacks.  On failure *error (heap) is a
 * sentence with the path.  BUSY: compact runs. */
enum status store_env_open(const struct store_settings *s, enum store_env_mode mode,
                           struct store_env **out, char **error);
void store_env_close(struct store_env **e);       /* *e becomes NULL */

/* "<directory>/<name>" on the heap. */
char *store_env_path(const char *directory, const char *name);

/* Flush a directory, so that new names in it are durable; 0 or errno. */
int store_env_sync(const char *directory);

/* A new descriptor of store.lock; -1 with errno. */
int store_lock_open(const char *directory);
/* type F_RDLCK, F_WRLCK or F_UNLCK.  BUSY without wait; IO. */
enum status store_lock_set(int fd, enum store_lock byte, short type, bool wait);
/* Does another descriptor hold it? */
bool store_lock_held(int fd, enum store_lock byte);

/* The status that fits an LMDB or errno code. */
enum status store_env_status(int rc);

/* ---- transactions ---- */

struct store_tx { struct store_env *env; MDB_txn *txn; };

int store_tx_get(const struct store_tx *t, enum store_db db, struct slice key, struct slice *value);
int store_tx_put(const struct store_tx *t, enum store_db db, struct slice key, struct slice value);
/* MDB_KEYEXIST when the key is there. */
int store_tx_add(const struct store_tx *t, enum store_db db, struct slice key, struct slice value);
int store_tx_del(const struct store_tx *t, enum store_db db, struct slice key);
int store_tx_cursor(const struct store_tx *t, enum store_db db, MDB_cursor **out);
/* First record at or behind *key (MDB_SET_RANGE), then MDB_NEXT; slices point into the map. */
int store_tx_move(MDB_cursor *c, MDB_cursor_op op, struct slice *key, struct slice *value);

/* A cached read transaction: begin renews it, end resets it; nests.  Never held over a turn of
 * the loop: pages that a reader sees cannot be used again. */
struct store_view { struct store_tx tx; unsigned depth; };

void store_view_init(struct store_view *v, struct store_env *e);
enum status store_view_begin(struct store_view *v);
void store_view_end(struct store_view *v);
void store_view_clear(struct store_view *v);

#endif
