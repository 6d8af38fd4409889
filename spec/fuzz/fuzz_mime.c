/* core/mail/mime, mime_header, words, transfer, field: parts lie within the message and within their
 * parents; nothing depends on where the input is cut; a field that is written can be read. */
#include "fuzz.h"

#include "mail/field.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/words.h"

const char *const fuzz_tokens[] = {
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--b\r\n", "--b--\r\n", "\r\n\r\n",
	"Content-Type: message/rfc822\r\n\r\n", "Content-Type: multipart/digest; boundary=\"c d\"\r\n\r\n",
	"--c d\r\n", "Content-Disposition: attachment; filename*0*=utf-8''%41; filename*1=b\r\n",
	"Content-Transfer-Encoding: base64\r\n", "Content-Transfer-Encoding: quoted-printable\r\n",
	"=?utf-8?B?0LA=?=", "=?utf-8?Q?=41_?=", "=41=\r\n", "SGk=", "; x=\"\\\"\"", "(", NULL,
};

static struct mime *parse(struct slice in, unsigned round)
{
	struct mime *m = mime_new();
	struct slice piece;

	for (struct fuzz_cuts c = fuzz_cut(in, round); fuzz_piece(&c, &piece);)
		mime_feed(m, piece);
	mime_finish(m);
	return m;
}

static bool same(const struct mime_part *a, const struct mime_part *b)
{
	return slice_eq(a->type, b->type) && slice_eq(a->filename, b->filename) &&
	       slice_eq(a->disposition, b->disposition) && a->header_offset == b->header_offset &&
	       a->offset == b->offset && a->octets == b->octets && a->parent == b->parent &&
	       a->depth == b->depth && a->children == b->children && a->number == b->number;
}

static void check_parts(const struct mime *m, size_t octets)
{
	FUZZ_CHECK(mime_count(m) >= 1 && mime_count(m) <= MIME_PARTS_MAX);
	for (unsigned i = 0; i < mime_count(m); i++) {
		const struct mime_part *p = mime_part(m, i);

		FUZZ_CHECK(p->header_offset <= p->offset && p->offset <= octets);
		FUZZ_CHECK(p->octets <= octets - p->offset && p->depth <= MIME_DEPTH_MAX);
		FUZZ_CHECK((i == 0) == (p->parent == MIME_NO_PARENT) && p->type.len > 0);
		if (i == 0)
			continue;
		const struct mime_part *parent = mime_part(m, p->parent);

		FUZZ_CHECK(p->parent < i && p->depth == parent->depth + 1 && p->number <= parent->children);
		FUZZ_CHECK(p->header_offset >= parent->offset);
		FUZZ_CHECK(p->offset + p->octets <= parent->offset + parent->octets || p->octets == 0);
	}
}

static void check_structure(struct slice in)
{
	struct mime *want = parse(in, 0);

	check_parts(want, in.len);
	for (unsigned round = 1; round < FUZZ_CUT_ROUNDS; round++) {
		struct mime *got = parse(in, round);

		FUZZ_CHECK(mime_count(got) == mime_count(want) && mime_limited(got) == mime_limited(want));
		for (unsigned i = 0; i < mime_count(want); i++)
			FUZZ_CHECK(same(mime_part(got, i), mime_part(want, i)));
		mime_free(got);
	}
	mime_free(want);
}

static void decode(struct slice in, const char *encoding, unsigned round, struct buf *out)
{
	struct transfer t;
	struct slice piece;

	buf_init(out, 0);
	transfer_init(&t, transfer_by_name(slice_from(encoding)));
	for (struct fuzz_cuts c = fuzz_cut(in, round); fuzz_piece(&c, &piece);)
		FUZZ_CHECK(transfer_decode(&t, piece, out) == ST_OK);
	FUZZ_CHECK(transfer_finish(&t, out) == ST_OK);
	FUZZ_CHECK(buf_len(out) <= in.len);
	transfer_clear(&t);
}

static void check_transfer(struct slice in, const char *encoding)
{
	struct buf want, got;

	decode(in, encoding, 0, &want);
	for (unsigned round = 1; round < FUZZ_CUT_ROUNDS; round++) {
		decode(in, encoding, round, &got);
		FUZZ_CHECK(slice_eq(buf_slice(&want), buf_slice(&got)));
		buf_free(&got);
	}
	buf_free(&want);
}

/* One field comes back as one field, and its text as the text. */
static void check_field(struct slice in)
{
	struct header_field f;
	struct slice rest;
	struct buf out, text;

	buf_init(&out, 0);
	buf_init(&text, 0);
	(void)words_decode(in, &text);
	buf_reset(&text);
	if (field_write(SLICE("X-Fuzz"), in, false, &out) == ST_OK) {
		rest = buf_slice(&out);
		FUZZ_CHECK(header_next_of_whole(&rest, &f) == ST_OK && rest.len == 0);
		FUZZ_CHECK(slice_eq(f.name, SLICE("X-Fuzz")));
	}
	buf_free(&out);
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	check_structure(in);
	check_transfer(in, "base64");
	check_transfer(in, "quoted-printable");
	check_field(in);
	return 0;
}
