/* The PROXY protocol header (haproxy's proxy-protocol.txt, sections 2.1 and 2.2), strict: whatever
 * is not exactly a header is refused, for the addresses in it decide what a client may do. */
#include "net/proxy.h"

#include <arpa/inet.h>
#include <string.h>

enum {
	V1_MAX = 107,                     /* with CRLF */
	V2_HEAD = 16,                     /* signature, version and command, family, length */
	V2_MAX = 536,                     /* what we bear; the protocol's own maximum is 65551 */
	V2_LOCAL = 0x20, V2_PROXY = 0x21,
	V2_UNSPEC = 0x00, V2_TCP4 = 0x11, V2_TCP6 = 0x21, V2_UNIX = 0x31,
	TLV_SSL = 0x20,
	SSL_CLIENT_USED_TLS = 0x01,
	SSL_FIXED = 5,                    /* client bits and verify before the inner TLVs */
};

static const char v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

static bool same_start(struct slice in, struct slice whole)
{
	size_t n = in.len < whole.len ? in.len : whole.len;

	return n == 0 || memcmp(in.ptr, whole.ptr, n) == 0;
}

static bool v1_ip(struct slice text, bool ipv6, struct address *out)
{
	unsigned char binary[16];

	if (text.len == 0 || text.len >= sizeof(out->ip))
		return false;
	memcpy(out->ip, text.ptr, text.len);
	out->ip[text.len] = '\0';
	out->ipv6 = ipv6;
	return strlen(out->ip) == text.len &&
	       inet_pton(ipv6 ? AF_INET6 : AF_INET, out->ip, binary) == 1;
}

/* 0 to 65535 without leading zeros (2.1). */
static bool v1_port(struct slice text, unsigned short *out)
{
	uint64_t n;

	if (slice_to_u64(text, &n) != ST_OK || n > UINT16_MAX || (text.len > 1 && text.ptr[0] == '0'))
		return false;
	*out = (unsigned short)n;
	return true;
}

/* "PROXY TCP4 192.0.2.1 198.51.100.2 4711 25" CRLF, or "PROXY UNKNOWN" and anything CRLF */
static enum status v1_line(struct slice line, struct proxy_header *out)
{
	struct slice word[6];
	unsigned count = 0;
	bool open_end = line.len > 0 && line.ptr[line.len - 1] == ' ';

	while (count < 6 && slice_cut(&line, ' ', &word[count]) == ST_OK)
		count++;
	if (count >= 2 && slice_eq(word[1], SLICE("UNKNOWN"))) {
		out->local = true;
		return ST_OK;
	}
	bool ipv6 = count >= 2 && slice_eq(word[1], SLICE("TCP6"));

	if (count != 6 || line.len != 0 || open_end || (!ipv6 && !slice_eq(word[1], SLICE("TCP4"))))
		return ST_SYNTAX;
	if (!v1_ip(word[2], ipv6, &out->source) || !v1_ip(word[3], ipv6, &out->destination) ||
	    !v1_port(word[4], &out->source.port) || !v1_port(word[5], &out->destination.port))
		return ST_SYNTAX;
	return ST_OK;
}

static enum status v1_parse(struct slice *in, struct proxy_header *out)
{
	struct slice seen = slice_head(*in, V1_MAX);
	size_t end = slice_find(seen, '\r');

	if (slice_find(seen, '\n') < end)
		return ST_SYNTAX;
	if (end + 1 >= seen.len)
		return seen.len == V1_MAX ? ST_SYNTAX : ST_AGAIN;
	if (seen.ptr[end + 1] != '\n')
		return ST_SYNTAX;
	enum status st = v1_line(slice_head(seen, end), out);

	if (st == ST_OK)
		*in = slice_skip(*in, end + 2);
	return st;
}

static unsigned get_u16(const char *p)
{
	return (unsigned)(unsigned char)p[0] << 8 | (unsigned char)p[1];
}

/* type, length (2 octets), value (2.2.7); the TLVs of PP2_TYPE_SSL have the same form. */
static enum status v2_tlvs(struct slice rest, bool inner, struct proxy_header *out)
{
	while (rest.len > 0) {
		if (rest.len < 3 || rest.len - 3 < get_u16(rest.ptr + 1))
			return ST_SYNTAX;
		struct slice value = slice_of(rest.ptr + 3, get_u16(rest.ptr + 1));

		if (!inner && rest.ptr[0] == TLV_SSL) {
			if (value.len < SSL_FIXED ||
			    v2_tlvs(slice_skip(value, SSL_FIXED), true, out) != ST_OK)
				return ST_SYNTAX;
			out->tls = value.ptr[0] & SSL_CLIENT_USED_TLS;
		}
		rest = slice_skip(rest, 3 + value.len);
	}
	return ST_OK;
}

static enum status v2_addresses(struct slice *rest, bool ipv6, struct proxy_header *out)
{
	size_t size = ipv6 ? 16 : 4;
	int family = ipv6 ? AF_INET6 : AF_INET;
	const char *p = rest->ptr;

	if (rest->len < 2 * size + 4)
		return ST_SYNTAX;
	inet_ntop(family, p, out->source.ip, sizeof(out->source.ip));
	inet_ntop(family, p + size, out->destination.ip, sizeof(out->destination.ip));
	out->source.ipv6 = out->destination.ipv6 = ipv6;
	out->source.port = (unsigned short)get_u16(p + 2 * size);
	out->destination.port = (unsigned short)get_u16(p + 2 * size + 2);
	*rest = slice_skip(*rest, 2 * size + 4);
	return ST_OK;
}

static enum status v2_body(int command, int family, struct slice rest, struct proxy_header *out)
{
	/* LOCAL: the proxy's own check of our health; whatever follows is skipped (2.2). */
	if (command == V2_LOCAL) {
		out->local = true;
		return ST_OK;
	}
	if (family == V2_UNSPEC || family == V2_UNIX) {
		out->local = true;
		return ST_OK;
	}
	if (v2_addresses(&rest, family == V2_TCP6, out) != ST_OK)
		return ST_SYNTAX;
	return v2_tlvs(rest, false, out);
}

static bool v2_family_known(int family)
{
	return family == V2_UNSPEC || family == V2_TCP4 || family == V2_TCP6 || family == V2_UNIX;
}

static enum status v2_parse(struct slice *in, struct proxy_header *out)
{
	struct slice seen = *in;

	if (seen.len > 12 && seen.ptr[12] != V2_LOCAL && seen.ptr[12] != V2_PROXY)
		return ST_SYNTAX;
	if (seen.len > 13 && !v2_family_known(seen.ptr[13]))
		return ST_SYNTAX;
	if (seen.len < V2_HEAD)
		return ST_AGAIN;
	size_t length = get_u16(seen.ptr + 14);

	if (length > V2_MAX - V2_HEAD)
		return ST_SYNTAX;
	if (seen.len - V2_HEAD < length)
		return ST_AGAIN;
	enum status st = v2_body(seen.ptr[12], seen.ptr[13], slice_of(seen.ptr + V2_HEAD, length), out);

	if (st == ST_OK)
		*in = slice_skip(*in, V2_HEAD + length);
	return st;
}

enum status proxy_parse(struct slice *in, struct proxy_header *out)
{
	struct slice signature = slice_of(v2_signature, sizeof(v2_signature));

	*out = (struct proxy_header){ 0 };
	if (in->len == 0)
		return ST_AGAIN;
	if (same_start(*in, SLICE("PROXY ")))
		return in->len < 6 ? ST_AGAIN : v1_parse(in, out);
	if (same_start(*in, signature))
		return in->len < signature.len ? ST_AGAIN : v2_parse(in, out);
	return ST_SYNTAX;
}
