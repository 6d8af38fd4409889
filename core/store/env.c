/* Opening the environment, its lock file, and thin wrappers around LMDB calls. */
#include "store/env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/schema.h"

enum { MAX_READERS = 1024 };
static const uint64_t smallest_map = 1 << 20;

static const char *const names[] = {
#define X(symbol, name) name,
	STORE_DB_LIST(X)
#undef X
};

static struct list opened = { &opened, &opened };

char *store_env_path(const char *directory, const char *name)
{
	return mem_printf("%s/%s", directory, name);
}

int store_env_sync(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 || fsync(fd) < 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return rc;
}

/* ---- store.lock ---- */

int store_lock_open(const char *directory)
{
	char *path = store_env_path(directory, "store.lock");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int saved = errno;

	free(path);
	errno = saved;
	return fd;
}

enum status store_lock_set(int fd, enum store_lock byte, short type, bool wait)
{
	struct flock range = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

	while (fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &range) < 0) {
		if (errno == EAGAIN || errno == EACCES)
			return ST_BUSY;
		if (errno != EINTR)
			return ST_IO;
	}
	return ST_OK;
}

bool store_lock_held(int fd, enum store_lock byte)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

	return fcntl(fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

/* ---- open ---- */

enum status store_env_status(int rc)
{
	switch (rc) {
	case MDB_SUCCESS:          return ST_OK;
	case MDB_NOTFOUND:         return ST_NOTFOUND;
	case ENOENT:               return ST_NOTFOUND;
	case MDB_KEYEXIST:         return ST_EXISTS;
	case MDB_BAD_VALSIZE:      return ST_TOOBIG;
	case MDB_MAP_FULL:
	case ENOSPC:
	case EDQUOT:               return ST_NOSPACE;
	case MDB_READERS_FULL:
	case EAGAIN:
	case ENOMEM:               return ST_OVERLOAD;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH: return ST_CORRUPT;
	case EACCES:
	case EPERM:                return ST_DENIED;
	default:                   return ST_IO;
	}
}

static int open_databases(struct store_env *e, bool create)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(e->env, NULL, create ? 0 : MDB_RDONLY, &txn);

	for (int i = 0; rc == 0 && i < DB__COUNT; i++) {
		rc = mdb_dbi_open(txn, names[i], create ? MDB_CREATE : 0, &e->dbi[i]);
		if (rc == MDB_NOTFOUND && i >= DB__SINCE_2 && !e->writable) {
			e->dbi[i] = (MDB_dbi)DB__ABSENT;
			rc = 0;
		}
	}
	struct store_tx t = { e, txn };

	if (rc == 0 && create)
		rc = store_schema_create(&t);
	if (rc == 0)
		return mdb_txn_commit(txn);      /* keeps the handles of a read transaction too */
	if (txn)
		mdb_txn_abort(txn);
	return rc;
}

/* The map is halved until the address space has room for it (RLIMIT_AS, small machines). */
static int open_map(struct store_env *e, const char *file, uint64_t size)
{
	unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | (e->writable ? 0 : MDB_RDONLY);
	int rc;

	for (;; size /= 2) {
		rc = mdb_env_create(&e->env);
		if (rc != 0)
			return rc;
		mdb_env_set_maxdbs(e->env, DB__COUNT);
		mdb_env_set_maxreaders(e->env, MAX_READERS);
		mdb_env_set_mapsize(e->env, size & ~(uint64_t)4095);
		rc = mdb_env_open(e->env, file, flags, 0600);
		if (rc == 0)
			break;
		mdb_env_close(e->env);
		e->env = NULL;
		if ((rc != ENOMEM && rc != EINVAL) || size / 2 < smallest_map)
			return rc;
	}
	MDB_envinfo info;

	mdb_env_info(e->env, &info);
	e->map_octets = info.me_mapsize;
	return 0;
}

static int check_schema(struct store_env *e, char **error)
{
	struct store_tx t = { e, NULL };
	int rc = mdb_txn_begin(e->env, NULL, MDB_RDONLY, &t.txn);
	uint64_t version = 0;

	if (rc != 0)
		return rc;
	rc = store_schema_meta_get(&t, "version", &version);
	mdb_txn_abort(t.txn);
	if (rc == 0 && (version < SCHEMA_OLDEST || version > SCHEMA_VERSION)) {
		*error = mem_printf("the store in %s has schema version %u and this program knows "
		                    "versions %u to %u: use the program that wrote it, or export and "
		                    "import the mail", e->path, (unsigned)version, SCHEMA_OLDEST,
		                    SCHEMA_VERSION);
		rc = MDB_VERSION_MISMATCH;
	}
	return rc;
}

static enum status open_environment(struct store_env *e, const struct store_settings *s,
                                    char **error)
{
	char *file = store_env_path(s->path, "mail.mdb");
	int rc = open_map(e, file, s->map_octets);

	if (rc == 0) {
		rc = open_databases(e, false);
		if (rc == MDB_NOTFOUND && e->writable)
			rc = open_databases(e, true);    /* a new store, or one of an older schema */
	}
	if (rc == 0)
		rc = check_schema(e, error);
	if (rc == MDB_NOTFOUND || rc == ENOENT)
		*error = mem_printf("there is no mail store in %s: start the server once, it makes one",
		                    s->path);
	else if (rc != 0 && !*error)
		*error = mem_printf("cannot open the mail store %s: %s", file, mdb_strerror(rc));
	free(file);
	return rc == ENOENT ? ST_NOTFOUND : store_env_status(rc);
}

static struct store_env *find_open(const struct store_settings *s)
{
	LIST_EACH(&opened, link) {
		struct store_env *e = CONTAINER_OF(link, struct store_env, link);

		if (e->pid == getpid() && strcmp(e->path, s->path) == 0)
			return e;
	}
	return NULL;
}

static void free_env(struct store_env *e)
{
	if (e->env)
		mdb_env_close(e->env);
	if (e->lock_fd >= 0)
		close(e->lock_fd);
	free(e->path);
	free(e);
}

enum status store_env_open(const struct store_settings *s, enum store_env_mode mode,
                           struct store_env **out, char **error)
{
	struct store_env *e = find_open(s);

	*out = NULL;
	*error = NULL;
	if (e) {
		if (mode == STORE_ENV_WRITE && !e->writable) {
			*error = mem_printf("the mail store in %s is open for reading in this process",
			                    s->path);
			return ST_BUSY;
		}
		e->refs++;
		*out = e;
		return ST_OK;
	}
	e = MEM_NEW(struct store_env);
	e->path = mem_strdup(s->path);
	e->pid = getpid();
	e->refs = 1;
	e->writable = mode == STORE_ENV_WRITE;
	e->lock_fd = store_lock_open(s->path);
	enum status st = ST_OK;

	if (e->lock_fd < 0) {
		st = store_env_status(errno);
		*error = mem_printf("cannot open %s/store.lock: %s", s->path, strerror(errno));
	} else if (store_lock_set(e->lock_fd, STORE_LOCK_OPEN, F_RDLCK, false) != ST_OK) {
		st = ST_BUSY;
		*error = mem_printf("the mail store in %s is being compacted: try again later", s->path);
	}
	if (st == ST_OK)
		st = open_environment(e, s, error);
	if (st != ST_OK) {
		free_env(e);
		return st;
	}
	list_append(&opened, &e->link);
	*out = e;
	return ST_OK;
}

void store_env_close(struct store_env **e)
{
	if (*e && --(*e)->refs == 0) {
		list_remove(&(*e)->link);
		free_env(*e);
	}
	*e = NULL;
}

/* ---- transactions ---- */

static MDB_val to_val(struct slice s)
{
	return (MDB_val){ .mv_size = s.len, .mv_data = (void *)(uintptr_t)s.ptr };
}

int store_tx_get(const struct store_tx *t, enum store_db db, struct slice key, struct slice *value)
{
	MDB_val k = to_val(key), v;

	if (t->env->dbi[db] == (MDB_dbi)DB__ABSENT)
		return MDB_NOTFOUND;
	int rc = mdb_get(t->txn, t->env->dbi[db], &k, &v);

	if (rc == 0)
		*value = slice_of(v.mv_data, v.mv_size);
	return rc;
}

int store_tx_put(const struct store_tx *t, enum store_db db, struct slice key, struct slice value)
{
	MDB_val k = to_val(key), v = to_val(value);

	return mdb_put(t->txn, t->env->dbi[db], &k, &v, 0);
}

int store_tx_add(const struct store_tx *t, enum store_db db, struct slice key, struct slice value)
{
	MDB_val k = to_val(key), v = to_val(value);

	return mdb_put(t->txn, t->env->dbi[db], &k, &v, MDB_NOOVERWRITE);
}

int store_tx_del(const struct store_tx *t, enum store_db db, struct slice key)
{
	MDB_val k = to_val(key);

	return mdb_del(t->txn, t->env->dbi[db], &k, NULL);
}

int store_tx_cursor(const struct store_tx *t, enum store_db db, MDB_cursor **out)
{
	if (t->env->dbi[db] == (MDB_dbi)DB__ABSENT)
		return MDB_NOTFOUND;
	return mdb_cursor_open(t->txn, t->env->dbi[db], out);
}

int store_tx_move(MDB_cursor *c, MDB_cursor_op op, struct slice *key, struct slice *value)
{
	MDB_val k = to_val(*key), v;
	int rc = mdb_cursor_get(c, &k, &v, op);

	if (rc == 0) {
		*key = slice_of(k.mv_data, k.mv_size);
		*value = slice_of(v.mv_data, v.mv_size);
	}
	return rc;
}

void store_view_init(struct store_view *v, struct store_env *e)
{
	*v = (struct store_view){ .tx = { .env = e } };
}

static int begin_or_renew(struct store_view *v)
{
	if (v->tx.txn)
		return mdb_txn_renew(v->tx.txn);
	return mdb_txn_begin(v->tx.env->env, NULL, MDB_RDONLY, &v->tx.txn);
}

enum status store_view_begin(struct store_view *v)
{
	if (v->depth > 0) {
		v->depth++;
		return ST_OK;
	}
	int rc = begin_or_renew(v);

	if (rc == MDB_MAP_RESIZED) {
		mdb_env_set_mapsize(v->tx.env->env, 0);
		rc = begin_or_renew(v);
	}
	if (rc == 0)
		v->depth = 1;
	return store_env_status(rc);
}

void store_view_end(struct store_view *v)
{
	if (--v->depth == 0)
		mdb_txn_reset(v->tx.txn);
}

void store_view_clear(struct store_view *v)
{
	if (v->tx.txn)
		mdb_txn_abort(v->tx.txn);
	v->tx.txn = NULL;
	v->depth = 0;
}
