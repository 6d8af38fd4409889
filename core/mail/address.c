/* The grammar of paths and mailboxes, RFC 5321, 4.1.2 and 4.1.3, RFC 6531, 3.3.
 *
 * One thing that the grammar forbids is let through, because it is common and harmless: an
 * underscore in a domain name.  Everything else is refused: dots in a row, a trailing dot, spaces
 * outside quotes, controls, octets above 127 without ADDRESS_UTF8 or that are not UTF-8. */
#include "mail/address.h"

#include <arpa/inet.h>

#include "base/buf.h"
#include "mail/utf8.h"

enum { LABEL_MAX = 63 };

static bool letter_or_digit(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* atext (RFC 5322, 3.2.3) and UTF8-non-ascii. */
static bool atext(unsigned char c, bool utf8)
{
	return letter_or_digit(c) || (c > 127 && utf8) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* qtextSMTP = %d32-33 / %d35-91 / %d93-126, and UTF8-non-ascii. */
static bool qtext(unsigned char c, bool utf8)
{
	return (c >= 32 && c < 127 && c != '"' && c != '\\') || (c > 127 && utf8);
}

/* Dot-string = Atom *("." Atom).  Its length at the front of s; 0: there is none. */
static size_t dot_string(struct slice s, bool utf8)
{
	size_t n = 0;

	for (;;) {
		size_t from = n;

		while (n < s.len && atext((unsigned char)s.ptr[n], utf8))
			n++;
		if (n == from)
			return 0;
		if (n == s.len || s.ptr[n] != '.')
			return n;
		n++;
	}
}

/* Quoted-string with its quotes; plain becomes what it means. */
static size_t quoted_string(struct slice s, bool utf8, struct arena *a, struct slice *plain)
{
	char *out = arena_alloc(a, s.len + 1);
	size_t n = 0, i = 1;

	for (; i < s.len && s.ptr[i] != '"'; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c == '\\' && i + 1 < s.len) {
			c = (unsigned char)s.ptr[++i];
			if (c < 32 || c > 126)        /* quoted-pairSMTP = %d92 %d32-126 */
				return 0;
		} else if (!qtext(c, utf8)) {
			return 0;
		}
		out[n++] = (char)c;
	}
	*plain = slice_of(out, n);
	return i < s.len ? i + 1 : 0;
}

static size_t local_part(struct slice s, bool utf8, struct arena *a, struct slice *plain)
{
	if (s.len && s.ptr[0] == '"')
		return quoted_string(s, utf8, a, plain);
	size_t n = dot_string(s, utf8);

	*plain = slice_head(s, n);
	return n;
}

/* sub-domain = Let-dig [Ldh-str] / U-label.  Its length; 0: there is none. */
static size_t label(struct slice s, bool utf8)
{
	size_t n = 0, characters = 0;

	for (; n < s.len; n++) {
		unsigned char c = (unsigned char)s.ptr[n];

		if (!letter_or_digit(c) && c != '-' && c != '_' && !(c > 127 && utf8))
			break;
		characters += (c & 0xc0) != 0x80;
	}
	if (n == 0 || characters > LABEL_MAX || s.ptr[0] == '-' || s.ptr[n - 1] == '-')
		return 0;
	return n;
}

/* Domain = sub-domain *("." sub-domain). */
static size_t domain_name(struct slice s, bool utf8)
{
	size_t n = 0;

	for (;;) {
		size_t len = label(slice_skip(s, n), utf8);

		if (len == 0)
			return 0;
		n += len;
		if (n == s.len || s.ptr[n] != '.')
			return n;
		n++;
	}
}

static bool ip_valid(int family, struct slice s)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char octets[16];

	if (s.len >= sizeof(text) || memchr(s.ptr, '\0', s.len))
		return false;
	memcpy(text, s.ptr, s.len);
	text[s.len] = '\0';
	return inet_pton(family, text, octets) == 1;
}

/* Snum = 1*3DIGIT of 0 to 255: leading zeros are allowed here, unlike in inet_pton. */
static bool ipv4_valid(struct slice s)
{
	unsigned parts = 0;
	bool ended_with_dot = s.len && s.ptr[s.len - 1] == '.';
	struct slice part;
	uint64_t n;

	while (slice_cut(&s, '.', &part) == ST_OK) {
		if (part.len > 3 || slice_to_u64(part, &n) != ST_OK || n > 255)
			return false;
		parts++;
	}
	return parts == 4 && !ended_with_dot;
}

/* General-address-literal = Ldh-str ":" 1*dcontent, dcontent = %d33-90 / %d94-126. */
static bool general_literal(struct slice s)
{
	size_t colon = slice_find(s, ':');

	if (colon == 0 || colon + 1 >= s.len || s.ptr[colon - 1] == '-')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		bool ok = i < colon ? letter_or_digit(c) || c == '-'
		                    : c > 32 && c < 127 && c != '[' && c != '\\' && c != ']';

		if (!ok)
			return false;
	}
	return true;
}

/* "[" ... "]" (RFC 5321, 4.1.3).  Its length; 0: it is none. */
static size_t address_literal(struct slice s)
{
	size_t close = slice_find(s, ']');
	struct slice inside = slice_head(slice_skip(s, 1), close - 1);
	bool ok;

	if (close == s.len)
		return 0;
	if (slice_istarts(inside, SLICE("IPv6:")))
		ok = ip_valid(AF_INET6, slice_skip(inside, 5));
	else
		ok = ipv4_valid(inside) || general_literal(inside);
	return ok ? close + 1 : 0;
}

static size_t domain_or_literal(struct slice s, bool utf8)
{
	return s.len && s.ptr[0] == '[' ? address_literal(s) : domain_name(s, utf8);
}

/* A-d-l ":" = At-domain *("," At-domain) ":", understood and ignored (RFC 5321, 4.1.1.3 and
 * appendix C).  False: broken. */
static bool skip_source_route(struct slice *in, bool utf8)
{
	if (in->len == 0 || in->ptr[0] != '@')
		return true;
	for (;;) {
		if (in->len == 0 || in->ptr[0] != '@')
			return false;
		*in = slice_skip(*in, 1);
		size_t n = domain_or_literal(*in, utf8);

		*in = slice_skip(*in, n);
		if (n == 0 || in->len == 0)
			return false;
		char c = in->ptr[0];

		*in = slice_skip(*in, 1);
		if (c != ',')
			return c == ':';
	}
}

/* Local part "@" domain with the domain in lower case, in the arena. */
static void join(struct address_parts *p, struct slice domain, struct arena *a)
{
	char *whole = arena_alloc(a, p->localpart.len + domain.len + 2);
	size_t n = p->localpart.len;

	memcpy(whole, p->localpart.ptr, n);
	if (domain.len) {
		whole[n++] = '@';
		for (size_t i = 0; i < domain.len; i++)
			whole[n + i] = ascii_lower(domain.ptr[i]);
	}
	p->whole = slice_of(whole, n + domain.len);
	p->domain = slice_skip(p->whole, n);
	p->localpart = slice_head(p->whole, p->localpart.len);
}

static bool within_limits(const struct address_parts *p)
{
	return p->localpart.len <= ADDRESS_LOCALPART_MAX && p->domain.len <= ADDRESS_DOMAIN_MAX &&
	       p->whole.len + 2 <= ADDRESS_PATH_MAX;
}

/* Mailbox = Local-part "@" (Domain / address-literal) off the front of *in. */
static enum status take_mailbox(struct slice *in, unsigned flags, struct arena *a,
                                struct address_parts *out)
{
	bool utf8 = flags & ADDRESS_UTF8;
	size_t local = local_part(*in, utf8, a, &out->plain);

	if (local == 0)
		return ST_SYNTAX;
	out->localpart = slice_head(*in, local);
	*in = slice_skip(*in, local);
	struct slice domain = SLICE_NONE;

	if (in->len && in->ptr[0] == '@') {
		*in = slice_skip(*in, 1);
		domain = slice_head(*in, domain_or_literal(*in, utf8));
		if (domain.len == 0)
			return ST_SYNTAX;
		*in = slice_skip(*in, domain.len);
	} else if (!(flags & ADDRESS_NO_DOMAIN_OK && slice_ieq(out->localpart, SLICE("postmaster")))) {
		return ST_SYNTAX;
	}
	if (!utf8_valid(out->localpart) || !utf8_valid(domain))
		return ST_SYNTAX;
	out->literal = domain.len && domain.ptr[0] == '[';
	out->utf8 = !utf8_ascii(out->localpart) || !utf8_ascii(domain);
	join(out, domain, a);
	return within_limits(out) ? ST_OK : ST_TOOBIG;
}

enum status address_parse_path(struct slice *in, unsigned flags, struct arena *a,
                               struct address_parts *out)
{
	struct slice rest = *in;

	*out = (struct address_parts){ 0 };
	if (rest.len < 2 || rest.ptr[0] != '<')
		return ST_SYNTAX;
	rest = slice_skip(rest, 1);
	if (rest.ptr[0] == '>' && flags & ADDRESS_EMPTY_OK) {
		*in = slice_skip(rest, 1);
		return ST_OK;
	}
	if (!skip_source_route(&rest, flags & ADDRESS_UTF8))
		return ST_SYNTAX;
	enum status st = take_mailbox(&rest, flags, a, out);

	if (st == ST_SYNTAX || rest.len == 0 || rest.ptr[0] != '>')
		return ST_SYNTAX;
	rest = slice_skip(rest, 1);
	if (in->len - rest.len > ADDRESS_PATH_MAX)
		st = ST_TOOBIG;
	if (st == ST_OK)
		*in = rest;
	return st;
}

enum status address_parse_mailbox(struct slice in, unsigned flags, struct arena *a,
                                  struct address_parts *out)
{
	*out = (struct address_parts){ 0 };
	if (in.len == 0)
		return flags & ADDRESS_EMPTY_OK ? ST_OK : ST_SYNTAX;
	enum status st = take_mailbox(&in, flags, a, out);

	return st == ST_OK && in.len ? ST_SYNTAX : st;
}

enum status address_check_domain(struct slice in, bool utf8)
{
	if (in.len > ADDRESS_DOMAIN_MAX || !utf8_valid(in))
		return ST_SYNTAX;
	return in.len && domain_or_literal(in, utf8) == in.len ? ST_OK : ST_SYNTAX;
}

struct slice address_canonical(const struct address_parts *p, struct arena *a)
{
	char *out = arena_alloc(a, p->plain.len + p->domain.len + 2);
	size_t n = p->plain.len;

	for (size_t i = 0; i < n; i++)
		out[i] = ascii_lower(p->plain.ptr[i]);
	if (p->domain.len) {
		out[n++] = '@';
		memcpy(out + n, p->domain.ptr, p->domain.len);
	}
	return slice_of(out, n + p->domain.len);
}

void address_split_detail(struct slice plain, char delimiter, struct slice *user, struct slice *detail)
{
	size_t at = delimiter ? slice_find(plain, delimiter) : plain.len;

	if (at == 0)                                  /* "+x" is a user of that name */
		at = plain.len;
	*user = slice_head(plain, at);
	*detail = slice_skip(plain, at + 1);
}
