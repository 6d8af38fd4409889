/* base64 by table; strict when reading: SASL has no use for line breaks or missing padding, and
 * one octet string has exactly one spelling (RFC 4648, 3.5). */
#include "mail/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Value of a digit, or 64. */
static unsigned value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (unsigned)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0') + 52;
	return c == '+' ? 62 : c == '/' ? 63 : 64;
}

/* Four digits, the last `padding` of which are '='. */
static enum status decode_group(const char *in, unsigned padding, char out[3])
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < 4; i++) {
		unsigned v = i < 4 - padding ? value(in[i]) : 0;

		if (v == 64)
			return ST_SYNTAX;
		bits = bits << 6 | v;
	}
	if (padding && bits & (padding == 1 ? 0xffu : 0xffffu))
		return ST_SYNTAX;
	out[0] = (char)(bits >> 16);
	out[1] = (char)(bits >> 8);
	out[2] = (char)bits;
	return ST_OK;
}

enum status base64_decode(struct slice in, struct buf *out)
{
	size_t len = buf_len(out);
	char *room;

	if (in.len % 4)
		return ST_SYNTAX;
	if (in.len == 0)
		return ST_OK;
	unsigned padding = (in.ptr[in.len - 1] == '=') + (in.ptr[in.len - 1] == '=' && in.ptr[in.len - 2] == '=');
	size_t octets = in.len / 4 * 3 - padding;
	enum status st = buf_reserve(out, octets, &room);

	for (size_t i = 0; st == ST_OK && i < in.len; i += 4) {
		char group[3];
		unsigned pad = i + 4 == in.len ? padding : 0;

		st = decode_group(in.ptr + i, pad, group);
		if (st == ST_OK)
			st = buf_append(out, slice_of(group, 3 - pad));
	}
	if (st != ST_OK)
		buf_truncate(out, len);
	return st;
}

enum status base64_encode(struct slice in, struct buf *out)
{
	size_t octets = (in.len + 2) / 3 * 4;
	char *room;
	enum status st = buf_reserve(out, octets, &room);

	if (st != ST_OK)
		return st;
	for (size_t i = 0; i < in.len; i += 3) {
		size_t left = in.len - i;
		uint32_t bits = (uint32_t)(unsigned char)in.ptr[i] << 16;

		if (left > 1)
			bits |= (uint32_t)(unsigned char)in.ptr[i + 1] << 8;
		if (left > 2)
			bits |= (unsigned char)in.ptr[i + 2];
		*room++ = digits[bits >> 18];
		*room++ = digits[bits >> 12 & 63];
		*room++ = left > 1 ? digits[bits >> 6 & 63] : '=';
		*room++ = left > 2 ? digits[bits & 63] : '=';
	}
	buf_commit(out, octets);
	return ST_OK;
}
