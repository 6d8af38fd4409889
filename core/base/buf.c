/* The growing byte buffer.  Memory grows by doubling; the consumed front is reclaimed when an
 * append would otherwise have to grow. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum { FIRST_SIZE = 256 };

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ .max = b->max };
}

void buf_wipe(struct buf *b)
{
	mem_wipe(b->data, b->cap);
	buf_free(b);
}

static void make_room(struct buf *b, size_t want)
{
	size_t len = buf_len(b);

	if (b->cap - b->end >= want)
		return;
	if (b->start > 0 && b->cap - len >= want && b->start >= len) {
		memcpy(b->data, b->data + b->start, len);
	} else {
		size_t cap = b->cap ? b->cap : FIRST_SIZE;

		while (cap - len < want)
			cap *= 2;
		char *data = mem_resize(NULL, cap);

		if (len)
			memcpy(data, b->data + b->start, len);
		free(b->data);
		b->data = data;
		b->cap = cap;
	}
	b->start = 0;
	b->end = len;
}

enum status buf_reserve(struct buf *b, size_t want, char **room)
{
	if (b->max && (want > b->max || buf_len(b) > b->max - want))
		return ST_TOOBIG;
	make_room(b, want);
	*room = b->data + b->end;
	return ST_OK;
}

void buf_commit(struct buf *b, size_t written)
{
	b->end += written;
}

enum status buf_append(struct buf *b, struct slice s)
{
	char *room;

	if (s.len == 0)
		return ST_OK;
	enum status st = buf_reserve(b, s.len, &room);

	if (st == ST_OK) {
		memcpy(room, s.ptr, s.len);
		b->end += s.len;
	}
	return st;
}

enum status buf_append_byte(struct buf *b, char c)
{
	return buf_append(b, (struct slice){ &c, 1 });
}

enum status buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char *room;

	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return ST_SYNTAX;
	size_t ceiling = b->max;

	if (ceiling && ((size_t)n > ceiling || buf_len(b) > ceiling - (size_t)n))
		return ST_TOOBIG;
	make_room(b, (size_t)n + 1);
	room = b->data + b->end;
	vsnprintf(room, (size_t)n + 1, fmt, ap);
	b->end += (size_t)n;
	return ST_OK;
}

enum status buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	enum status st = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return st;
}

void buf_consume(struct buf *b, size_t n)
{
	b->start += n < buf_len(b) ? n : buf_len(b);
	if (b->start == b->end)
		b->start = b->end = 0;
}

void buf_truncate(struct buf *b, size_t len)
{
	if (len < buf_len(b))
		b->end = b->start + len;
}

void buf_reset(struct buf *b)
{
	b->start = b->end = 0;
}

void buf_shrink(struct buf *b)
{
	if (b->start == b->end)
		buf_free(b);
}

const char *buf_cstr(struct buf *b)
{
	if (buf_len(b) == 0)
		return "";
	make_room(b, 1);
	b->data[b->end] = '\0';
	return b->data + b->start;
}
