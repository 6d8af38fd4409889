/* Messages on their way in: where the octets go, and what is counted while they pass. */
#include "hook/message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "mail/mime.h"
#include "mail/scan.h"
#include "hook/message_header.h"

enum { SYNC_STEP = 1 << 20 };        /* file octets between two hints to write back */

struct message *message_new(const char *directory)
{
	struct message *m = MEM_NEW(struct message);

	buf_init(&m->memory, MESSAGE_IN_MEMORY_MAX);
	m->fd = -1;
	m->directory = directory;
	return m;
}

void message_free(struct message *m)
{
	if (!m)
		return;
	message_header_free(m);
	mime_free(m->mime);
	buf_free(&m->memory);
	if (m->fd >= 0)
		close(m->fd);
	free(m);
}

/* ---- counting ---- */

/* The octet at place i of the new octets, or, before their start, of those seen earlier. */
static unsigned char octet_at(const struct message *m, struct slice s, ptrdiff_t i)
{
	return i >= 0 ? (unsigned char)s.ptr[i] : m->tail[4 + i];
}

static bool crlf_at(const struct message *m, struct slice s, ptrdiff_t lf)
{
	return octet_at(m, s, lf) == '\n' && octet_at(m, s, lf - 1) == '\r';
}

/* header_octets, if the empty line behind the header is among the new octets. */
static void find_header_end(struct message *m, struct slice s)
{
	for (size_t lf = slice_find(s, '\n'); lf < s.len;) {
		ptrdiff_t at = (ptrdiff_t)lf;
		uint64_t upto = m->octets + lf + 1;

		if (crlf_at(m, s, at) && (upto == 2 || (upto >= 4 && crlf_at(m, s, at - 2)))) {
			m->header_octets = upto;
			return;
		}
		lf += 1 + slice_find(slice_skip(s, lf + 1), '\n');
	}
}

static void remember_tail(struct message *m, struct slice s)
{
	for (size_t i = s.len < 4 ? s.len : 4; i > 0; i--) {
		memmove(m->tail, m->tail + 1, 3);
		m->tail[3] = (unsigned char)s.ptr[s.len - i];
	}
	if (m->tail[2] == '\r' && m->tail[3] == '\n')
		m->flags &= ~(uint32_t)MESSAGE_OPEN_END;
	else
		m->flags |= MESSAGE_OPEN_END;
}

/* A line that begins with '.' is flagged after any LF: the reader that sees the flag looks
 * closer, the one that does not sends the octets as they are. */
static void count(struct message *m, struct slice s)
{
	struct scan_facts f = { .before = m->octets ? (char)m->tail[3] : '\n' };

	if (m->header_octets == 0)
		find_header_end(m, s);
	scan_facts(s, &f);
	m->lines += f.lines;
	m->flags |= (f.dot_line ? MESSAGE_DOT_LINES : 0u) | (f.eight_bit ? MESSAGE_8BIT : 0u);
	remember_tail(m, s);
	m->crc = crc32c(m->crc, s.ptr, s.len);
	m->octets += s.len;
}

/* ---- the file ---- */

static enum status file_failure(void)
{
	return errno == ENOSPC || errno == EDQUOT ? ST_NOSPACE : ST_IO;
}

static int open_unnamed(const char *directory)
{
	int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd;
	/* A file system without unnamed files: the store copies what it cannot link. */
	char *path = mem_printf("%s/incoming.XXXXXX", directory);

	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	free(path);
	return fd;
}

static enum status write_file(struct message *m, struct slice s, uint64_t offset)
{
	while (s.len) {
		ssize_t n = pwrite(m->fd, s.ptr, s.len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return file_failure();
		s = slice_skip(s, (size_t)n);
		offset += (uint64_t)n;
	}
	if (offset - m->synced >= SYNC_STEP) {
		/* Start the write-back early, so that the final flush finds little to do. */
		(void)sync_file_range(m->fd, (off_t)m->synced, (off_t)(offset - m->synced),
		                      SYNC_FILE_RANGE_WRITE);
		m->synced = offset;
	}
	return ST_OK;
}

static enum status move_to_file(struct message *m)
{
	if (!m->directory)
		return ST_TOOBIG;
	m->fd = open_unnamed(m->directory);
	if (m->fd < 0)
		return file_failure();
	m->flags |= MESSAGE_IN_FILE;
	enum status st = write_file(m, buf_slice(&m->memory), 0);

	buf_free(&m->memory);
	return st;
}

enum status message_append(struct message *m, struct slice octets)
{
	enum status st;

	if (octets.len == 0)
		return ST_OK;
	if (m->fd < 0) {
		st = buf_append(&m->memory, octets);
		if (st == ST_TOOBIG)
			st = move_to_file(m);
		if (st != ST_OK)
			return st;
	}
	if (m->fd >= 0) {
		st = write_file(m, octets, m->octets);
		if (st != ST_OK)
			return st;
	}
	count(m, octets);
	return ST_OK;
}

enum status message_read(const struct message *m, uint64_t offset, void *out, size_t *len)
{
	size_t want = *len, got = 0;

	if (offset >= m->octets)
		want = 0;
	else if (want > m->octets - offset)
		want = (size_t)(m->octets - offset);
	*len = want;
	if (want == 0)
		return ST_OK;
	if (m->fd < 0) {
		memcpy(out, buf_slice(&m->memory).ptr + offset, want);
		return ST_OK;
	}
	while (got < want) {
		ssize_t n = pread(m->fd, (char *)out + got, want - got, (off_t)(offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			*len = got;
			return ST_IO;
		}
		got += (size_t)n;
	}
	return ST_OK;
}
