/* core/mail/lines: the same lines come out however the octets were cut, and none has a bare CR or
 * LF unless it is called broken. */
#include "fuzz.h"

#include "base/buf.h"
#include "mail/lines.h"

const char *const fuzz_tokens[] = { "NOOP\r\n", "\r\r\n", "\n\r\n", "\r\n\r\n", NULL };

/* What a machine would do with its input buffer, written down. */
struct reader { struct buf in, log; size_t max; bool skipping; };

static void note(struct reader *r, char what, struct slice line)
{
	(void)buf_append_byte(&r->log, what);
	(void)buf_append(&r->log, line);
	(void)buf_append_byte(&r->log, '|');
}

static bool step(struct reader *r, struct slice *in)
{
	struct slice line;

	if (r->skipping) {
		r->skipping = lines_skip(in) != ST_OK;
		return !r->skipping;
	}
	size_t before = in->len;
	enum status st = lines_next(in, r->max, &line);
	bool bare = slice_find(line, '\r') < line.len || slice_find(line, '\n') < line.len;

	FUZZ_CHECK(st == ST_OK || st == ST_SYNTAX || st == ST_AGAIN || st == ST_TOOBIG);
	if (st == ST_OK || st == ST_SYNTAX) {
		FUZZ_CHECK(bare == (st == ST_SYNTAX));
		FUZZ_CHECK(before - in->len == line.len + 2 && line.len + 2 <= r->max);
		note(r, st == ST_OK ? 'L' : 'S', line);
		return true;
	}
	FUZZ_CHECK(before == in->len);
	if (st == ST_TOOBIG) {
		note(r, 'T', SLICE_NONE);
		r->skipping = true;
		return true;
	}
	return false;
}

static void feed(struct reader *r, struct slice piece)
{
	(void)buf_append(&r->in, piece);
	struct slice in = buf_slice(&r->in);

	while (step(r, &in))
		;
	buf_consume(&r->in, buf_len(&r->in) - in.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice whole = slice_skip(slice_of(data, size), 1), piece;
	size_t max = size ? 2 + (size_t)data[0] : 2;
	struct reader first = { .max = max };

	feed(&first, whole);
	for (unsigned round = 0; round < FUZZ_CUT_ROUNDS; round++) {
		struct reader r = { .max = max };

		for (struct fuzz_cuts c = fuzz_cut(whole, round); fuzz_piece(&c, &piece);)
			feed(&r, piece);
		FUZZ_CHECK(slice_eq(buf_slice(&r.log), buf_slice(&first.log)));
		FUZZ_CHECK(slice_eq(buf_slice(&r.in), buf_slice(&first.in)));
		FUZZ_CHECK(r.skipping == first.skipping);
		buf_free(&r.in);
		buf_free(&r.log);
	}
	buf_free(&first.in);
	buf_free(&first.log);
	return 0;
}
