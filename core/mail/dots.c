/* Dot-stuffing and its undoing.
 *
 * Only the five octets CRLF.CRLF end the data.  Everything that merely looks like them to a
 * tolerant server (LF.LF, LF.CRLF, CRLF.LF, CR.CR, CRLF.CR ...) is text with `bare` set: that is
 * what keeps a second message from being smuggled inside the first.
 *
 * Text is scanned a line at a time by the two find functions at the top; nothing else here
 * touches an octet that is not next to a line end.  Wider vectors chosen at run time go there. */
#include "mail/dots.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum reader_state {
	AT_START,        /* behind CRLF, or at the very first octet */
	IN_LINE,
	AFTER_CR,        /* the CR was given out as text: it is text in any case */
	AFTER_DOT,       /* a dot at the start of a line was left out */
	AFTER_DOT_CR,    /* the CR behind that dot is held back: it may be the end */
};

static bool is_break(char c)
{
	return c == '\r' || c == '\n';
}

/* Position of the first CR or LF, or s.len. */
static size_t find_break(struct slice s)
{
	size_t i = 0;

#ifdef __SSE2__
	const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n');

	for (; i + 16 <= s.len; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s.ptr + i));
		int hits = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, cr), _mm_cmpeq_epi8(v, lf)));

		if (hits)
			return i + (size_t)__builtin_ctz((unsigned)hits);
	}
#endif
	while (i < s.len && !is_break(s.ptr[i]))
		i++;
	return i;
}

size_t dots_find(struct slice s)
{
	size_t i = 0;

#ifdef __SSE2__
	const __m128i lf = _mm_set1_epi8('\n'), dot = _mm_set1_epi8('.');

	for (; i + 17 <= s.len; i += 16) {
		__m128i here = _mm_loadu_si128((const __m128i *)(const void *)(s.ptr + i));
		__m128i next = _mm_loadu_si128((const __m128i *)(const void *)(s.ptr + i + 1));
		int hits = _mm_movemask_epi8(
			_mm_and_si128(_mm_cmpeq_epi8(here, lf), _mm_cmpeq_epi8(next, dot)));

		if (hits)
			return i + (size_t)__builtin_ctz((unsigned)hits);
	}
#endif
	while (i + 1 < s.len) {
		i += slice_find(slice_skip(s, i), '\n');
		if (i + 1 < s.len && s.ptr[i + 1] == '.')
			return i;
		i++;
	}
	return s.len;
}

void dots_reader_init(struct dots_reader *r)
{
	*r = (struct dots_reader){ .state = AT_START };
}

static void count(struct dots_reader *r, size_t octets)
{
	uint64_t sum = (uint64_t)r->line_octets + octets;

	r->line_octets = sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
	if (r->line_octets > r->max_line_octets)
		r->max_line_octets = r->line_octets;
}

static void end_line(struct dots_reader *r)
{
	r->line_octets = 0;
	r->state = AT_START;
}

/* The octet behind a CR that was text already. */
static size_t after_cr(struct dots_reader *r, char c)
{
	if (c == '\n') {
		end_line(r);
		return 1;
	}
	r->bare = true;
	count(r, 1);
	r->state = IN_LINE;
	return 0;
}

/* As much of s as is text of the current line, its CR or a bare LF included. */
static size_t in_line(struct dots_reader *r, struct slice s)
{
	size_t n = find_break(s);

	count(r, n);
	if (n == s.len)
		return n;
	if (s.ptr[n] == '\r') {
		r->state = AFTER_CR;
	} else {
		r->bare = true;
		count(r, 1);
	}
	return n + 1;
}

/* Take octets that are text as they stand; stop in front of a dot that starts a line. */
static size_t take_text(struct dots_reader *r, struct slice s)
{
	size_t at = 0;

	while (at < s.len) {
		if (r->state == AFTER_CR) {
			at += after_cr(r, s.ptr[at]);
		} else if (r->state == IN_LINE) {
			at += in_line(r, slice_skip(s, at));
		} else {
			if (s.ptr[at] == '.')
				break;
			r->state = IN_LINE;
		}
	}
	return at;
}

enum status dots_read(struct dots_reader *r, struct slice *in, struct slice *text)
{
	*text = SLICE_NONE;
	if (in->len == 0)
		return ST_AGAIN;
	if (r->state == AFTER_DOT && in->ptr[0] == '\r') {
		r->state = AFTER_DOT_CR;
		*in = slice_skip(*in, 1);
		if (in->len == 0)
			return ST_AGAIN;
	}
	if (r->state == AFTER_DOT_CR) {
		if (in->ptr[0] == '\n') {
			*in = slice_skip(*in, 1);
			r->state = AT_START;
			return ST_END;
		}
		*text = SLICE("\r");
		r->state = AFTER_CR;
		return ST_OK;
	}
	if (r->state == AFTER_DOT)
		r->state = IN_LINE;
	size_t n = take_text(r, *in);

	*text = slice_head(*in, n);
	*in = slice_skip(*in, n);
	if (in->len == 0)
		return ST_AGAIN;
	*in = slice_skip(*in, 1);
	r->state = AFTER_DOT;
	return in->len ? ST_OK : ST_AGAIN;
}

void dots_writer_init(struct dots_writer *w)
{
	*w = (struct dots_writer){ 0 };
}

static void remember_end(struct dots_writer *w, struct slice text)
{
	char last = text.ptr[text.len - 1];
	bool crlf = last == '\n' && (text.len > 1 ? text.ptr[text.len - 2] == '\r' : w->after_cr);

	w->inside = !crlf;
	w->after_cr = last == '\r';
}

enum status dots_write(struct dots_writer *w, struct slice text, struct buf *out)
{
	enum status st = ST_OK;
	size_t done = 0, from = 0;

	if (text.len == 0)
		return ST_OK;
	if (!w->inside && text.ptr[0] == '.')
		st = buf_append(out, SLICE("."));
	while (st == ST_OK && from < text.len) {
		size_t lf = from + dots_find(slice_skip(text, from));
		bool crlf = lf < text.len && (lf > 0 ? text.ptr[lf - 1] == '\r' : w->after_cr);

		from = lf + 1;
		if (lf < text.len && !crlf)
			continue;
		size_t end = lf < text.len ? lf + 1 : text.len;

		st = buf_append(out, slice_of(text.ptr + done, end - done));
		done = end;
		if (st == ST_OK && crlf)
			st = buf_append(out, SLICE("."));
	}
	remember_end(w, text);
	return st;
}

enum status dots_finish(struct dots_writer *w, struct buf *out)
{
	bool inside = w->inside;

	dots_writer_init(w);
	return buf_append(out, inside ? SLICE("\r\n.\r\n") : SLICE(".\r\n"));
}
