/* Copying on a thread, so that progress can be told meanwhile. */
#include "store/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STEP_MS = 100 };

struct copying { MDB_env *env; int fd, rc; };

static void *thread_main(void *arg)
{
	struct copying *c = arg;

	c->rc = mdb_env_copyfd2(c->env, c->fd, MDB_CP_COMPACT);
	return NULL;
}

static uint64_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void wait_for(pthread_t thread, struct copying *c, maintain_progress_fn *progress,
                     void *owner)
{
	MDB_envinfo info;
	MDB_stat stat;

	mdb_env_info(c->env, &info);
	mdb_env_stat(c->env, &stat);
	for (;;) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += STEP_MS * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		if (pthread_timedjoin_np(thread, NULL, &until) == 0)
			break;
		if (progress)
			progress(owner, "octets of the environment", size_of(c->fd),
			         (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize);
	}
	if (progress)
		progress(owner, "octets of the environment", size_of(c->fd), size_of(c->fd));
}

int copy_environment(MDB_env *e, const char *file, maintain_progress_fn *progress, void *owner)
{
	struct copying c = {
		.env = e, .fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600),
	};
	pthread_t thread;

	if (c.fd < 0)
		return errno;
	int rc = pthread_create(&thread, NULL, thread_main, &c);

	if (rc == 0) {
		wait_for(thread, &c, progress, owner);
		rc = c.rc;
	}
	if (rc == 0 && fsync(c.fd) < 0)
		rc = errno;
	close(c.fd);
	if (rc != 0)
		unlink(file);
	return rc;
}

int copy_open(const char *file, MDB_env **e)
{
	int rc = mdb_env_create(e);

	if (rc != 0)
		return rc;
	mdb_env_set_maxdbs(*e, DB__COUNT);
	rc = mdb_env_open(*e, file, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, 0600);
	if (rc != 0) {
		mdb_env_close(*e);
		*e = NULL;
	}
	return rc;
}
