/* The structure of a message, line by line.  A line is a boundary of an open multipart, belongs to
 * the header of the newest part, or is a part's body; only the first two are looked at. */
#include "mail/mime.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "mail/header.h"

/* An open multipart. */
struct frame { unsigned part; struct slice boundary; };

struct mime {
	struct arena      arena;
	struct mime_part *parts;
	unsigned          count, room;
	struct frame      frames[MIME_DEPTH_MAX + 1];
	unsigned          depth;          /* frames in use */
	unsigned          current;        /* the newest part that is not closed */
	bool              in_header;
	struct buf        fields;         /* header lines of the current part */
	struct buf        line;           /* what is kept of the line that comes in */
	uint64_t          at, line_start; /* offsets */
	unsigned          line_end;       /* octets of the line end before line_start */
	bool              after_cr;
	bool              fields_cut;     /* of the current part: they did not fit */
	bool              limited;
};

enum { BOUNDARY_LINE = MIME_BOUNDARY_MAX + 6 };  /* kept of a line that begins with "--" */

static void open_part(struct mime *m, unsigned parent, uint64_t offset)
{
	struct mime_part *p;

	if (m->count == m->room) {
		m->room = m->room ? 2 * m->room : 4;
		m->parts = mem_resize(m->parts, m->room * sizeof(*m->parts));
	}
	p = &m->parts[m->count];
	*p = (struct mime_part){
		.type = SLICE("text/plain"), .disposition = SLICE(""), .filename = SLICE(""),
		.encoding = SLICE(""), .id = SLICE(""), .header_offset = offset, .offset = offset,
		.parent = parent, .number = 1,
	};
	if (parent != MIME_NO_PARENT) {
		p->depth = m->parts[parent].depth + 1;
		p->number = ++m->parts[parent].children;
		if (slice_eq(m->parts[parent].type, SLICE("multipart/digest")))
			p->type = SLICE("message/rfc822");    /* RFC 2046, 5.1.5 */
	}
	m->current = m->count++;
	m->in_header = true;
	m->fields_cut = false;
}

struct mime *mime_new(void)
{
	struct mime *m = MEM_NEW(struct mime);

	arena_init(&m->arena);
	buf_init(&m->fields, MIME_FIELDS_MAX);
	buf_init(&m->line, MIME_FIELDS_MAX);
	open_part(m, MIME_NO_PARENT, 0);
	return m;
}

void mime_free(struct mime *m)
{
	if (!m)
		return;
	arena_reset(&m->arena);
	buf_free(&m->fields);
	buf_free(&m->line);
	free(m->parts);
	free(m);
}

/* ---- the header of a part ---- */

static void read_type(struct mime *m, struct mime_part *p, struct slice value)
{
	struct slice type;
	struct mime_param *params;

	mime_header_parse(value, &m->arena, &type, &params);
	if (slice_find(type, '/') == 0 || slice_find(type, '/') + 1 >= type.len)
		return;                               /* RFC 2045, 5.2: as if it were not there */
	p->type = type;
	p->params = params;
	if (!p->filename.len)
		p->filename = mime_header_param(params, "name");
}

static void read_disposition(struct mime *m, struct mime_part *p, struct slice value)
{
	struct mime_param *params;
	struct slice name;

	mime_header_parse(value, &m->arena, &p->disposition, &params);
	name = mime_header_param(params, "filename");
	if (name.len)
		p->filename = name;
}

static void read_encoding(struct mime *m, struct mime_part *p, struct slice value)
{
	struct mime_param *params;

	mime_header_parse(value, &m->arena, &p->encoding, &params);
	p->transfer = transfer_by_name(p->encoding);
}

static void read_id(struct mime *m, struct mime_part *p, struct slice value)
{
	if (value.len > 2 && value.ptr[0] == '<' && value.ptr[value.len - 1] == '>')
		p->id = arena_copy(&m->arena, slice_head(slice_skip(value, 1), value.len - 2));
}

static const struct {
	const char *name;
	void (*read)(struct mime *m, struct mime_part *p, struct slice value);
} fields[] = {
	{ "Content-Type", read_type }, { "Content-Disposition", read_disposition },
	{ "Content-Transfer-Encoding", read_encoding }, { "Content-ID", read_id },
};

/* The first field of a name counts. */
static void read_fields(struct mime *m, struct mime_part *p)
{
	struct slice rest = buf_slice(&m->fields);
	struct header_field f;
	unsigned seen = 0;
	enum status st;

	while ((st = header_next_of_whole(&rest, &f)) == ST_OK || st == ST_SYNTAX) {
		for (unsigned i = 0; st == ST_OK && i < COUNT_OF(fields); i++) {
			if (seen & 1u << i || !slice_ieq(f.name, slice_from(fields[i].name)))
				continue;
			seen |= 1u << i;
			if (m->arena.taken > MIME_MEMORY_MAX)
				m->limited = true;
			else
				fields[i].read(m, p, f.value);
		}
	}
	if (!p->filename.ptr)
		p->filename = SLICE("");
	buf_reset(&m->fields);
}

/* The body of the current part begins at offset: is it something to be taken apart? */
static void end_header(struct mime *m, uint64_t offset)
{
	struct mime_part *p = &m->parts[m->current];
	struct slice boundary;

	m->in_header = false;
	p->offset = offset;
	read_fields(m, p);
	boundary = mime_header_param(p->params, "boundary");
	bool multipart = slice_starts(p->type, SLICE("multipart/")) && boundary.len &&
	                 boundary.len <= MIME_BOUNDARY_MAX;
	bool message = (slice_eq(p->type, SLICE("message/rfc822")) ||
	                slice_eq(p->type, SLICE("message/global"))) && p->transfer == TRANSFER_IDENTITY;

	if (!multipart && !message)
		return;
	if (p->depth >= MIME_DEPTH_MAX || m->count >= MIME_PARTS_MAX)
		m->limited = true;
	else if (multipart)
		m->frames[m->depth++] = (struct frame){ m->current, boundary };
	else
		open_part(m, m->current, offset);
}

/* ---- lines ---- */

/* "--" boundary [ "--" ] blanks: the frame it belongs to, innermost first, or -1. */
static int find_frame(const struct mime *m, struct slice line, bool *last)
{
	if (!slice_starts(line, SLICE("--")))
		return -1;
	line = slice_skip(line, 2);
	for (int i = (int)m->depth - 1; i >= 0; i--) {
		struct slice rest = slice_skip(line, m->frames[i].boundary.len);

		if (!slice_starts(line, m->frames[i].boundary))
			continue;
		*last = slice_starts(rest, SLICE("--"));
		if (slice_trim(slice_skip(rest, *last ? 2 : 0)).len == 0)
			return i;
	}
	return -1;
}

/* Parts within `outer` end before the line at hand; the line end in front of it is the boundary's. */
static void close_parts(struct mime *m, unsigned outer, uint64_t end)
{
	if (m->in_header)
		end_header(m, m->line_start);
	m->in_header = false;
	for (unsigned i = m->current; i != outer && i != MIME_NO_PARENT; i = m->parts[i].parent)
		m->parts[i].octets = end > m->parts[i].offset ? end - m->parts[i].offset : 0;
	m->current = outer;
}

static void take_boundary(struct mime *m, unsigned frame, bool last)
{
	unsigned outer = m->frames[frame].part;

	close_parts(m, outer, m->line_start - m->line_end);
	m->depth = last ? frame : frame + 1;
	if (last)
		return;
	if (m->count < MIME_PARTS_MAX)
		open_part(m, outer, m->at);
	else
		m->limited = true;
}

/* Whether a line may stand in a header: a field, a folded line, or the first line of an mbox. */
static bool in_header(struct slice line)
{
	size_t colon = slice_find(line, ':');

	if (line.ptr[0] == ' ' || line.ptr[0] == '\t' || slice_starts(line, SLICE("From ")))
		return true;
	for (size_t i = 0; i < colon && colon < line.len; i++)
		if ((unsigned char)line.ptr[i] <= 32 || (unsigned char)line.ptr[i] > 126)
			return slice_trim(slice_head(slice_skip(line, i), colon - i)).len == 0 && i > 0;
	return colon > 0 && colon < line.len;
}

static void header_line(struct mime *m, struct slice line)
{
	if (line.len == 0) {
		end_header(m, m->at);
	} else if (!in_header(line)) {
		end_header(m, m->line_start);
	} else if (m->fields_cut || buf_append(&m->fields, line) != ST_OK ||
	           buf_append(&m->fields, SLICE("\r\n")) != ST_OK) {
		m->fields_cut = m->limited = true;
	}
}

/* The line is complete; m->at stands behind it. */
static void end_line(struct mime *m, unsigned line_end)
{
	struct slice line = buf_slice(&m->line);
	bool last = false;

	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	int frame = find_frame(m, line, &last);

	if (frame >= 0)
		take_boundary(m, (unsigned)frame, last);
	else if (m->in_header)
		header_line(m, line);
	buf_reset(&m->line);
	m->line_start = m->at;
	m->line_end = line_end;
}

/* Keep of a piece of a line what may be needed. */
static void keep(struct mime *m, struct slice piece)
{
	while (piece.len) {
		size_t have = buf_len(&m->line), want = 0;

		if (m->in_header)
			want = MIME_FIELDS_MAX - have;
		else if (have < 2)
			want = 2 - have;
		else if (have < BOUNDARY_LINE && slice_starts(buf_slice(&m->line), SLICE("--")))
			want = BOUNDARY_LINE - have;
		if (want == 0) {
			m->limited |= m->in_header;
			return;
		}
		(void)buf_append(&m->line, slice_head(piece, want));
		piece = slice_skip(piece, want);
	}
}

void mime_feed(struct mime *m, struct slice octets)
{
	while (octets.len) {
		size_t lf = slice_find(octets, '\n');

		keep(m, slice_head(octets, lf));
		if (lf > 0)
			m->after_cr = octets.ptr[lf - 1] == '\r';
		if (lf == octets.len) {
			m->at += lf;
			return;
		}
		m->at += lf + 1;
		end_line(m, m->after_cr ? 2 : 1);
		m->after_cr = false;
		octets = slice_skip(octets, lf + 1);
	}
}

void mime_finish(struct mime *m)
{
	if (m->at > m->line_start)
		end_line(m, 0);
	m->line_start = m->at;
	close_parts(m, MIME_NO_PARENT, m->at);
	m->depth = 0;
}

unsigned mime_count(const struct mime *m)
{
	return m->count;
}

const struct mime_part *mime_part(const struct mime *m, unsigned i)
{
	return &m->parts[i];
}

bool mime_limited(const struct mime *m)
{
	return m->limited;
}
