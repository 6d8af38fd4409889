/* Header fields off the front of a message, and the counter that watches a header come in. */
#include "mail/header.h"

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* ftext = %d33-57 / %d59-126 (RFC 5322, 3.6.8) */
static bool name_octet(char c)
{
	return c > 32 && c < 127 && c != ':';
}

/* Length of the first line of s with its CRLF; 0 when the CRLF is not there. */
static size_t line_length(struct slice s)
{
	size_t from = 0;

	while (from < s.len) {
		size_t lf = from + slice_find(slice_skip(s, from), '\n');

		if (lf == s.len)
			return 0;
		if (lf > 0 && s.ptr[lf - 1] == '\r')
			return lf + 1;
		from = lf + 1;
	}
	return 0;
}

/* Octets of the field at the front of s with its folded lines.  0: incomplete. */
static size_t field_length(struct slice s, bool whole)
{
	size_t end = 0;

	for (;;) {
		struct slice rest = slice_skip(s, end);
		size_t line = line_length(rest);

		if (line == 0)
			return whole ? s.len : 0;
		end += line;
		if (end == s.len)
			return whole ? end : 0;
		if (!blank(s.ptr[end]))
			return end;
	}
}

static struct slice without_crlf(struct slice s)
{
	if (s.len >= 2 && s.ptr[s.len - 1] == '\n' && s.ptr[s.len - 2] == '\r')
		s.len -= 2;
	return s;
}

/* Spaces between name and colon are obsolete but must be understood (RFC 5322, 4.5). */
static bool split(struct slice field, struct header_field *out)
{
	size_t name = 0, colon;

	while (name < field.len && name_octet(field.ptr[name]))
		name++;
	for (colon = name; colon < field.len && blank(field.ptr[colon]); colon++)
		;
	if (name == 0 || colon == field.len || field.ptr[colon] != ':')
		return false;
	out->whole = field;
	out->name = slice_head(field, name);
	out->value = slice_trim(without_crlf(slice_skip(field, colon + 1)));
	return true;
}

static enum status next(struct slice *in, bool whole, struct header_field *out)
{
	*out = (struct header_field){ SLICE_NONE, SLICE_NONE, SLICE_NONE };
	if (whole && in->len == 0)
		return ST_END;
	if (slice_starts(*in, SLICE("\r\n"))) {
		*in = slice_skip(*in, 2);
		return ST_END;
	}
	size_t line = line_length(*in), field = field_length(*in, whole);

	if (line == 0 && !whole)
		return ST_AGAIN;
	if (!split(slice_head(*in, line ? line : in->len), out)) {
		*in = slice_skip(*in, line ? line : in->len);
		return ST_SYNTAX;
	}
	if (field == 0)
		return ST_AGAIN;
	(void)split(slice_head(*in, field), out);
	*in = slice_skip(*in, field);
	return ST_OK;
}

enum status header_next(struct slice *in, struct header_field *out)
{
	return next(in, false, out);
}

enum status header_next_of_whole(struct slice *in, struct header_field *out)
{
	return next(in, true, out);
}

/* How far the name of the field in the current line is read; smaller values count the octets
 * that match "received". */
enum { NAME_OTHER = 9, NAME_BLANK_RECEIVED, NAME_BLANK_OTHER, NAME_DONE };

static const char received[] = "received";

static void end_line(struct header_counter *c)
{
	c->match = c->column = 0;
}

/* The line is no field: the header ended in front of it. */
static void end_header(struct header_counter *c)
{
	c->over = true;
	c->octets -= c->column + 1u;
}

static void colon(struct header_counter *c)
{
	if (c->column == 0) {
		end_header(c);
		return;
	}
	c->received += c->match == sizeof(received) - 1 || c->match == NAME_BLANK_RECEIVED;
	c->match = NAME_DONE;
}

/* One octet of a line whose colon was not seen yet. */
static void name_step(struct header_counter *c, char octet)
{
	if (blank(octet) && c->column == 0) {
		c->match = NAME_DONE;                 /* a folded line: no name in it */
	} else if (octet == ':') {
		colon(c);
	} else if (blank(octet)) {
		bool is = c->match == sizeof(received) - 1 || c->match == NAME_BLANK_RECEIVED;

		c->match = is ? NAME_BLANK_RECEIVED : NAME_BLANK_OTHER;
	} else if (octet == '\r' && c->column == 0) {
		return;                               /* the empty line, probably */
	} else if (!name_octet(octet) || c->match > NAME_OTHER || c->column == UINT8_MAX) {
		end_header(c);
	} else if (c->match < sizeof(received) - 1 && ascii_lower(octet) == received[c->match]) {
		c->match++;
	} else {
		c->match = NAME_OTHER;
	}
}

void header_count(struct header_counter *c, struct slice octets)
{
	size_t i = 0;

	while (i < octets.len && !c->over) {
		char octet = octets.ptr[i];

		c->octets++;
		if (octet == '\n' && c->after_cr) {
			c->over = c->column == 1;
			end_line(c);
		} else if (c->match != NAME_DONE) {
			name_step(c, octet);
			c->column += c->column < UINT8_MAX;
		} else {
			/* Nothing to see before the next line end. */
			size_t skip = slice_find(slice_skip(octets, i), '\n');

			if (skip > 0) {
				i += skip - 1;
				c->octets += skip - 1;
				octet = octets.ptr[i];
			}
			c->column += c->column < UINT8_MAX;
		}
		c->after_cr = octet == '\r';
		i++;
	}
}
