/* A growing byte buffer with a ceiling: the home of every octet whose number a peer chooses.
 *
 * Embedded in its owner.  Bytes are appended at the end and consumed from the front; consuming
 * moves no memory until an append needs the room.  An empty buffer may give its memory back
 * (buf_shrink), so that an idle session costs nothing. */
#ifndef MOONPOST_BASE_BUF_H
#define MOONPOST_BASE_BUF_H

#include <stdarg.h>

#include "base/slice.h"

struct buf {
	char  *data;      /* heap, cap bytes; NULL while cap == 0 */
	size_t start;     /* first unconsumed byte */
	size_t end;       /* one past the last byte */
	size_t cap;
	size_t max;       /* ceiling of end - start; 0 means no ceiling */
};

void buf_init(struct buf *b, size_t max);
void buf_free(struct buf *b);                     /* memory back, ceiling kept; usable again */
void buf_wipe(struct buf *b);                     /* the same for secrets: overwritten first */

/* Append a copy.  TOOBIG leaves the buffer as it was. */
enum status buf_append(struct buf *b, struct slice s);
enum status buf_append_byte(struct buf *b, char c);
enum status buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
enum status buf_vprintf(struct buf *b, const char *fmt, va_list ap);

/* Room for at least want bytes behind the end; *room points there.  Tell buf_commit how many
 * were written.  TOOBIG when the ceiling forbids it. */
enum status buf_reserve(struct buf *b, size_t want, char **room);
void buf_commit(struct buf *b, size_t written);

void buf_consume(struct buf *b, size_t n);        /* drop n bytes at the front */
void buf_truncate(struct buf *b, size_t len);     /* keep only the first len bytes */
void buf_reset(struct buf *b);                    /* empty, memory kept */
void buf_shrink(struct buf *b);                   /* give memory back when empty */

static inline size_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

/* All unconsumed bytes; valid until the next call on the buffer. */
static inline struct slice buf_slice(const struct buf *b)
{
	return (struct slice){ b->data + b->start, b->end - b->start };
}

/* The bytes as a C string (a NUL is placed behind them, not counted); "" when empty.
 * Valid until the next call on the buffer. */
const char *buf_cstr(struct buf *b);

#endif
