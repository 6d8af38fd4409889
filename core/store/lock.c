/* Lock files are named by a digest of the mailbox name: any name fits, and the mailbox need not
 * exist yet. */
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "store/body.h"

enum { NAME_OCTETS = 16 };

static bool lock_path(const char *directory, struct slice mailbox, char out[STORE_PATH_MAX])
{
	unsigned char digest[SHA256_SIZE];
	char name[2 * NAME_OCTETS + 1];

	digest_sha256(mailbox, digest);
	digest_hex(digest, NAME_OCTETS, name);
	int n = snprintf(out, STORE_PATH_MAX, "%s/locks/%.2s/%s", directory, name, name + 2);

	return n > 0 && n < STORE_PATH_MAX;
}

static int open_file(char *path, bool *fresh)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	*fresh = fd < 0;
	if (fd >= 0 || errno != ENOENT)
		return fd;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	char *slash = strrchr(path, '/');

	*slash = '\0';
	(void)mkdir(path, 0700);
	*slash = '/';
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

/* OK, BUSY, IO; AGAIN: the file was removed meanwhile, another one has its name. */
static enum status take(int fd, bool fresh, int64_t *last_use)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat st;

	if (fcntl(fd, F_OFD_SETLK, &range) < 0)
		return errno == EAGAIN || errno == EACCES ? ST_BUSY : ST_IO;
	if (fstat(fd, &st) < 0)
		return ST_IO;
	if (st.st_nlink == 0)
		return ST_AGAIN;
	if (last_use)
		*last_use = fresh ? 0 : st.st_mtim.tv_sec;
	return ST_OK;
}

enum status lock_take(const char *directory, struct slice mailbox, int *fd, int64_t *last_use)
{
	char path[STORE_PATH_MAX];
	enum status st;
	bool fresh;

	if (!lock_path(directory, mailbox, path))
		return ST_TOOBIG;
	do {
		*fd = open_file(path, &fresh);
		if (*fd < 0)
			return ST_IO;
		st = take(*fd, fresh, last_use);
		if (st != ST_OK) {
			close(*fd);
			*fd = -1;
		}
	} while (st == ST_AGAIN);
	return st;
}

void lock_used(int fd, int64_t seconds)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = seconds } };

	(void)futimens(fd, times);
}

void lock_remove(const char *directory, struct slice mailbox)
{
	char path[STORE_PATH_MAX];

	if (lock_path(directory, mailbox, path))
		(void)unlink(path);
}
