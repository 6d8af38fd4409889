/* Bodies in chunks and in files. */
#include "store/body.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "hook/message.h"

/* ---- chunks ---- */

int store_body_put(const struct store_tx *t, uint64_t msgid, struct slice octets)
{
	unsigned char key[KEY_SIZE];
	int rc = 0;

	for (uint32_t chunk = 0; rc == 0 && octets.len; chunk++) {
		rc = store_tx_put(t, DB_BODY, schema_key64_32(key, msgid, chunk),
		                  slice_head(octets, BODY_CHUNK));
		octets = slice_skip(octets, BODY_CHUNK);
	}
	return rc;
}

int store_body_get(const struct store_tx *t, uint64_t msgid, uint32_t chunk, struct slice *out)
{
	unsigned char key[KEY_SIZE];

	return store_tx_get(t, DB_BODY, schema_key64_32(key, msgid, chunk), out);
}

int store_body_del(const struct store_tx *t, uint64_t msgid, uint32_t chunks, uint32_t budget,
                   uint32_t *left)
{
	unsigned char key[KEY_SIZE];

	for (; chunks > 0 && budget > 0; budget--) {
		int rc = store_tx_del(t, DB_BODY, schema_key64_32(key, msgid, chunks - 1));

		if (rc != 0 && rc != MDB_NOTFOUND)
			return rc;
		chunks--;
	}
	*left = chunks;
	return 0;
}

int store_body_load(const struct store_tx *t, uint64_t msgid, struct msg_value *v)
{
	unsigned char key[KEY_SIZE];
	struct slice value;
	int rc = store_tx_get(t, DB_MSG, schema_key64(key, msgid), &value);

	if (rc == 0 && schema_msg_decode(value, v) != ST_OK)
		rc = MDB_CORRUPTED;
	return rc;
}

int store_body_save(const struct store_tx *t, uint64_t msgid, const struct msg_value *v)
{
	unsigned char key[KEY_SIZE], value[MSG_SIZE + SENDER_MAX];

	return store_tx_put(t, DB_MSG, schema_key64(key, msgid), schema_msg_encode(v, value));
}

static int leave_to_gc(const struct store_tx *t, uint64_t msgid, const struct msg_value *v)
{
	unsigned char key[KEY_SIZE], value[GC_SIZE];

	if (v->flags & MESSAGE_IN_FILE) {
		value[0] = VALUE_VERSION;
		return store_tx_put(t, DB_GC_FILE, schema_key64(key, msgid), slice_of(value, 1));
	}
	struct gc_value gc = { .kind = GC_BODY, .chunks = schema_chunks(v->octets) };

	if (gc.chunks == 0)
		return 0;
	return store_tx_put(t, DB_GC, schema_key64_64(key, GC_BODY, msgid),
	                    schema_gc_encode(&gc, value));
}

int store_body_unref(const struct store_tx *t, uint64_t msgid)
{
	unsigned char key[KEY_SIZE];
	struct msg_value v;
	int rc = store_body_load(t, msgid, &v);

	if (rc != 0)
		return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
	if (v.refs > 1) {
		char sender[SENDER_MAX];

		/* The put may move the page that v.sender points into. */
		v.sender = slice_head(v.sender, SENDER_MAX);
		if (v.sender.len)
			memcpy(sender, v.sender.ptr, v.sender.len);
		v.sender.ptr = sender;
		v.refs--;
		return store_body_save(t, msgid, &v);
	}
	rc = store_tx_del(t, DB_MSG, schema_key64(key, msgid));
	return rc ? rc : leave_to_gc(t, msgid, &v);
}

/* ---- files ---- */

bool store_body_path(const char *directory, uint64_t msgid, char out[STORE_PATH_MAX])
{
	int n = snprintf(out, STORE_PATH_MAX, "%s/blobs/%08" PRIx64 "/%016" PRIx64, directory,
	                 msgid >> BLOB_DIRECTORY_SHIFT, msgid);

	return n > 0 && n < STORE_PATH_MAX;
}

/* By hand where the kernel cannot (old ones between file systems, special file systems). */
static ssize_t copy_some(int from, int to, loff_t *at)
{
	char octets[65536];
	ssize_t n = pread(from, octets, sizeof(octets), *at);

	if (n <= 0)
		return n;
	n = pwrite(to, octets, (size_t)n, *at);
	*at += n > 0 ? n : 0;
	return n;
}

int store_body_copy(int from, int to)
{
	loff_t at = 0, there = 0;
	struct stat st;

	if (fstat(from, &st) < 0)
		return errno;
	while (at < st.st_size) {
		ssize_t n = copy_file_range(from, &at, to, &there, (size_t)(st.st_size - at), 0);

		if (n < 0 &&
		    (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)) {
			n = copy_some(from, to, &at);
			there = at;
		}
		if (n < 0 && errno != EINTR)
			return errno;
		if (n == 0)
			return EIO;
	}
	return fdatasync(to) < 0 ? errno : 0;
}

/* Where an unnamed file cannot be linked (another file system, no O_TMPFILE). */
static int copy_file(int from, const char *path)
{
	int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (to < 0)
		return -1;
	int rc = store_body_copy(from, to);

	close(to);
	if (rc == 0)
		return 0;
	unlink(path);
	errno = rc;
	return -1;
}

static int link_file(int fd, const char *path)
{
	char self[64];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

/* blobs/<block> and its name in blobs/. */
static int make_directory(const char *path)
{
	char parent[STORE_PATH_MAX];

	snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	if (mkdir(parent, 0700) < 0 && errno != EEXIST)
		return -1;
	*strrchr(parent, '/') = '\0';
	errno = store_env_sync(parent);
	return errno ? -1 : 0;
}

enum status store_body_link(const char *directory, uint64_t msgid, int fd)
{
	char path[STORE_PATH_MAX];

	if (!store_body_path(directory, msgid, path))
		return ST_TOOBIG;
	if (fdatasync(fd) < 0)
		return store_env_status(errno);
	int rc = link_file(fd, path);

	if (rc < 0 && errno == ENOENT) {
		/* The first file of its block makes the directory. */
		if (make_directory(path) < 0)
			return store_env_status(errno);
		rc = link_file(fd, path);
	}
	/* ENOENT now: a file that had a name and lost it cannot be linked. */
	if (rc < 0 && (errno == ENOENT || errno == EXDEV || errno == EPERM || errno == EACCES ||
	               errno == EOPNOTSUPP))
		rc = copy_file(fd, path);
	if (rc < 0)
		return store_env_status(errno);
	*strrchr(path, '/') = '\0';
	return store_env_status(store_env_sync(path));
}

enum status store_body_unlink(const char *directory, uint64_t msgid, uint64_t current)
{
	char path[STORE_PATH_MAX];

	if (!store_body_path(directory, msgid, path))
		return ST_TOOBIG;
	if (unlink(path) < 0 && errno != ENOENT)
		return store_env_status(errno);
	/* Flush threads may still be busy in this block and the one before. */
	if ((msgid >> BLOB_DIRECTORY_SHIFT) + 1 < current >> BLOB_DIRECTORY_SHIFT) {
		*strrchr(path, '/') = '\0';
		(void)rmdir(path);               /* only an empty one goes */
	}
	return ST_OK;
}
