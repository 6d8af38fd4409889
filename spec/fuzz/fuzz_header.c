/* core/mail/header, date: fields put together again are the header; the counter sees the same
 * however the octets were cut. */
#include "fuzz.h"

#include "base/buf.h"
#include "mail/date.h"
#include "mail/header.h"

const char *const fuzz_tokens[] = {
	"Received:", "received : ", "Subject: ", "\r\n ", "\r\n\t", "\r\n\r\n", ":",
	"Date: Sat, 21 Nov 2026 20:15:09 +0000\r\n", "(comment)", NULL,
};

/* What was taken off is the field, or the one line that is none, and nothing is lost. */
static void check_fields(struct slice in, bool whole)
{
	struct header_field f;
	enum status st;

	do {
		struct slice before = in;

		st = whole ? header_next_of_whole(&in, &f) : header_next(&in, &f);
		FUZZ_CHECK(in.len <= before.len && (!in.len || in.ptr + in.len == before.ptr + before.len));
		if (st == ST_OK) {
			int64_t when;

			FUZZ_CHECK(f.name.len > 0 && f.whole.ptr == before.ptr);
			FUZZ_CHECK(f.whole.len == before.len - in.len);
			(void)date_parse(f.value, &when);
		}
		FUZZ_CHECK(st == ST_OK || st == ST_SYNTAX ? in.len < before.len : true);
		FUZZ_CHECK(st != ST_AGAIN || !whole);
	} while (st == ST_OK || st == ST_SYNTAX);
}

static void check_counter(struct slice in)
{
	struct header_counter want = { 0 };

	header_count(&want, in);
	FUZZ_CHECK(want.octets <= in.len && (want.over || want.octets == in.len));
	for (unsigned round = 0; round < FUZZ_CUT_ROUNDS; round++) {
		struct header_counter got = { 0 };
		struct slice piece;

		for (struct fuzz_cuts c = fuzz_cut(in, round); fuzz_piece(&c, &piece);)
			header_count(&got, piece);
		FUZZ_CHECK(got.octets == want.octets && got.received == want.received && got.over == want.over);
	}
}

/* As many Received as the field reader finds, while all lines are fields. */
static void check_same_count(struct slice in)
{
	struct header_counter c = { 0 };
	struct header_field f;
	struct slice rest = in;
	unsigned received = 0;
	enum status st;

	while ((st = header_next(&rest, &f)) == ST_OK)
		received += slice_ieq(f.name, SLICE("Received"));
	if (st != ST_END)
		return;
	header_count(&c, in);
	if (c.octets == in.len - rest.len)
		FUZZ_CHECK(c.received == received);
}

static void check_date(struct slice in)
{
	int64_t when, again;
	char text[DATE_SIZE];

	if (date_parse(in, &when) != ST_OK || when < 0 || when > 253402300799)
		return;
	date_format(when, text);
	FUZZ_CHECK(date_parse(slice_from(text), &again) == ST_OK && again == when);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	check_fields(in, false);
	check_fields(in, true);
	check_counter(in);
	check_same_count(in);
	check_date(in);
	return 0;
}
