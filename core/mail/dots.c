/* Dot-stuffing and its undoing.
 *
 * Only the five octets CRLF.CRLF end the data.  Everything that merely looks like them to a
 * tolerant server (LF.LF, LF.CRLF, CRLF.LF, CR.CR, CRLF.CR ...) is text with `bare` set: that is
 * what keeps a second message from being smuggled inside the first.
 *
 * scan.h goes over the lines; nothing here touches an octet that is not next to a dot that starts
 * a line. */
#include "mail/dots.h"

enum reader_state {
	IN_TEXT,
	AFTER_DOT,       /* a dot at the start of a line was left out */
	AFTER_DOT_CR,    /* the CR behind that dot is held back: it may be the end */
};

void dots_reader_init(struct dots_reader *r)
{
	*r = (struct dots_reader){ .state = IN_TEXT, .lines.at_start = true };
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
			r->state = IN_TEXT;
			r->lines.at_start = true;
			return ST_END;
		}
		*text = SLICE("\r");
		r->state = IN_TEXT;
		r->lines.after_cr = true;
		return ST_OK;
	}
	r->state = IN_TEXT;
	size_t n = scan_lines(*in, &r->lines);

	*text = slice_head(*in, n);
	*in = slice_skip(*in, n);
	if (in->len == 0)
		return ST_AGAIN;
	*in = slice_skip(*in, 1);
	r->state = AFTER_DOT;
	r->lines.at_start = false;
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
		size_t lf = from + scan_dot_line(slice_skip(text, from));
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
