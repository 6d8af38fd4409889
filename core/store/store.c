/* Settings, the data directory and its socket.  The process itself is in process.c. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/env.h"

void store_settings_default(struct store_settings *s)
{
	*s = (struct store_settings){
		.map_octets = (uint64_t)256 << 30,
		.min_free_octets = 64 << 20,
		.ballast_octets = 8 << 20,
		.max_batch_messages = 512,
		.max_batch_octets = 4 << 20,
		.max_queued_requests = 10000,
		.max_queued_octets = 64 << 20,
		.flush_threads = 8,
		.dict = {
			.max_key_octets = 255, .max_value_octets = 4 << 10,
			.max_entries = 1000000, .max_octets = 64 << 20, .max_plugin_octets = 32 << 20,
			.durable_max_entries = 1000000, .durable_max_octets = 256 << 20,
			.durable_max_plugin_octets = 128 << 20,
		},
	};
}

/* ---- the directory ---- */

static bool make_directory(const char *path, char **error)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return true;
	*error = mem_printf("cannot make the directory %s: %s", path, strerror(errno));
	return false;
}

static bool make_tree(const char *path, char **error)
{
	static const char *const parts[] = { "blobs", "locks", "spool" };
	bool good = make_directory(path, error);

	for (size_t i = 0; good && i < COUNT_OF(parts); i++) {
		char *part = store_env_path(path, parts[i]);

		good = make_directory(part, error);
		free(part);
	}
	return good;
}

/* A new file is durable only when its directory is. */
static bool sync_tree(const char *path, char **error)
{
	char *parent = store_env_path(path, "..");
	int rc = store_env_sync(path);

	if (rc == 0)
		rc = store_env_sync(parent);
	if (rc != 0)
		*error = mem_printf("cannot flush the directory %s: %s", path, strerror(rc));
	free(parent);
	return rc == 0;
}

enum status store_prepare(const struct store_settings *s, char **error)
{
	struct store_env *e;

	*error = NULL;
	if (!make_tree(s->path, error))
		return store_env_status(errno);
	enum status st = store_env_open(s, STORE_ENV_WRITE, &e, error);

	if (st != ST_OK)
		return st;
	store_env_close(&e);
	return sync_tree(s->path, error) ? ST_OK : ST_IO;
}

bool store_running(const struct store_settings *s)
{
	int fd = store_lock_open(s->path);
	bool running = fd >= 0 && store_lock_held(fd, STORE_LOCK_WRITER);

	if (fd >= 0)
		close(fd);
	return running;
}

/* ---- the socket ---- */

/* A path that does not fit into sun_path is reached through a descriptor of its directory. */
static bool socket_address(const struct store_settings *s, struct sockaddr_un *to, int *directory)
{
	int n = snprintf(to->sun_path, sizeof(to->sun_path), "%s/sock", s->path);

	to->sun_family = AF_UNIX;
	*directory = -1;
	if (n > 0 && (size_t)n < sizeof(to->sun_path))
		return true;
	*directory = open(s->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*directory < 0)
		return false;
	snprintf(to->sun_path, sizeof(to->sun_path), "/proc/self/fd/%d/sock", *directory);
	return true;
}

static int open_socket(const struct store_settings *s, bool listening)
{
	struct sockaddr_un to = { 0 };
	int directory, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc = -1;

	if (fd < 0 || !socket_address(s, &to, &directory))
		goto fail;
	if (listening) {
		unlink(to.sun_path);
		mode_t before = umask(0177);

		rc = bind(fd, (struct sockaddr *)&to, sizeof(to));
		umask(before);
		if (rc == 0)
			rc = listen(fd, 128);
	} else {
		rc = connect(fd, (struct sockaddr *)&to, sizeof(to));
	}
	if (directory >= 0) {
		int saved = errno;

		close(directory);
		errno = saved;
	}
	if (rc == 0)
		return fd;
fail:;
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	return -1;
}

int store_listen(const struct store_settings *s, char **error)
{
	int fd = open_socket(s, true);

	*error = fd >= 0 ? NULL : mem_printf("cannot listen on %s/sock: %s", s->path, strerror(errno));
	return fd;
}

int store_connect(const struct store_settings *s)
{
	return open_socket(s, false);
}
