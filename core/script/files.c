/* Each function does one thing and keeps errno. */
#include "script/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/mem.h"

enum { COPY_SIZE = 65536 };

static int check(struct files_request *r, int result)
{
	if (result < 0 && r->error == 0)
		r->error = errno;
	return result;
}

/* Call take for each block of the file until it says no or the end. */
static void each_block(struct files_request *r, int fd, uint64_t offset,
                       bool (*take)(struct files_request *r, struct slice block))
{
	char *block = mem_alloc(COPY_SIZE);
	ssize_t n;

	while ((n = pread(fd, block, COPY_SIZE, (off_t)offset)) > 0 || (n < 0 && errno == EINTR)) {
		if (n > 0 && !take(r, slice_of(block, (size_t)n)))
			break;
		offset += n > 0 ? (uint64_t)n : 0;
	}
	if (n < 0)
		r->error = errno;
	free(block);
}

static bool take_octets(struct files_request *r, struct slice block)
{
	block = slice_head(block, (size_t)(r->max < block.len ? r->max : block.len));
	if (buf_append(&r->out, block) != ST_OK)
		r->error = EFBIG;
	r->max -= block.len;
	return r->error == 0 && r->max > 0;
}

/* Octets of the converted text in front of the offset are counted and left out. */
static bool take_crlf(struct files_request *r, struct slice block)
{
	for (size_t i = 0; i < block.len; i++) {
		bool bare = block.ptr[i] == '\n' && r->last != '\r';
		struct slice out = bare ? SLICE("\r\n") : slice_of(block.ptr + i, 1);

		r->last = block.ptr[i];
		for (size_t k = 0; k < out.len; k++) {
			if (r->crlf_octets++ < r->offset)
				continue;
			if (r->max == 0)
				return false;
			r->max--;
			if (buf_append_byte(&r->out, out.ptr[k]) != ST_OK) {
				r->error = EFBIG;
				return false;
			}
		}
	}
	return true;
}

static bool count_crlf(struct files_request *r, struct slice block)
{
	for (size_t i = 0; i < block.len; i++) {
		r->crlf_octets += 1 + (block.ptr[i] == '\n' && r->last != '\r');
		r->last = block.ptr[i];
	}
	return true;
}

void files_read(struct files_request *r)
{
	int fd = check(r, open(r->path, O_RDONLY | O_CLOEXEC | O_NOCTTY));

	if (fd < 0)
		return;
	if (r->crlf)
		each_block(r, fd, 0, take_crlf);
	else
		each_block(r, fd, r->offset, take_octets);
	close(fd);
}

void files_stat(struct files_request *r)
{
	int fd;

	if (check(r, stat(r->path, &r->stat)) < 0 || !r->crlf)
		return;
	fd = check(r, open(r->path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
	if (fd < 0)
		return;
	each_block(r, fd, 0, count_crlf);
	close(fd);
}

void files_list(struct files_request *r)
{
	DIR *d = opendir(r->path);
	struct dirent *e;

	if (!d) {
		r->error = errno;
		return;
	}
	while ((errno = 0, e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' && (!e->d_name[1] || (e->d_name[1] == '.' && !e->d_name[2])))
			continue;
		if (buf_append(&r->out, slice_of(e->d_name, strlen(e->d_name) + 1)) != ST_OK) {
			errno = EFBIG;
			break;
		}
	}
	r->error = errno;
	closedir(d);
}

/* ---- writing ---- */

static bool write_all(struct files_request *r, int fd, const char *octets, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, octets, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r->error = errno;
			return false;
		}
		octets += n;
		len -= (size_t)n;
	}
	return true;
}

/* mboxrd: CRLF becomes LF, a line that begins with any number of '>' and "From " gets one more. */
static bool write_mbox(struct files_request *r, int fd, struct slice octets)
{
	struct slice line;
	struct buf out;

	buf_init(&out, 0);
	while (octets.len && r->error == 0) {
		size_t end = slice_find(octets, '\n'), quotes = 0;

		line = slice_head(octets, end);
		octets = slice_skip(octets, end + 1);
		while (quotes < line.len && line.ptr[quotes] == '>')
			quotes++;
		if (slice_starts(slice_skip(line, quotes), SLICE("From ")))
			(void)buf_append_byte(&out, '>');
		if (line.len && line.ptr[line.len - 1] == '\r')
			line.len--;
		(void)buf_append(&out, line);
		(void)buf_append_byte(&out, '\n');
		if (buf_len(&out) >= COPY_SIZE) {
			(void)write_all(r, fd, buf_slice(&out).ptr, buf_len(&out));
			buf_reset(&out);
		}
	}
	if (r->error == 0)
		(void)write_all(r, fd, buf_slice(&out).ptr, buf_len(&out));
	buf_free(&out);
	return r->error == 0;
}

static bool take_write(struct files_request *r, struct slice block)
{
	return write_all(r, r->fd, block.ptr, block.len);
}

static bool write_pieces(struct files_request *r, int fd)
{
	for (unsigned i = 0; i < r->piece_count && r->error == 0; i++) {
		const struct files_piece *p = &r->pieces[i];

		r->fd = fd;
		if (p->fd >= 0)
			each_block(r, p->fd, 0, take_write);
		else if (p->mbox)
			(void)write_mbox(r, fd, slice_of(p->octets, p->len));
		else
			(void)write_all(r, fd, p->octets, p->len);
	}
	r->fd = -1;
	return r->error == 0;
}

/* Appending is all or nothing too: what a full disk cut off is taken back. */
static void undo(struct files_request *r, int fd, off_t before)
{
	if (r->append)
		(void)!ftruncate(fd, before);
	else
		(void)unlink(r->path);
}

void files_write(struct files_request *r)
{
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY;
	off_t before = 0;
	int fd;

	flags |= r->append ? O_APPEND : r->exclusive ? O_EXCL : O_TRUNC;
	fd = check(r, open(r->path, flags, 0600));
	if (fd < 0)
		return;
	if (r->append) {
		(void)check(r, flock(fd, LOCK_EX));
		before = lseek(fd, 0, SEEK_END);
	}
	if (!write_pieces(r, fd) || (r->sync && check(r, fdatasync(fd)) < 0))
		undo(r, fd, before);
	if (close(fd) < 0)
		(void)check(r, -1);
}

/* ---- names ---- */

static void sync_directory_of(struct files_request *r, const char *path)
{
	struct slice s = slice_from(path);
	size_t slash = slice_rfind(s, '/');
	char *directory = slash == s.len ? mem_strdup(".") : mem_slice_dup(slice_head(s, slash ? slash : 1));
	int fd = check(r, open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	if (fd >= 0) {
		(void)check(r, fsync(fd));
		close(fd);
	}
	free(directory);
}

void files_rename(struct files_request *r)
{
	if (check(r, rename(r->path, r->other)) == 0 && r->sync)
		sync_directory_of(r, r->other);
}

void files_remove(struct files_request *r)
{
	if (r->path) {
		(void)check(r, remove(r->path));
		return;
	}
	for (char **path = r->paths; *path; path++) {
		if (remove(*path) == 0 || errno == ENOENT)
			continue;
		if (r->error == 0) {
			r->error = errno;
			r->failed = *path;
		}
	}
}

void files_mkdir(struct files_request *r)
{
	for (char *slash = r->path; (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
		*slash = '\0';
		(void)mkdir(r->path, 0700);       /* whether it worked shows at the last one */
	}
	if (mkdir(r->path, 0700) == 0)
		return;
	if (errno != EEXIST || stat(r->path, &r->stat) != 0)
		r->error = errno;
	else if (!S_ISDIR(r->stat.st_mode))
		r->error = ENOTDIR;
}

void files_sync(struct files_request *r)
{
	int fd = check(r, open(r->path, O_RDONLY | O_CLOEXEC));

	if (fd >= 0) {
		(void)check(r, fsync(fd));
		close(fd);
	}
}

void files_lock(struct files_request *r)
{
	r->fd = check(r, open(r->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600));
	if (r->fd >= 0 && check(r, flock(r->fd, LOCK_EX | LOCK_NB)) < 0) {
		close(r->fd);
		r->fd = -1;
	}
}

void files_clear(struct files_request *r)
{
	free(r->path);
	free(r->other);
	for (char **path = r->paths; path && *path; path++)
		free(*path);
	free(r->paths);
	for (unsigned i = 0; i < r->piece_count; i++) {
		free(r->pieces[i].octets);
		if (r->pieces[i].fd >= 0)
			close(r->pieces[i].fd);
	}
	free(r->pieces);
	buf_free(&r->out);
	if (r->fd >= 0)
		close(r->fd);
}
