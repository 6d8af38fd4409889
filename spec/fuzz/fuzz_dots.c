/* core/mail/dots and scan, in all variants: against the plainest possible reader, with every way of
 * cutting; and stuffing undone gives the text back. */
#include "fuzz.h"

#include "base/buf.h"
#include "mail/dots.h"

const char *const fuzz_tokens[] = {
	"\r\n.", "\n.\n", "\r\n.\n", "\n.\r\n", "\r.\r\n", "\r\n.\r\r\n", "..", NULL,
};

struct result { struct buf text; bool ended, bare; size_t rest; uint32_t max_line; };

/* Octet by octet, with all octets at hand. */
static void read_plainly(struct slice in, struct result *out)
{
	size_t i = 0, line = 0;
	bool at_start = true;

	while (i < in.len) {
		if (at_start && in.ptr[i] == '.') {
			if (slice_starts(slice_skip(in, i), SLICE(".\r\n"))) {
				out->ended = true;
				out->rest = in.len - i - 3;
				return;
			}
			at_start = false;
			i++;
			continue;
		}
		bool crlf = slice_starts(slice_skip(in, i), SLICE("\r\n"));

		at_start = crlf;
		if (crlf) {
			(void)buf_append(&out->text, SLICE("\r\n"));
			i += 2;
			line = 0;
			continue;
		}
		out->bare = out->bare || in.ptr[i] == '\r' || in.ptr[i] == '\n';
		(void)buf_append_byte(&out->text, in.ptr[i++]);
		line++;
		out->max_line = line > out->max_line ? (uint32_t)line : out->max_line;
	}
}

static void read_in_pieces(struct slice whole, unsigned round, struct result *out)
{
	struct dots_reader r;
	struct slice piece, text;
	enum status st = ST_AGAIN;

	dots_reader_init(&r);
	for (struct fuzz_cuts c = fuzz_cut(whole, round); st == ST_AGAIN && fuzz_piece(&c, &piece);) {
		do {
			st = dots_read(&r, &piece, &text);
			(void)buf_append(&out->text, text);
			FUZZ_CHECK(st == ST_OK || st == ST_END || (st == ST_AGAIN && piece.len == 0));
		} while (st == ST_OK);
		out->rest = piece.len + c.rest.len;
	}
	out->ended = st == ST_END;
	out->bare = r.lines.bare;
	out->max_line = r.lines.longest;
}

static void check_reading(struct slice in)
{
	struct result want = { .rest = 0 };

	read_plainly(in, &want);
	for (unsigned round = 0; round < FUZZ_CUT_ROUNDS; round++) {
		struct result got = { .rest = 0 };

		read_in_pieces(in, round, &got);
		FUZZ_CHECK(got.ended == want.ended);
		if (want.ended) {             /* before the end a last CR may still become anything */
			FUZZ_CHECK(slice_eq(buf_slice(&got.text), buf_slice(&want.text)));
			FUZZ_CHECK(got.rest == want.rest);
			FUZZ_CHECK(got.bare == want.bare);
			FUZZ_CHECK(got.max_line == want.max_line);
		}
		buf_free(&got.text);
	}
	buf_free(&want.text);
}

static void check_writing(struct slice text)
{
	struct buf plain = { 0 };

	(void)buf_append(&plain, text);
	if (text.len && !(text.len > 1 && text.ptr[text.len - 1] == '\n' && text.ptr[text.len - 2] == '\r'))
		(void)buf_append(&plain, SLICE("\r\n"));
	for (unsigned round = 0; round < FUZZ_CUT_ROUNDS; round++) {
		struct dots_writer w;
		struct buf wire = { 0 };
		struct slice piece;
		struct result back = { .rest = 0 };

		dots_writer_init(&w);
		for (struct fuzz_cuts c = fuzz_cut(text, round); fuzz_piece(&c, &piece);)
			FUZZ_CHECK(dots_write(&w, piece, &wire) == ST_OK);
		FUZZ_CHECK(dots_finish(&w, &wire) == ST_OK);
		read_in_pieces(buf_slice(&wire), 1, &back);
		FUZZ_CHECK(back.ended && back.rest == 0);
		FUZZ_CHECK(slice_eq(buf_slice(&back.text), buf_slice(&plain)));
		buf_free(&wire);
		buf_free(&back.text);
	}
	buf_free(&plain);
}

static void check_find(struct slice in)
{
	size_t want = 0;

	while (want < in.len && !(in.ptr[want] == '\n' && want + 1 < in.len && in.ptr[want + 1] == '.'))
		want++;
	FUZZ_CHECK(scan_dot_line(in) == want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	for (unsigned i = 0; scan_variant(i); i++) {
		FUZZ_CHECK(scan_use(scan_variant(i)));
		check_reading(in);
		check_writing(in);
		check_find(in);
	}
	return 0;
}
