/* How much room is left. */
#include "store/space.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"

enum { FULL_BELOW = 1 << 20, RESERVE_PAGES_MAX = 2048, RESERVE_PAGES_MIN = 64 };

bool space_free(const char *directory, uint64_t *octets)
{
	struct statvfs fs;

	if (statvfs(directory, &fs) < 0)
		return false;
	*octets = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (fs.f_files && fs.f_favail == 0)
		*octets = 0;                     /* no inode is left: no file either */
	return true;
}

bool space_exhausted(const struct store_settings *s)
{
	uint64_t octets, floor = s->min_free_octets > FULL_BELOW ? s->min_free_octets : FULL_BELOW;

	return space_free(s->path, &octets) && octets < floor;
}

void space_make_ballast(const struct store_settings *s)
{
	uint64_t octets;

	if (s->ballast_octets == 0 || !space_free(s->path, &octets) ||
	    octets < s->min_free_octets + 2 * s->ballast_octets)
		return;
	char *path = store_env_path(s->path, "ballast");
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0) {
		if (posix_fallocate(fd, 0, (off_t)s->ballast_octets) != 0)
			unlink(path);
		close(fd);
	}
	free(path);
}

bool space_drop_ballast(const struct store_settings *s)
{
	char *path = store_env_path(s->path, "ballast");
	bool dropped = unlink(path) == 0;

	free(path);
	if (dropped)
		log_warn("the disk is full: the ballast file was given up so that deletions still work",
		         "directory", s->path, NULL);
	return dropped;
}

uint64_t space_free_pages(struct store_env *e)
{
	struct store_tx t = { e, NULL };
	struct slice key = SLICE(""), value;
	MDB_cursor *c;
	uint64_t pages = 0;

	if (mdb_txn_begin(e->env, NULL, MDB_RDONLY, &t.txn) != 0)
		return 0;
	if (mdb_cursor_open(t.txn, 0, &c) == 0) {
		while (store_tx_move(c, MDB_NEXT, &key, &value) == 0) {
			size_t count;            /* each record is a list of page numbers, its length first */

			memcpy(&count, value.ptr, sizeof(count));
			pages += count;
		}
		mdb_cursor_close(c);
	}
	mdb_txn_abort(t.txn);
	return pages;
}

bool space_map_has_room(struct store_env *e, uint64_t pages)
{
	MDB_envinfo info;
	MDB_stat stat;

	mdb_env_info(e->env, &info);
	mdb_env_stat(e->env, &stat);
	uint64_t total = info.me_mapsize / stat.ms_psize, used = info.me_last_pgno + 1;
	uint64_t reserve = total / 16;

	if (reserve > RESERVE_PAGES_MAX)
		reserve = RESERVE_PAGES_MAX;
	if (reserve < RESERVE_PAGES_MIN)
		reserve = RESERVE_PAGES_MIN;
	uint64_t left = total > used ? total - used : 0;

	return left >= reserve + pages || left + space_free_pages(e) >= reserve + pages;
}
