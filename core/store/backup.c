/* store backup and store compact.
 *
 * A backup is a data directory of its own: the environment as it was at one moment, and the blob
 * files its messages name.  While it runs, no blob file is removed (STORE_LOCK_FILES); everything
 * else goes on.  The environment gets its name last: a backup that was cut short has none. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "hook/message.h"
#include "store/body.h"
#include "store/copy.h"
#include "store/maintain.h"

struct backup {
	const struct store_settings *settings;
	const char                  *to;
	char                        *partial, *final;     /* mail.mdb.new, mail.mdb */
	maintain_progress_fn        *progress;
	void                        *owner;
	uint64_t                     files;
	char                       **error;
};

static enum status failure(char **error, int rc, const char *what, const char *path)
{
	enum status st = store_env_status(rc);

	*error = mem_printf("%s %s: %s", what, path, mdb_strerror(rc));
	return st == ST_OK ? ST_IO : st;
}

static bool is_empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *entry;
	bool empty = d != NULL;

	while (d && (entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			empty = false;
	if (d)
		closedir(d);
	return empty;
}

static enum status make_target(struct backup *b)
{
	static const char *const parts[] = { "blobs", "locks", "spool" };

	if (mkdir(b->to, 0700) < 0 && errno != EEXIST)
		return failure(b->error, errno, "cannot make the directory", b->to);
	if (!is_empty(b->to)) {
		*b->error = mem_printf("the directory %s is not empty: name a new one", b->to);
		return ST_EXISTS;
	}
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		char *path = store_env_path(b->to, parts[i]);
		int rc = mkdir(path, 0700) < 0 ? errno : 0;
		enum status st = rc ? failure(b->error, rc, "cannot make the directory", path) : ST_OK;

		free(path);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

/* ---- blob files ---- */

static int copy_blob(struct backup *b, uint64_t msgid)
{
	char from[STORE_PATH_MAX], to[STORE_PATH_MAX];

	if (!store_body_path(b->settings->path, msgid, from) || !store_body_path(b->to, msgid, to))
		return ENAMETOOLONG;
	int in = open(from, O_RDONLY | O_CLOEXEC), out, rc;

	if (in < 0)
		return errno;
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0 && errno == ENOENT) {
		char *slash = strrchr(to, '/');

		*slash = '\0';
		(void)mkdir(to, 0700);
		*slash = '/';
		out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	}
	rc = out < 0 ? errno : store_body_copy(in, out);
	if (out >= 0)
		close(out);
	close(in);
	return rc;
}

/* Of every message in the copied environment. */
static int copy_blobs_of(struct backup *b, MDB_txn *txn)
{
	MDB_dbi dbi;
	MDB_cursor *c;
	MDB_val key, value;
	struct msg_value v;
	int rc = mdb_dbi_open(txn, "msg", 0, &dbi);

	if (rc != 0)
		return rc;
	rc = mdb_cursor_open(txn, dbi, &c);
	if (rc != 0)
		return rc;
	while ((rc = mdb_cursor_get(c, &key, &value, MDB_NEXT)) == 0) {
		if (schema_msg_decode(slice_of(value.mv_data, value.mv_size), &v) != ST_OK ||
		    !(v.flags & MESSAGE_IN_FILE))
			continue;
		rc = copy_blob(b, schema_get64(key.mv_data));
		if (rc != 0)
			break;
		if (b->progress)
			b->progress(b->owner, "files", ++b->files, 0);
	}
	mdb_cursor_close(c);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static enum status copy_blobs(struct backup *b)
{
	MDB_env *copy;
	MDB_txn *txn;
	int rc = copy_open(b->partial, &copy);

	if (rc == 0) {
		rc = mdb_txn_begin(copy, NULL, MDB_RDONLY, &txn);
		if (rc == 0) {
			rc = copy_blobs_of(b, txn);
			mdb_txn_abort(txn);
		}
		mdb_env_close(copy);
	}
	return rc ? failure(b->error, rc, "cannot copy the message files to", b->to) : ST_OK;
}

/* ---- backup ---- */

static int sync_all(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 || syncfs(fd) < 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return rc;
}

static enum status copy_all(struct backup *b, struct store_env *e)
{
	int rc = copy_environment(e->env, b->partial, b->progress, b->owner);

	if (rc != 0)
		return failure(b->error, rc, "cannot copy the environment to", b->partial);
	enum status st = copy_blobs(b);

	if (st != ST_OK)
		return st;
	rc = rename(b->partial, b->final) < 0 ? errno : sync_all(b->to);
	return rc ? failure(b->error, rc, "cannot finish the backup in", b->to) : ST_OK;
}

enum status maintain_backup(const struct store_settings *s, const char *to,
                            maintain_progress_fn *progress, void *owner, char **error)
{
	struct backup b = {
		.settings = s, .to = to, .progress = progress, .owner = owner, .error = error,
		.partial = store_env_path(to, "mail.mdb.new"), .final = store_env_path(to, "mail.mdb"),
	};
	struct store_env *e;
	int lock = -1;

	*error = NULL;
	enum status st = store_env_open(s, STORE_ENV_READ, &e, error);

	if (st == ST_OK) {
		lock = store_lock_open(s->path);
		if (lock < 0 || store_lock_set(lock, STORE_LOCK_FILES, F_RDLCK, true) != ST_OK)
			st = failure(error, errno, "cannot lock", s->path);
	}
	if (st == ST_OK)
		st = make_target(&b);
	if (st == ST_OK)
		st = copy_all(&b, e);
	if (lock >= 0)
		close(lock);
	store_env_close(&e);
	free(b.partial);
	free(b.final);
	return st;
}

/* ---- compact ---- */

static uint64_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* The copy takes the name; the lock file belongs to the old one and goes. */
static int replace(const char *directory, const char *fresh, const char *file)
{
	char *lock_file = mem_printf("%s-lock", file);
	int rc = rename(fresh, file) < 0 ? errno : store_env_sync(directory);

	if (rc == 0)
		(void)unlink(lock_file);
	free(lock_file);
	return rc;
}

static enum status compact_locked(const struct store_settings *s, maintain_progress_fn *progress,
                                  void *owner, uint64_t *before, uint64_t *after, char **error)
{
	char *file = store_env_path(s->path, "mail.mdb");
	char *fresh = store_env_path(s->path, "mail.mdb.new");
	MDB_env *e;
	int rc = copy_open(file, &e);

	*before = size_of(file);
	if (rc == 0) {
		rc = copy_environment(e, fresh, progress, owner);
		mdb_env_close(e);
	}
	if (rc == 0)
		rc = replace(s->path, fresh, file);
	*after = size_of(file);
	enum status st = rc ? failure(error, rc, "cannot compact", file) : ST_OK;

	free(file);
	free(fresh);
	return st;
}

enum status maintain_compact(const struct store_settings *s, maintain_progress_fn *progress,
                             void *owner, uint64_t *before, uint64_t *after, char **error)
{
	int lock = store_lock_open(s->path);
	enum status st;

	*error = NULL;
	*before = *after = 0;
	if (lock < 0)
		return failure(error, errno, "cannot open store.lock in", s->path);
	if (store_lock_set(lock, STORE_LOCK_OPEN, F_WRLCK, false) == ST_OK) {
		st = compact_locked(s, progress, owner, before, after, error);
	} else {
		st = ST_BUSY;
		*error = mem_printf("the mail store in %s is in use: stop the server first, compact, and "
		                    "start it again", s->path);
	}
	close(lock);
	return st;
}
