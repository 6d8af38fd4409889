/* Encoded words, both ways.  Neighbours that both need encoding become one run, for the space
 * between two encoded words is not shown (RFC 2047, 6.2). */
#include "mail/words.h"

#include "mail/base64.h"
#include "mail/utf8.h"

enum { CHUNK = 45 };                 /* octets of one encoded word: 60 of base64, 12 around it */

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* ---- encoding ---- */

/* Octets of the next encoded word, cut between two characters. */
static size_t chunk_length(struct slice s)
{
	size_t n = s.len < CHUNK ? s.len : CHUNK;

	while (n < s.len && n > 1 && ((unsigned char)s.ptr[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static enum status encode_run(struct slice run, struct buf *out)
{
	enum status st = ST_OK;

	for (bool first = true; run.len && st == ST_OK; first = false) {
		size_t n = chunk_length(run);

		st = buf_append(out, first ? SLICE("=?UTF-8?B?") : SLICE(" =?UTF-8?B?"));
		if (st == ST_OK)
			st = base64_encode(slice_head(run, n), out);
		if (st == ST_OK)
			st = buf_append(out, SLICE("?="));
		run = slice_skip(run, n);
	}
	return st;
}

static size_t word_length(struct slice s)
{
	size_t n = 0;

	while (n < s.len && !blank(s.ptr[n]))
		n++;
	return n;
}

static size_t blank_length(struct slice s)
{
	size_t n = 0;

	while (n < s.len && blank(s.ptr[n]))
		n++;
	return n;
}

/* Words from the front of s that all need encoding, with the blanks between them. */
static size_t run_length(struct slice s)
{
	size_t end = 0;

	for (size_t at = 0; at < s.len;) {
		size_t word = word_length(slice_skip(s, at));

		if (utf8_ascii(slice_head(slice_skip(s, at), word)))
			break;
		at += word;
		end = at;
		at += blank_length(slice_skip(s, at));
	}
	return end;
}

enum status words_encode(struct slice utf8, struct buf *out)
{
	enum status st = ST_OK;

	while (utf8.len && st == ST_OK) {
		size_t n = blank_length(utf8);

		st = buf_append(out, slice_head(utf8, n));
		utf8 = slice_skip(utf8, n);
		if (st != ST_OK || !utf8.len)
			break;
		n = run_length(utf8);
		if (n) {
			st = encode_run(slice_head(utf8, n), out);
		} else {
			n = word_length(utf8);
			st = buf_append(out, slice_head(utf8, n));
		}
		utf8 = slice_skip(utf8, n);
	}
	return st;
}

/* ---- decoding ---- */

enum status words_convert(struct slice octets, struct slice charset, struct buf *out)
{
	size_t before = buf_len(out);
	enum status st = ST_OK;

	if (slice_ieq(charset, SLICE("utf-8")) || slice_ieq(charset, SLICE("us-ascii")) || !charset.len)
		return utf8_valid(octets) ? buf_append(out, octets) : ST_UNSUPPORTED;
	if (!slice_ieq(charset, SLICE("iso-8859-1")))
		return ST_UNSUPPORTED;
	for (size_t i = 0; i < octets.len && st == ST_OK; i++) {
		unsigned char c = (unsigned char)octets.ptr[i];

		if (c >= 0x80)
			st = buf_append_byte(out, (char)(0xc0 | c >> 6));
		if (st == ST_OK)
			st = buf_append_byte(out, (char)(c < 0x80 ? c : 0x80 | (c & 0x3f)));
	}
	if (st != ST_OK)
		buf_truncate(out, before);
	return st;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The "Q" encoding (RFC 2047, 4.2). */
static enum status decode_q(struct slice in, struct buf *out)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < in.len && st == ST_OK; i++) {
		char c = in.ptr[i] == '_' ? ' ' : in.ptr[i];

		if (c == '=') {
			int high = i + 2 < in.len ? hex(in.ptr[i + 1]) : -1;
			int low = high >= 0 ? hex(in.ptr[i + 2]) : -1;

			if (low < 0)
				return ST_SYNTAX;
			c = (char)(high << 4 | low);
			i += 2;
		}
		st = buf_append_byte(out, c);
	}
	return st;
}

/* encoded-word = "=?" charset "?" encoding "?" encoded-text "?=" off the front of *in.
 * Whatever is wrong leaves *in and out as they are. */
static bool decode_one(struct slice *in, struct buf *out)
{
	struct slice rest = slice_skip(*in, 2), charset, method;
	size_t end = 0;
	struct buf octets;
	enum status st;

	if (!slice_starts(*in, SLICE("=?")) || slice_cut(&rest, '?', &charset) != ST_OK ||
	    slice_cut(&rest, '?', &method) != ST_OK || method.len != 1)
		return false;
	charset = slice_head(charset, slice_find(charset, '*'));      /* RFC 2231, 5: its language */
	while (end + 1 < rest.len && !blank(rest.ptr[end]) && !(rest.ptr[end] == '?' && rest.ptr[end + 1] == '='))
		end++;
	if (end + 1 >= rest.len || rest.ptr[end] != '?')
		return false;
	buf_init(&octets, rest.len);
	if (ascii_lower(method.ptr[0]) == 'b')
		st = base64_decode(slice_head(rest, end), &octets);
	else
		st = ascii_lower(method.ptr[0]) == 'q' ? decode_q(slice_head(rest, end), &octets) : ST_SYNTAX;
	if (st == ST_OK)
		st = words_convert(buf_slice(&octets), charset, out);
	buf_free(&octets);
	if (st == ST_OK)
		*in = slice_skip(rest, end + 2);
	return st == ST_OK;
}

enum status words_decode(struct slice text, struct buf *out)
{
	bool after_word = false;
	enum status st = ST_OK;

	while (text.len && st == ST_OK) {
		size_t blanks = blank_length(text);
		struct slice next = slice_skip(text, blanks);
		size_t before = buf_len(out);

		/* Blanks between two encoded words are not shown. */
		if (!after_word)
			st = buf_append(out, slice_head(text, blanks));
		if (st == ST_OK && decode_one(&next, out)) {
			after_word = true;
			text = next;
			continue;
		}
		buf_truncate(out, before);
		after_word = false;
		/* Up to where the next one may begin: real mail has them inside words and quotes. */
		size_t n = 1;

		while (blanks + n < text.len && !blank(text.ptr[blanks + n]) && text.ptr[blanks + n] != '=')
			n++;
		st = buf_append(out, slice_head(text, blanks + n));
		text = slice_skip(text, blanks + n);
	}
	return st;
}
