/* mbox, in the mboxrd manner: messages begin with "From " behind an empty line; ">From " in a
 * message lost one '>' (RFC 4155 tells of the mess).  Line ends of text files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mem.h"
#include "command/foreign.h"

struct foreign_mbox {
	FILE    *file;
	char    *line;
	size_t   size;
	ssize_t  len;                     /* of the line at hand: the next "From "; -1 at the end */
	uint64_t position;
	char     uidl[80];
};

static void next_line(struct foreign_mbox *m)
{
	m->len = getline(&m->line, &m->size, m->file);
	if (m->len > 0)
		m->position += (uint64_t)m->len;
}

struct foreign_mbox *foreign_mbox_open(const char *path, uint64_t *octets)
{
	FILE *f = fopen(path, "r");
	struct foreign_mbox *m;
	struct stat st;

	if (!f)
		return NULL;
	*octets = fstat(fileno(f), &st) == 0 ? (uint64_t)st.st_size : 0;
	m = MEM_NEW(struct foreign_mbox);
	m->file = f;
	next_line(m);
	return m;
}

void foreign_mbox_close(struct foreign_mbox *m)
{
	fclose(m->file);
	free(m->line);
	free(m);
}

uint64_t foreign_mbox_position(const struct foreign_mbox *m)
{
	return m->position;
}

/* "From alice@example.org Sat Nov 21 20:15:09 2026"; false: no such date. */
static bool from_date(const char *line, int64_t *out)
{
	const char *date = strchr(line + 5, ' ');
	struct tm tm = { 0 };

	while (date && *date == ' ')
		date++;
	if (!date || !strptime(date, "%a %b %d %H:%M:%S %Y", &tm))
		return false;
	*out = timegm(&tm);
	return true;
}

static bool starts(const struct foreign_mbox *m, const char *with)
{
	return m->len > 0 && strncmp(m->line, with, strlen(with)) == 0;
}

static bool is_quoted_from(const struct foreign_mbox *m)
{
	size_t n = strspn(m->line, ">");

	return n > 0 && strncmp(m->line + n, "From ", 5) == 0;
}

static void take_uidl(struct foreign_mbox *m)
{
	struct slice value = slice_trim(slice_from(m->line + strlen("X-UIDL:")));

	while (value.len && (value.ptr[value.len - 1] == '\n' || value.ptr[value.len - 1] == '\r'))
		value.len--;
	value = slice_trim(value);
	if (value.len == 0 || value.len > 70)
		return;
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] < 0x21 || value.ptr[i] > 0x7e)
			return;
	snprintf(m->uidl, sizeof(m->uidl), "%.*s", SLICE_ARG(value));
}

enum status foreign_mbox_next(struct foreign_mbox *m, struct foreign_message *out, struct buf *text)
{
	bool header = true, empty = false, body = false;
	int64_t when;

	*out = (struct foreign_message){ 0 };
	m->uidl[0] = '\0';
	buf_reset(text);
	if (m->len < 0)
		return ferror(m->file) ? ST_IO : ST_END;
	if (!starts(m, "From "))
		return ST_SYNTAX;
	if (!from_date(m->line, &out->received))
		out->received = time(NULL);
	for (next_line(m); m->len >= 0; next_line(m)) {
		bool blank = m->line[0] == '\n' || strcmp(m->line, "\r\n") == 0;
		const char *from = m->line;

		/* Behind the header a body may begin that nobody quoted: there it takes a date. */
		if (empty && starts(m, "From ") && (body || from_date(m->line, &when)))
			break;
		/* The empty line before the next "From " belongs to the format, not to the message. */
		if (empty && buf_append(text, SLICE("\n")) != ST_OK)
			return ST_TOOBIG;
		body = !header;
		empty = blank;
		/* The first one is the old system's; others came with the message. */
		if (header && !*m->uidl && slice_istarts(slice_of(m->line, (size_t)m->len), SLICE("X-UIDL:"))) {
			take_uidl(m);
			continue;
		}
		header = header && !blank;
		if (is_quoted_from(m))
			from++;
		if (!empty && buf_append(text, slice_of(from, (size_t)(m->line + m->len - from))) != ST_OK)
			return ST_TOOBIG;
	}
	if (*m->uidl)
		out->uidl = m->uidl;
	return ST_OK;
}

void foreign_to_crlf(struct slice text, struct buf *out)
{
	size_t start = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c != '\r' && c != '\n')
			continue;
		(void)buf_append(out, slice_of(text.ptr + start, i - start));
		(void)buf_append(out, SLICE("\r\n"));
		if (c == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n')
			i++;
		start = i + 1;
	}
	if (start < text.len) {
		(void)buf_append(out, slice_of(text.ptr + start, text.len - start));
		(void)buf_append(out, SLICE("\r\n"));
	}
}

void foreign_to_lf(struct slice text, struct buf *out)
{
	size_t start = 0;

	for (size_t i = 0; i + 1 < text.len; i++)
		if (text.ptr[i] == '\r' && text.ptr[i + 1] == '\n') {
			(void)buf_append(out, slice_of(text.ptr + start, i - start));
			start = i + 1;
		}
	(void)buf_append(out, slice_of(text.ptr + start, text.len - start));
}
