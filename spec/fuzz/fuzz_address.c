/* core/mail/address, params: what is taken keeps its promises and is taken again as the same. */
#include "fuzz.h"

#include "mail/address.h"
#include "mail/params.h"
#include "mail/utf8.h"

const char *const fuzz_tokens[] = {
	"<", ">", "@", "\"", "\\", "\\\"", "[IPv6:::1]", "[127.0.0.1]", "postmaster", ".example",
	"@a,@b:", "SIZE=", " ", "+2B", "\xd0\xb0", "xn--", NULL,
};

static void check_parts(const struct address_parts *p, unsigned flags, struct arena *a)
{
	FUZZ_CHECK(p->localpart.len <= ADDRESS_LOCALPART_MAX && p->domain.len <= ADDRESS_DOMAIN_MAX);
	FUZZ_CHECK(p->whole.len + 2 <= ADDRESS_PATH_MAX && p->plain.len <= p->localpart.len);
	FUZZ_CHECK(utf8_valid(p->whole));
	FUZZ_CHECK(p->utf8 == !utf8_ascii(p->whole) && (!p->utf8 || flags & ADDRESS_UTF8));
	for (size_t i = 0; i < p->whole.len; i++)
		FUZZ_CHECK((unsigned char)p->whole.ptr[i] >= 32 && p->whole.ptr[i] != 127);
	for (size_t i = 0; i < p->domain.len; i++)
		FUZZ_CHECK(p->domain.ptr[i] == ascii_lower(p->domain.ptr[i]) && p->domain.ptr[i] != ' ');
	struct slice canonical = address_canonical(p, a), user, detail;

	FUZZ_CHECK(canonical.len == p->plain.len + (p->domain.len ? 1 + p->domain.len : 0));
	address_split_detail(p->plain, '+', &user, &detail);
	FUZZ_CHECK(user.len + detail.len <= p->plain.len && (user.len || !p->plain.len));
}

static void check_again(const struct address_parts *p, unsigned flags, struct arena *a)
{
	struct address_parts again;

	FUZZ_CHECK(address_parse_mailbox(p->whole, flags, a, &again) == ST_OK);
	FUZZ_CHECK(slice_eq(again.whole, p->whole) && slice_eq(again.plain, p->plain));
	FUZZ_CHECK(slice_eq(again.domain, p->domain) && again.literal == p->literal);
	if (p->domain.len)
		FUZZ_CHECK(address_check_domain(p->domain, flags & ADDRESS_UTF8) == ST_OK);
}

static void check_params(struct slice in)
{
	struct slice keyword, value;
	enum status st;

	while ((st = params_next(&in, &keyword, &value)) == ST_OK) {
		struct buf text = { 0 }, again = { 0 };

		FUZZ_CHECK(keyword.len > 0 && (!value.ptr || value.len > 0));
		if (params_xtext_decode(value, &text) == ST_OK) {
			params_xtext_encode(buf_slice(&text), &again);
			buf_reset(&text);
			FUZZ_CHECK(params_xtext_decode(buf_slice(&again), &text) == ST_OK);
		}
		buf_free(&text);
		buf_free(&again);
	}
	FUZZ_CHECK(st == ST_END || st == ST_SYNTAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_skip(slice_of(data, size), 1), rest = in;
	unsigned flags = size ? data[0] & 7u : 0;
	struct arena a;
	struct address_parts p;

	arena_init(&a);
	enum status st = address_parse_path(&rest, flags, &a, &p);

	FUZZ_CHECK(st == ST_OK || st == ST_SYNTAX || st == ST_TOOBIG);
	FUZZ_CHECK(st == ST_OK ? in.len - rest.len <= ADDRESS_PATH_MAX : rest.len == in.len);
	if (st == ST_OK) {
		check_parts(&p, flags, &a);
		check_again(&p, flags, &a);
		check_params(rest);
	}
	if (address_parse_mailbox(in, flags, &a, &p) == ST_OK)
		check_parts(&p, flags, &a);
	(void)address_check_domain(in, flags & ADDRESS_UTF8);
	check_params(in);
	arena_reset(&a);
	return 0;
}
