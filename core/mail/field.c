/* One header field, from its parts to lines. */
#include "mail/field.h"

#include "mail/utf8.h"
#include "mail/words.h"

bool field_name_valid(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] <= 32 || name.ptr[i] == 127 || name.ptr[i] == ':' || (unsigned char)name.ptr[i] > 127)
			return false;
	return name.len > 0 && name.len <= FIELD_NAME_MAX;
}

enum status field_value_check(struct slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return ST_SYNTAX;
	}
	if (value.len > FIELD_VALUE_MAX)
		return ST_TOOBIG;
	return utf8_valid(value) ? ST_OK : ST_SYNTAX;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Blanks and the word behind them, off the front of s; the value ends with no blank. */
static size_t step(struct slice s)
{
	size_t n = 0;

	while (n < s.len && blank(s.ptr[n]))
		n++;
	while (n < s.len && !blank(s.ptr[n]))
		n++;
	return n;
}

/* CRLF goes in front of blanks, so that unfolding gives back the same text (RFC 5322, 2.2.3). */
static enum status fold(struct slice value, size_t column, struct buf *out)
{
	enum status st = ST_OK;

	for (bool first = true; value.len && st == ST_OK; first = false) {
		size_t n = step(value);

		if (!first && column + n > FIELD_FOLD) {
			st = buf_append(out, SLICE("\r\n"));
			column = 0;
		}
		column += n;
		if (column > FIELD_LINE_MAX)
			st = ST_TOOBIG;
		if (st == ST_OK)
			st = buf_append(out, slice_head(value, n));
		value = slice_skip(value, n);
	}
	return st;
}

enum status field_write(struct slice name, struct slice value, bool utf8, struct buf *out)
{
	size_t before = buf_len(out);
	enum status st = field_name_valid(name) ? field_value_check(value) : ST_SYNTAX;
	struct buf encoded;

	if (st != ST_OK)
		return st;
	value = slice_trim(value);
	buf_init(&encoded, 4 * FIELD_VALUE_MAX);
	if (!utf8 && !utf8_ascii(value)) {
		st = words_encode(value, &encoded);
		value = buf_slice(&encoded);
	}
	if (st == ST_OK)
		st = buf_append(out, name);
	if (st == ST_OK)
		st = buf_append(out, value.len ? SLICE(": ") : SLICE(":"));
	if (st == ST_OK)
		st = fold(value, name.len + 2, out);
	if (st == ST_OK)
		st = buf_append(out, SLICE("\r\n"));
	if (st != ST_OK)
		buf_truncate(out, before);
	buf_free(&encoded);
	return st;
}
