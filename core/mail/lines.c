/* Cutting strict CRLF lines off received octets.  Searching is memchr's work; only the octets
 * around a hit are looked at one by one. */
#include "mail/lines.h"

/* Position of the first CRLF (of its CR), or s.len. */
static size_t find_crlf(struct slice s)
{
	size_t from = 0;

	while (from < s.len) {
		size_t lf = from + slice_find(slice_skip(s, from), '\n');

		if (lf == s.len)
			break;
		if (lf > 0 && s.ptr[lf - 1] == '\r')
			return lf - 1;
		from = lf + 1;
	}
	return s.len;
}

enum status lines_next(struct slice *in, size_t max, struct slice *line)
{
	struct slice seen = slice_head(*in, max);
	size_t crlf = find_crlf(seen);

	*line = SLICE_NONE;
	if (crlf == seen.len)
		return in->len >= max ? ST_TOOBIG : ST_AGAIN;
	*line = slice_head(*in, crlf);
	*in = slice_skip(*in, crlf + 2);
	if (slice_find(*line, '\n') < line->len || slice_find(*line, '\r') < line->len)
		return ST_SYNTAX;
	return ST_OK;
}

enum status lines_skip(struct slice *in)
{
	size_t crlf = find_crlf(*in);

	if (crlf < in->len) {
		*in = slice_skip(*in, crlf + 2);
		return ST_OK;
	}
	bool half = in->len && in->ptr[in->len - 1] == '\r';

	*in = slice_skip(*in, in->len - half);
	return ST_AGAIN;
}
