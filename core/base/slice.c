/* Comparing, searching and cutting borrowed bytes. */
#include "base/slice.h"

bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool slice_ieq(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
			return false;
	return true;
}

bool slice_starts(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len && slice_eq(slice_head(s, prefix.len), prefix);
}

bool slice_istarts(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len && slice_ieq(slice_head(s, prefix.len), prefix);
}

int slice_cmp(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n ? memcmp(a.ptr, b.ptr, n) : 0;

	return c ? c : (a.len > b.len) - (a.len < b.len);
}

size_t slice_find(struct slice s, char c)
{
	const char *hit = s.len ? memchr(s.ptr, c, s.len) : NULL;

	return hit ? (size_t)(hit - s.ptr) : s.len;
}

size_t slice_rfind(struct slice s, char c)
{
	for (size_t i = s.len; i > 0; i--)
		if (s.ptr[i - 1] == c)
			return i - 1;
	return s.len;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice s)
{
	while (s.len && blank(s.ptr[0]))
		s = slice_skip(s, 1);
	while (s.len && blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

enum status slice_cut(struct slice *rest, char sep, struct slice *word)
{
	if (rest->len == 0) {
		*word = SLICE_NONE;
		return ST_END;
	}
	size_t n = slice_find(*rest, sep);

	*word = slice_head(*rest, n);
	*rest = slice_skip(*rest, n + 1);
	return ST_OK;
}

enum status slice_to_u64(struct slice s, uint64_t *out)
{
	uint64_t n = 0;

	if (s.len == 0)
		return ST_SYNTAX;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return ST_SYNTAX;
		unsigned digit = (unsigned)(s.ptr[i] - '0');

		if (n > (UINT64_MAX - digit) / 10)
			return ST_TOOBIG;
		n = n * 10 + digit;
	}
	*out = n;
	return ST_OK;
}

bool slice_eq_constant_time(struct slice a, struct slice b)
{
	unsigned char diff = a.len != b.len;

	for (size_t i = 0; i < a.len && b.len; i++)
		diff |= (unsigned char)(a.ptr[i] ^ b.ptr[i % b.len]);
	return diff == 0;
}
