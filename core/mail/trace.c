/* Writing trace header fields. */
#include "mail/trace.h"

#include "mail/date.h"

enum { FOLD_AT = 78 };

const char *trace_protocol(bool esmtp, bool tls, bool authenticated, bool smtputf8)
{
	/* RFC 3848 and RFC 6531, 4.3; index: tls, authenticated. */
	static const char *const plain[] = { "ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA" };
	static const char *const utf8[] = { "UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA" };
	unsigned index = (tls ? 2u : 0u) + (authenticated ? 1u : 0u);

	if (smtputf8)
		return utf8[index];
	return esmtp ? plain[index] : "SMTP";
}

/* A header field in the making: words are put on the line while they fit. */
struct field {
	struct buf *out;
	size_t      line_start;
	bool        utf8;
};

/* Peer-chosen text inside a field: nothing that could end a line, open a comment or quote. */
static bool harmless(const struct field *f, unsigned char c)
{
	switch (c) {
	case '(': case ')': case '<': case '>': case '"': case '\\': case ';': case ',':
		return false;
	default:
		return c > 32 && c != 127 && (c < 127 || f->utf8);
	}
}

static void put_clean(struct field *f, struct slice text)
{
	while (text.len) {
		size_t n = 0;

		while (n < text.len && harmless(f, (unsigned char)text.ptr[n]))
			n++;
		(void)buf_append(f->out, slice_head(text, n));
		if (n < text.len)
			(void)buf_append_byte(f->out, '?');
		text = slice_skip(text, n + 1);
	}
}

static void fold_for(struct field *f, size_t len)
{
	size_t column = buf_len(f->out) - f->line_start;

	if (column + 1 + len > FOLD_AT) {
		(void)buf_append(f->out, SLICE("\r\n\t"));
		f->line_start = buf_len(f->out) - 1;
	} else {
		(void)buf_append_byte(f->out, ' ');
	}
}

/* before text after, never broken inside. */
static void put(struct field *f, const char *before, struct slice text, const char *after)
{
	fold_for(f, strlen(before) + text.len + strlen(after));
	(void)buf_append(f->out, slice_from(before));
	put_clean(f, text);
	(void)buf_append(f->out, slice_from(after));
}

/* address-literal of RFC 5321, 4.1.3 in parentheses, as TCP-info wants it. */
static void put_ip(struct field *f, struct slice ip, const char *before, const char *after)
{
	char open[16] = "";

	strcat(open, before);
	strcat(open, slice_find(ip, ':') < ip.len ? "[IPv6:" : "[");
	put(f, open, ip, after);
}

/* "(TLSv1.3 TLS_AES_256_GCM_SHA384)": our own words, spaces allowed. */
static void put_tls(struct field *f, struct slice tls)
{
	fold_for(f, tls.len + 2);
	(void)buf_printf(f->out, "(%.*s)", SLICE_ARG(tls));
}

/* A mailbox may be quoted: it was parsed, so it stands as it is. */
static void put_recipient(struct field *f, struct slice recipient)
{
	fold_for(f, recipient.len + 7);
	(void)buf_printf(f->out, "for <%.*s>;", SLICE_ARG(recipient));
}

void trace_received(const struct trace *t, struct buf *out)
{
	struct field f = { out, buf_len(out), t->protocol && strncmp(t->protocol, "UTF8", 4) == 0 };
	char date[DATE_SIZE];

	(void)buf_append(out, SLICE("Received:"));
	if (t->helo.len && t->helo.ptr[0] != '[')
		put(&f, "from ", t->helo, "");
	else
		put_ip(&f, t->remote_ip, "from ", "]");
	if (t->remote_name.len)
		put(&f, "(", t->remote_name, "");
	put_ip(&f, t->remote_ip, t->remote_name.len ? "" : "(", "])");
	put(&f, "by ", t->hostname, "");
	put(&f, "with ", slice_from(t->protocol), "");
	if (t->tls.len)
		put_tls(&f, t->tls);
	put(&f, "id ", t->id, t->recipient.len ? "" : ";");
	if (t->recipient.len)
		put_recipient(&f, t->recipient);
	date_format(t->when, date);
	fold_for(&f, strlen(date));
	(void)buf_append(out, slice_from(date));
	(void)buf_append(out, SLICE("\r\n"));
}

void trace_return_path(struct slice reverse_path, struct buf *out)
{
	(void)buf_printf(out, "Return-Path: <%.*s>\r\n", SLICE_ARG(reverse_path));
}
