/* A working copy of the header, made when somebody changes it; the octets follow at the end. */
#include "hook/message_header.h"

#include <stdlib.h>

#include "base/mem.h"
#include "mail/field.h"
#include "mail/header.h"

enum { COPY_STEP = 65536 };

void message_header_free(struct message *m)
{
	if (m->header)
		buf_free(&m->header->octets);
	free(m->header);
	m->header = NULL;
}

/* Without an empty line everything is header. */
static uint64_t length(const struct message *m)
{
	return m->header_octets ? m->header_octets : m->octets;
}

static enum status load(struct message *m)
{
	size_t len = (size_t)length(m);
	char *room;
	enum status st;

	if (m->header)
		return ST_OK;
	if (length(m) > MESSAGE_HEADER_MAX)
		return ST_TOOBIG;
	m->header = MEM_NEW(struct message_header);
	buf_init(&m->header->octets, MESSAGE_HEADER_MAX);
	st = len ? buf_reserve(&m->header->octets, len, &room) : ST_OK;
	if (st == ST_OK && len)
		st = message_read(m, 0, room, &len);
	if (st == ST_OK)
		buf_commit(&m->header->octets, len);
	else
		message_header_free(m);
	return st;
}

enum status message_header_read(struct message *m, struct slice *out)
{
	enum status st = ST_OK;

	*out = SLICE("");
	if (!m->header && m->fd < 0) {
		if (length(m) > MESSAGE_HEADER_MAX)
			return ST_TOOBIG;
		*out = slice_head(buf_slice(&m->memory), (size_t)length(m));
		return ST_OK;
	}
	st = load(m);
	if (st == ST_OK && buf_len(&m->header->octets))
		*out = buf_slice(&m->header->octets);
	return st;
}

unsigned message_header_version(const struct message *m)
{
	return m->header ? m->header->version : 0;
}

/* ---- changes ---- */

static void take(struct message *m, struct buf *changed)
{
	buf_free(&m->header->octets);
	m->header->octets = *changed;
	m->header->changed = true;
	m->header->version++;
}

static bool mbox_line(struct slice s)
{
	return slice_starts(s, SLICE("From ")) || slice_starts(s, SLICE(">From "));
}

/* Where a field goes that is added: behind the last one, in front of the empty line or of a line
 * that is no field. */
static size_t end_of_fields(struct slice header)
{
	struct slice rest = header;
	struct header_field f;
	size_t end = 0;

	for (;;) {
		struct slice before = rest;
		enum status st = header_next_of_whole(&rest, &f);

		if (st != ST_OK && !(st == ST_SYNTAX && mbox_line(before)))
			return end;
		end = header.len - rest.len;
	}
}

/* RFC 5321, 4.4: Return-Path is the first line. */
static size_t behind_return_path(struct slice header)
{
	struct slice rest = header;
	struct header_field f;

	if (header_next_of_whole(&rest, &f) == ST_OK && slice_ieq(f.name, SLICE("Return-Path")))
		return header.len - rest.len;
	return 0;
}

static enum status append_all(struct buf *out, const struct slice *pieces, unsigned count)
{
	enum status st = ST_OK;

	for (unsigned i = 0; i < count && st == ST_OK; i++)
		st = buf_append(out, pieces[i]);
	return st;
}

enum status message_header_add(struct message *m, struct slice name, struct slice value, bool utf8, bool top)
{
	struct buf field, changed;
	enum status st = load(m);

	if (st != ST_OK)
		return st;
	buf_init(&field, 0);
	buf_init(&changed, MESSAGE_HEADER_MAX);
	st = field_write(name, value, utf8, &field);
	if (st == ST_OK) {
		struct slice header = buf_slice(&m->header->octets);
		size_t at = top ? behind_return_path(header) : end_of_fields(header);
		bool open = at > 0 && header.ptr[at - 1] != '\n';
		struct slice pieces[] = { slice_head(header, at), open ? SLICE("\r\n") : SLICE(""),
		                          buf_slice(&field), slice_skip(header, at) };

		st = append_all(&changed, pieces, COUNT_OF(pieces));
	}
	if (st == ST_OK)
		take(m, &changed);
	else
		buf_free(&changed);
	buf_free(&field);
	return st;
}

/* The header with the first field of that name replaced and the others left out. */
static enum status replace(struct slice header, struct slice name, struct slice by, struct buf *out,
                           unsigned *found)
{
	struct slice rest = header;
	struct header_field f;
	enum status st = ST_OK;

	*found = 0;
	while (st == ST_OK) {
		struct slice before = rest;
		enum status next = header_next_of_whole(&rest, &f);

		if (next == ST_END)
			return buf_append(out, before);
		if (next != ST_OK || !slice_ieq(f.name, name))
			st = buf_append(out, slice_head(before, before.len - rest.len));
		else if ((*found)++ == 0)
			st = buf_append(out, by);
	}
	return st;
}

static enum status exchange(struct message *m, struct slice name, struct slice by, unsigned *found)
{
	struct buf changed;
	enum status st = load(m);

	*found = 0;
	if (st != ST_OK)
		return st;
	buf_init(&changed, MESSAGE_HEADER_MAX);
	st = replace(buf_slice(&m->header->octets), name, by, &changed, found);
	if (st == ST_OK && *found)
		take(m, &changed);
	else
		buf_free(&changed);
	return st;
}

enum status message_header_set(struct message *m, struct slice name, struct slice value, bool utf8)
{
	unsigned found = 0;
	struct buf field;
	enum status st;

	buf_init(&field, 0);
	st = field_write(name, value, utf8, &field);
	if (st == ST_OK)
		st = exchange(m, name, buf_slice(&field), &found);
	buf_free(&field);
	return st == ST_OK && !found ? message_header_add(m, name, value, utf8, false) : st;
}

enum status message_header_remove(struct message *m, struct slice name, unsigned *removed)
{
	return exchange(m, name, SLICE(""), removed);
}

/* ---- the octets follow ---- */

static enum status copy_body(const struct message *from, struct message *to)
{
	char *room = mem_array(COPY_STEP, 1);
	enum status st = ST_OK;

	for (uint64_t at = length(from); at < from->octets && st == ST_OK;) {
		size_t len = COPY_STEP;

		st = message_read(from, at, room, &len);
		if (st == ST_OK)
			st = message_append(to, slice_of(room, len));
		at += len;
	}
	free(room);
	return st;
}

enum status message_header_apply(struct message *m)
{
	struct message *n, old;
	enum status st;

	if (!m->header || !m->header->changed)
		return ST_OK;
	n = message_new(m->directory);
	st = message_append(n, buf_slice(&m->header->octets));
	if (st == ST_OK)
		st = copy_body(m, n);
	if (st == ST_OK) {
		old = *m;
		*m = *n;
		*n = old;
	}
	message_free(n);
	return st;
}
