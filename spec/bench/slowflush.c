/* LD_PRELOAD library: a disk whose flush takes SLOWFLUSH_US microseconds longer (2000).  Slower are
 * fsync, fdatasync, and writes to descriptors opened with O_DSYNC, which is how LMDB commits its
 * meta page. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void *real(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

static void wait_longer(void)
{
	const char *text = getenv("SLOWFLUSH_US");
	long us = text ? atol(text) : 2000;
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&ts, NULL);
}

static void wait_if_synchronous(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && flags & O_DSYNC)
		wait_longer();
}

int fsync(int fd)
{
	wait_longer();
	return ((int (*)(int))real("fsync"))(fd);
}

int fdatasync(int fd)
{
	wait_longer();
	return ((int (*)(int))real("fdatasync"))(fd);
}

ssize_t pwrite(int fd, const void *octets, size_t len, off_t offset)
{
	wait_if_synchronous(fd);
	return ((ssize_t (*)(int, const void *, size_t, off_t))real("pwrite"))(fd, octets, len, offset);
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	wait_if_synchronous(fd);
	return ((ssize_t (*)(int, const struct iovec *, int, off_t))real("pwritev"))(fd, iov, count, offset);
}
