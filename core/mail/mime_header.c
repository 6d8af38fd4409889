/* Parameters of MIME header fields: cut into pieces first, then pieces of one name put together. */
#include "mail/mime_header.h"

#include "mail/words.h"

struct piece {
	struct slice name;               /* without "*", number and "*" */
	struct slice value;
	int          number;             /* of a continuation, or -1 */
	bool         encoded;            /* percent-encoded */
};

/* Blanks, line ends and comments (RFC 5322, 3.2.2). */
static struct slice skip_space(struct slice s)
{
	unsigned depth = 0;
	size_t i = 0;

	for (; i < s.len; i++) {
		char c = s.ptr[i];

		if (c == '(')
			depth++;
		else if (c == ')' && depth)
			depth--;
		else if (c == '\\' && depth)
			i++;
		else if (!depth && c != ' ' && c != '\t' && c != '\r' && c != '\n')
			break;
	}
	return slice_skip(s, i);
}

/* A token, more or less: up to what separates. */
static struct slice take_token(struct slice *in, const char *stops)
{
	size_t i = 0;

	while (i < in->len && in->ptr[i] && !strchr(stops, in->ptr[i]))
		i++;
	struct slice token = slice_head(*in, i);

	*in = slice_skip(*in, i);
	return token;
}

/* quoted-string (RFC 5322, 3.2.4) without its quotes; *in stands behind the first one. */
static struct slice take_quoted(struct slice *in, struct arena *a)
{
	size_t end = 0, i = 0, n = 0;

	while (end < in->len && in->ptr[end] != '"')
		end += in->ptr[end] == '\\' ? 2 : 1;
	char *out = arena_alloc(a, (end < in->len ? end : in->len) + 1);

	for (; i < in->len && in->ptr[i] != '"'; i++) {
		if (in->ptr[i] == '\r' || in->ptr[i] == '\n')
			continue;
		if (in->ptr[i] == '\\' && i + 1 < in->len)
			i++;
		out[n++] = in->ptr[i];
	}
	*in = slice_skip(*in, i + 1);
	return slice_of(out, n);
}

static struct slice lower(struct slice s, struct arena *a)
{
	char *out = arena_strdup(a, s);

	for (size_t i = 0; i < s.len; i++)
		out[i] = ascii_lower(out[i]);
	return slice_of(out, s.len);
}

/* attribute [ "*" number ] [ "*" ]  (RFC 2231, 7) */
static void read_name(struct slice raw, struct arena *a, struct piece *p)
{
	size_t star = slice_find(raw, '*');
	struct slice rest = slice_skip(raw, star + 1);
	uint64_t number;

	p->name = lower(slice_head(raw, star), a);
	p->number = -1;
	p->encoded = star < raw.len && (rest.len == 0 || rest.ptr[rest.len - 1] == '*');
	if (p->encoded && rest.len)
		rest.len--;
	if (rest.len && slice_to_u64(rest, &number) == ST_OK && number < MIME_HEADER_PARAMS)
		p->number = (int)number;
}

static bool take_piece(struct slice *in, struct arena *a, struct piece *p)
{
	for (*in = skip_space(*in); in->len && in->ptr[0] == ';'; *in = skip_space(*in))
		*in = slice_skip(*in, 1);
	if (!in->len)
		return false;
	read_name(take_token(in, " \t\r\n=;\"("), a, p);
	*in = skip_space(*in);
	if (!in->len || in->ptr[0] != '=') {
		(void)take_token(in, ";");            /* no parameter: skipped */
		p->name = SLICE_NONE;
		return true;
	}
	*in = skip_space(slice_skip(*in, 1));
	if (in->len && in->ptr[0] == '"') {
		*in = slice_skip(*in, 1);
		p->value = take_quoted(in, a);
	} else {
		p->value = take_token(in, " \t\r\n;");
	}
	*in = skip_space(*in);
	(void)take_token(in, ";");
	return true;
}

/* ---- pieces of one name ---- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void append_percent(struct slice in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		int high = in.ptr[i] == '%' && i + 2 < in.len ? hex(in.ptr[i + 1]) : -1;
		int low = high >= 0 ? hex(in.ptr[i + 2]) : -1;

		(void)buf_append_byte(out, low >= 0 ? (char)(high << 4 | low) : in.ptr[i]);
		i += low >= 0 ? 2 : 0;
	}
}

/* charset "'" language "'" in front of the first encoded piece. */
static struct slice take_charset(struct slice *value)
{
	struct slice rest = *value, charset, language;

	if (slice_find(rest, '\'') == rest.len)
		return SLICE("");
	(void)slice_cut(&rest, '\'', &charset);
	if (slice_find(rest, '\'') == rest.len)
		return SLICE("");
	(void)slice_cut(&rest, '\'', &language);
	*value = rest;
	return charset;
}

/* Encoded words are not allowed in parameters and are everywhere (RFC 2047, 5). */
static void append_value(struct slice octets, struct slice charset, struct buf *out)
{
	if (charset.ptr && words_convert(octets, charset, out) == ST_OK)
		return;
	if (charset.ptr || words_decode(octets, out) != ST_OK) {
		buf_reset(out);
		(void)buf_append(out, octets);
	}
}

static const struct piece *find_piece(const struct piece *pieces, unsigned count, struct slice name,
                                      int number)
{
	for (unsigned i = 0; i < count; i++)
		if (pieces[i].number == number && slice_eq(pieces[i].name, name))
			return &pieces[i];
	return NULL;
}

/* All pieces of the name of pieces[first] as one value. */
static struct slice join(const struct piece *pieces, unsigned count, unsigned first, struct arena *a)
{
	const struct piece *p = &pieces[first];
	struct slice charset = SLICE_NONE, joined;
	struct buf raw, out;
	int number = p->number < 0 ? -1 : 0;

	buf_init(&raw, MIME_HEADER_VALUE);
	buf_init(&out, 2 * MIME_HEADER_VALUE);
	if (number == 0)
		p = find_piece(pieces, count, p->name, 0);
	for (; p; p = find_piece(pieces, count, p->name, ++number)) {
		struct slice value = p->value;

		if (p->encoded && !charset.ptr)
			charset = take_charset(&value);
		if (p->encoded)
			append_percent(value, &raw);
		else
			(void)buf_append(&raw, value);
		if (number < 0)
			break;
	}
	append_value(buf_slice(&raw), charset, &out);
	joined = arena_copy(a, buf_slice(&out));
	buf_free(&raw);
	buf_free(&out);
	return joined;
}

/* "name*=" goes before "name=", which is there for readers that know the latter alone. */
static bool superseded(const struct piece *pieces, unsigned count, unsigned i)
{
	for (unsigned k = 0; k < count; k++) {
		if (!slice_eq(pieces[k].name, pieces[i].name))
			continue;
		if (k < i && (pieces[k].number >= 0) == (pieces[i].number >= 0) &&
		    pieces[k].encoded >= pieces[i].encoded)
			return true;
		if (k < i && pieces[i].number >= 0 && pieces[k].number >= 0)
			return true;
		if (pieces[i].number < 0 && !pieces[i].encoded &&
		    (pieces[k].number >= 0 || pieces[k].encoded))
			return true;
	}
	return false;
}

void mime_header_parse(struct slice value, struct arena *a, struct slice *main,
                       struct mime_param **params)
{
	struct piece pieces[MIME_HEADER_PARAMS];
	unsigned count = 0, tried = 0;

	value = skip_space(value);
	*main = lower(take_token(&value, " \t\r\n;("), a);
	while (tried++ < MIME_HEADER_PARAMS && take_piece(&value, a, &pieces[count]))
		count += pieces[count].name.len > 0 && pieces[count].value.len <= MIME_HEADER_VALUE;
	for (unsigned i = 0; i < count; i++) {
		struct mime_param *p;

		if (superseded(pieces, count, i))
			continue;
		p = arena_alloc(a, sizeof(*p));
		p->name = pieces[i].name;
		p->value = join(pieces, count, i, a);
		*params = p;
		params = &p->next;
	}
	*params = NULL;
}

struct slice mime_header_param(const struct mime_param *params, const char *name)
{
	for (; params; params = params->next)
		if (slice_eq(params->name, slice_from(name)))
			return params->value;
	return SLICE_NONE;
}
