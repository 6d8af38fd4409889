/* Checking UTF-8 (RFC 3629, 4: the grammar of well-formed octets). */
#include "mail/utf8.h"

/* Number of octets of the well-formed character at the front of s, or 0. */
static size_t character(struct slice s)
{
	const unsigned char *c = (const unsigned char *)s.ptr;
	unsigned char low = 0x80, high = 0xbf;        /* bounds of the second octet */
	size_t len;

	if (c[0] < 0x80)
		return 1;
	if (c[0] >= 0xc2 && c[0] <= 0xdf)
		len = 2;
	else if (c[0] >= 0xe0 && c[0] <= 0xef)
		len = 3;
	else if (c[0] >= 0xf0 && c[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (c[0] == 0xe0)
		low = 0xa0;                           /* overlong */
	else if (c[0] == 0xed)
		high = 0x9f;                          /* surrogates */
	else if (c[0] == 0xf0)
		low = 0x90;                           /* overlong */
	else if (c[0] == 0xf4)
		high = 0x8f;                          /* above U+10FFFF */
	if (s.len < len || c[1] < low || c[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (c[i] < 0x80 || c[i] > 0xbf)
			return 0;
	return len;
}

bool utf8_ascii(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] > 127)
			return false;
	return true;
}

bool utf8_valid(struct slice s)
{
	while (s.len) {
		size_t n = character(s);

		if (n == 0)
			return false;
		s = slice_skip(s, n);
	}
	return true;
}
