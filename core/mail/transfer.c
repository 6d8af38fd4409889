/* base64 and quoted-printable of message bodies, octet by octet. */
#include "mail/transfer.h"

enum { BLANKS_MAX = 1000 };          /* a longer run is text, whatever follows */

enum transfer_encoding transfer_by_name(struct slice name)
{
	if (slice_ieq(name, SLICE("base64")))
		return TRANSFER_BASE64;
	return slice_ieq(name, SLICE("quoted-printable")) ? TRANSFER_QUOTED_PRINTABLE : TRANSFER_IDENTITY;
}

void transfer_init(struct transfer *t, enum transfer_encoding encoding)
{
	*t = (struct transfer){ .encoding = encoding };
	buf_init(&t->blanks, BLANKS_MAX);
}

void transfer_clear(struct transfer *t)
{
	buf_free(&t->blanks);
}

/* ---- base64 ---- */

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The octets that are complete; six bits left over are none. */
static enum status flush_digits(struct transfer *t, struct buf *out)
{
	char octets[3];
	unsigned count = t->digits * 6 / 8;
	uint32_t bits = t->bits << (4 - t->digits) * 6;

	octets[0] = (char)(bits >> 16);
	octets[1] = (char)(bits >> 8);
	octets[2] = (char)bits;
	t->bits = t->digits = 0;
	return buf_append(out, slice_of(octets, count));
}

/* Whatever is no digit is skipped (RFC 2045, 6.8); "=" ends a quantum, and another may follow. */
static enum status decode_base64(struct transfer *t, struct slice in, struct buf *out)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < in.len && st == ST_OK; i++) {
		int value = digit(in.ptr[i]);

		if (value >= 0) {
			t->bits = t->bits << 6 | (uint32_t)value;
			t->digits++;
		}
		if (t->digits == 4 || (t->digits && in.ptr[i] == '='))
			st = flush_digits(t, out);
	}
	return st;
}

/* ---- quoted-printable ---- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum status flush_blanks(struct transfer *t, struct buf *out)
{
	enum status st = buf_append(out, buf_slice(&t->blanks));

	buf_reset(&t->blanks);
	return st;
}

static enum status flush_held(struct transfer *t, struct buf *out)
{
	enum status st = buf_append(out, slice_of(t->held, t->held_count));

	t->held_count = 0;
	return st;
}

static enum status plain_octet(struct transfer *t, char c, struct buf *out)
{
	enum status st;

	if ((c == ' ' || c == '\t') && buf_append_byte(&t->blanks, c) == ST_OK)
		return ST_OK;
	if (c == '\r' || c == '\n')
		buf_reset(&t->blanks);            /* added on the way (RFC 2045, 6.7, rule 3) */
	st = flush_blanks(t, out);
	if (st != ST_OK)
		return st;
	if (c != '=')
		return buf_append_byte(out, c);
	t->held[t->held_count++] = c;
	return ST_OK;
}

/* An octet behind "=": two digits are an octet, a line end is none (rules 1 and 5), all else is
 * text that somebody forgot to encode. */
static enum status held_octet(struct transfer *t, char c, struct buf *out)
{
	bool second = t->held_count == 2;

	if (second && t->held[1] == '\r') {
		t->held_count = 0;
		return c == '\n' ? ST_OK : plain_octet(t, c, out);
	}
	if (second && hex(c) >= 0) {
		t->held_count = 0;
		return buf_append_byte(out, (char)((unsigned)hex(t->held[1]) << 4 | (unsigned)hex(c)));
	}
	if (!second && (hex(c) >= 0 || c == '\r')) {
		t->held[t->held_count++] = c;
		return ST_OK;
	}
	if (!second && (c == ' ' || c == '\t'))
		return ST_OK;                     /* padding between "=" and the line end */
	if (!second && c == '\n') {
		t->held_count = 0;
		return ST_OK;
	}
	enum status st = flush_held(t, out);

	return st == ST_OK ? plain_octet(t, c, out) : st;
}

static enum status decode_quoted(struct transfer *t, struct slice in, struct buf *out)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < in.len && st == ST_OK; i++)
		st = t->held_count ? held_octet(t, in.ptr[i], out) : plain_octet(t, in.ptr[i], out);
	return st;
}

enum status transfer_decode(struct transfer *t, struct slice in, struct buf *out)
{
	switch (t->encoding) {
	case TRANSFER_BASE64:
		return decode_base64(t, in, out);
	case TRANSFER_QUOTED_PRINTABLE:
		return decode_quoted(t, in, out);
	case TRANSFER_IDENTITY:
		break;
	}
	return buf_append(out, in);
}

enum status transfer_finish(struct transfer *t, struct buf *out)
{
	enum status st = ST_OK;

	if (t->encoding == TRANSFER_BASE64 && t->digits)
		st = flush_digits(t, out);
	else if (t->encoding == TRANSFER_QUOTED_PRINTABLE && t->held_count && t->held[t->held_count - 1] != '\r')
		st = t->held_count == 1 ? ST_OK : flush_held(t, out);
	t->held_count = 0;
	buf_reset(&t->blanks);
	return st;
}
