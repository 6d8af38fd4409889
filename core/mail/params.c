/* ESMTP parameters and xtext. */
#include "mail/params.h"

static bool letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-") */
static bool is_keyword(struct slice s)
{
	if (s.len == 0 || !letter_or_digit(s.ptr[0]))
		return false;
	for (size_t i = 1; i < s.len; i++)
		if (!letter_or_digit(s.ptr[i]) && s.ptr[i] != '-')
			return false;
	return true;
}

/* esmtp-value = 1*(%d33-60 / %d62-126 / UTF8-non-ascii); RFC 6531, 3.3 adds the last. */
static bool is_value(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c <= 32 || c == '=' || c == 127)
			return false;
	}
	return s.len > 0;
}

enum status params_next(struct slice *in, struct slice *keyword, struct slice *value)
{
	struct slice word;

	*keyword = *value = SLICE_NONE;
	while (in->len && in->ptr[0] == ' ')
		*in = slice_skip(*in, 1);
	if (slice_cut(in, ' ', &word) == ST_END)
		return ST_END;
	size_t equals = slice_find(word, '=');

	*keyword = slice_head(word, equals);
	if (!is_keyword(*keyword))
		return ST_SYNTAX;
	if (equals == word.len)
		return ST_OK;
	*value = slice_skip(word, equals + 1);
	return is_value(*value) ? ST_OK : ST_SYNTAX;
}

/* Value of an upper-case hexadecimal digit, or -1: RFC 3461, 4 allows no other. */
static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* xchar = %d33-42 / %d44-60 / %d62-126 */
static bool is_xchar(char c)
{
	return c > 32 && c < 127 && c != '+' && c != '=';
}

enum status params_xtext_decode(struct slice in, struct buf *out)
{
	size_t before = buf_len(out);
	enum status st = ST_OK;

	for (size_t i = 0; i < in.len && st == ST_OK; i++) {
		char c = in.ptr[i];

		if (c == '+' && in.len - i > 2 && hex(in.ptr[i + 1]) >= 0 && hex(in.ptr[i + 2]) >= 0) {
			st = buf_append_byte(out, (char)(hex(in.ptr[i + 1]) << 4 | hex(in.ptr[i + 2])));
			i += 2;
		} else {
			st = is_xchar(c) ? buf_append_byte(out, c) : ST_SYNTAX;
		}
	}
	if (st != ST_OK)
		buf_truncate(out, before);
	return st;
}

void params_xtext_encode(struct slice in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		if (is_xchar(in.ptr[i]))
			(void)buf_append_byte(out, in.ptr[i]);
		else
			(void)buf_printf(out, "+%02X", (unsigned char)in.ptr[i]);
	}
}
