/* Directory, environment and socket of the store, made by the user who will write them. */
#include "server/store_process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

enum { STORE_BACKLOG = 256, EXIT_SYSTEM = 71, TAKEOVER_MS = 3000, TAKEOVER_STEP_MS = 20 };

bool server_store_process_directory(const char *path, mode_t mode, const char *key, char **error)
{
	char *parent = mem_strdup(path), *slash;
	bool good = true;

	/* Parents may be missing on the first start (var/ of a fresh checkout). */
	for (slash = strchr(parent + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(parent, 0755);
		*slash = '/';
	}
	free(parent);
	if (mkdir(path, mode) < 0 && errno != EEXIST) {
		*error = mem_printf("%s: the directory cannot be made: %s; make it or change %s", path,
		                    strerror(errno), key);
		good = false;
	}
	return good;
}

static bool socket_address(const struct store_settings *s, struct sockaddr_un *to)
{
	*to = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return snprintf(to->sun_path, sizeof(to->sun_path), "%s/sock", s->path) <
	       (int)sizeof(to->sun_path);
}

bool server_store_process_alive(const struct store_settings *s)
{
	struct sockaddr_un to;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool alive = fd >= 0 && socket_address(s, &to) &&
	             connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0;

	if (fd >= 0)
		close(fd);
	return alive;
}

/* Files of the store belong to the user who will write them. */
static bool prepare(const struct config *c, const struct privilege *p, char **error)
{
	int pid, status = 0;

	if (!p->drop)
		return store_prepare(&c->store, error) == ST_OK;
	pid = fork();
	if (pid == 0) {
		server_privilege_drop(p);
		if (store_prepare(&c->store, error) == ST_OK)
			_exit(0);
		log_error(*error ? *error : "the store cannot be prepared", NULL);
		_exit(EXIT_SYSTEM);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		*error = mem_printf("%s: user %s cannot prepare the store; the reason is above",
		                    c->store.path, c->user);
		return false;
	}
	return true;
}

/* The socket belongs to whoever watches the store, so that workers find it whichever store process
 * serves it. */
static int open_socket(const struct config *c, const struct privilege *p, char **error)
{
	struct sockaddr_un to;
	mode_t mask;
	int fd;

	if (!socket_address(&c->store, &to)) {
		*error = mem_printf("store.path: \"%s\" is too long for a socket; at most 100 octets",
		                    c->store.path);
		return -1;
	}
	(void)unlink(to.sun_path);
	mask = umask(0177);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || listen(fd, STORE_BACKLOG) < 0)
		*error = mem_printf("%s: %s", to.sun_path, strerror(errno));
	umask(mask);
	if (!*error && server_privilege_own(p, to.sun_path, error))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* The store of a master that was killed a moment ago still commits what it has. */
static bool others_use(const struct store_settings *s)
{
	const struct timespec pause = { .tv_nsec = TAKEOVER_STEP_MS * 1000000 };
	bool alive = server_store_process_alive(s);

	for (int waited = 0; alive && waited < TAKEOVER_MS; waited += TAKEOVER_STEP_MS) {
		nanosleep(&pause, NULL);
		alive = server_store_process_alive(s);
	}
	return alive;
}

int server_store_process_open(const struct config *c, const struct privilege *p, char **error)
{
	if (others_use(&c->store)) {
		*error = mem_printf("store.path: another server or command uses %s; stop it or change "
		                    "store.path", c->store.path);
		return -1;
	}
	if (!server_store_process_directory(c->store.path, 0700, "store.path", error) ||
	    !server_privilege_own(p, c->store.path, error) || !prepare(c, p, error))
		return -1;
	return open_socket(c, p, error);
}

void server_store_process_close(const struct store_settings *s, int fd)
{
	struct sockaddr_un to;

	close(fd);
	if (socket_address(s, &to))
		(void)unlink(to.sun_path);
}
