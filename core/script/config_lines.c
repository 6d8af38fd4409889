/* The scanner behind config_lines.h.  It understands Lua's tokens and just enough grammar to find
 * `return {`, `name.path = {` and `local name = {`; everything else is skipped token by token. */
#include "script/config_lines.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"

enum { DEPTH_MAX = 64, ALIAS_HOPS = 8 };

enum kind { TOKEN_END, TOKEN_NAME, TOKEN_STRING, TOKEN_NUMBER, TOKEN_SYMBOL };

struct token {
	enum kind    kind;
	struct slice text;                /* strings: without their quotes, escapes as written */
	unsigned     line;
};

struct config_lines {
	struct map lines;                 /* path -> line */
	struct map aliases;               /* path -> "@local" whose table stands there; heap */
};

struct scan {
	struct slice         in;
	unsigned             line;
	unsigned             depth;
	struct token         token;       /* the current one */
	struct config_lines *out;
	struct buf           path;
};

void config_lines_key(struct buf *path, struct slice key)
{
	bool plain = key.len > 0 && !isdigit((unsigned char)key.ptr[0]);

	for (size_t i = 0; i < key.len; i++)
		plain = plain && (isalnum((unsigned char)key.ptr[i]) || key.ptr[i] == '_');
	if (plain)
		(void)buf_printf(path, "%s%.*s", buf_len(path) ? "." : "", SLICE_ARG(key));
	else
		(void)buf_printf(path, "[\"%.*s\"]", SLICE_ARG(key));
}

void config_lines_index(struct buf *path, unsigned index)
{
	(void)buf_printf(path, "[%u]", index);
}

/* ---- tokens ---- */

static char at(const struct scan *s, size_t i)
{
	return i < s->in.len ? s->in.ptr[i] : '\0';
}

static void skip(struct scan *s, size_t n)
{
	for (size_t i = 0; i < n && i < s->in.len; i++)
		if (s->in.ptr[i] == '\n')
			s->line++;
	s->in = slice_skip(s->in, n);
}

/* Number of octets of a long bracket "[==[" at position i, or 0. */
static size_t long_open(const struct scan *s, size_t i)
{
	size_t n = i + 1;

	if (at(s, i) != '[')
		return 0;
	while (at(s, n) == '=')
		n++;
	return at(s, n) == '[' ? n + 1 - i : 0;
}

/* At a long bracket whose opening has `open` octets: skip it, return what stands inside. */
static struct slice take_long(struct scan *s, size_t open)
{
	skip(s, open);
	for (size_t i = 0; i < s->in.len; i++) {
		size_t n = 1;

		if (s->in.ptr[i] != ']')
			continue;
		while (n < open - 1 && at(s, i + n) == '=')
			n++;
		if (n == open - 1 && at(s, i + n) == ']') {
			struct slice inside = slice_head(s->in, i);

			skip(s, i + open);
			return inside;
		}
	}
	struct slice rest = s->in;

	skip(s, rest.len);
	return rest;
}

static struct slice take_quoted(struct scan *s)
{
	char quote = at(s, 0);
	size_t n = 1;

	while (n < s->in.len && at(s, n) != quote)
		n += at(s, n) == '\\' ? 2 : 1;
	struct slice inside = slice_skip(slice_head(s->in, n), 1);

	skip(s, n + 1);
	return inside;
}

static void skip_blank(struct scan *s)
{
	for (;;) {
		if (isspace((unsigned char)at(s, 0)) && s->in.len) {
			skip(s, 1);
		} else if (at(s, 0) == '-' && at(s, 1) == '-') {
			size_t open;

			skip(s, 2);
			open = long_open(s, 0);
			if (open)
				(void)take_long(s, open);
			else
				skip(s, slice_find(s->in, '\n'));
		} else {
			return;
		}
	}
}

static size_t symbol_length(const struct scan *s)
{
	static const char *const doubles[] = { "==", "~=", "<=", ">=", "..", "//", "::", "<<", ">>" };

	for (size_t i = 0; i < COUNT_OF(doubles); i++)
		if (slice_starts(s->in, slice_from(doubles[i])))
			return 2;
	return 1;
}

static void next(struct scan *s)
{
	skip_blank(s);
	struct token t = { .line = s->line };
	unsigned char c = (unsigned char)at(s, 0);
	size_t n = 0, open = long_open(s, 0);

	if (s->in.len == 0) {
		t.kind = TOKEN_END;
	} else if (c == '"' || c == '\'' || open) {
		t.kind = TOKEN_STRING;
		t.text = open ? take_long(s, open) : take_quoted(s);
	} else {
		if (isalnum(c) || c == '_') {
			t.kind = isdigit(c) ? TOKEN_NUMBER : TOKEN_NAME;
			while (isalnum((unsigned char)at(s, n)) || at(s, n) == '_' ||
			       (t.kind == TOKEN_NUMBER && at(s, n) == '.'))
				n++;
		} else {
			t.kind = TOKEN_SYMBOL;
			n = symbol_length(s);
		}
		t.text = slice_head(s->in, n);
		skip(s, n);
	}
	s->token = t;
}

static struct token peek(const struct scan *s)
{
	struct scan ahead = *s;

	next(&ahead);
	return ahead.token;
}

static bool token_is(const struct token *t, const char *text)
{
	return (t->kind == TOKEN_SYMBOL || t->kind == TOKEN_NAME) &&
	       slice_eq(t->text, slice_from(text));
}

static bool is(const struct scan *s, const char *text)
{
	return token_is(&s->token, text);
}

/* ---- the little grammar ---- */

static bool ends_value(const struct token *t)
{
	return t->kind == TOKEN_END || token_is(t, ",") || token_is(t, ";") || token_is(t, "}");
}

/* Up to the comma or brace that ends the field, over nested brackets and function bodies. */
static void skip_value(struct scan *s)
{
	unsigned nested = 0;

	while (s->token.kind != TOKEN_END && (nested || !ends_value(&s->token))) {
		if (is(s, "{") || is(s, "(") || is(s, "[") || is(s, "function") || is(s, "do") ||
		    is(s, "if") || is(s, "repeat"))
			nested++;
		else if (nested && (is(s, "}") || is(s, ")") || is(s, "]") || is(s, "end") ||
		                    is(s, "until")))
			nested--;
		next(s);
	}
}

static void note(struct scan *s, unsigned line)
{
	(void)map_put(&s->out->lines, buf_slice(&s->path), (void *)(uintptr_t)line);
}

static void note_alias(struct scan *s, struct slice name)
{
	free(map_put(&s->out->aliases, buf_slice(&s->path), mem_printf("@%.*s", SLICE_ARG(name))));
}

static void scan_table(struct scan *s);

static void scan_value(struct scan *s)
{
	struct token ahead;

	if (is(s, "{") && s->depth < DEPTH_MAX) {
		s->depth++;
		scan_table(s);
		s->depth--;
		return;
	}
	ahead = peek(s);
	if (s->token.kind == TOKEN_NAME && ends_value(&ahead))
		note_alias(s, s->token.text);
}

/* The key of one field, if it has a readable one; leaves the token behind "=". */
static void scan_field_key(struct scan *s, unsigned *index)
{
	struct token ahead = peek(s);

	if (s->token.kind == TOKEN_NAME && token_is(&ahead, "=")) {
		config_lines_key(&s->path, s->token.text);
		next(s);
		next(s);
	} else if (is(s, "[")) {
		next(s);
		uint64_t n;

		if (s->token.kind == TOKEN_NUMBER && slice_to_u64(s->token.text, &n) == ST_OK)
			config_lines_index(&s->path, (unsigned)n);
		else
			config_lines_key(&s->path, s->token.text);
		while (s->token.kind != TOKEN_END && !is(s, "="))
			next(s);
		next(s);
	} else {
		config_lines_index(&s->path, ++*index);
	}
}

static void scan_table(struct scan *s)
{
	unsigned index = 0;

	next(s);
	while (s->token.kind != TOKEN_END && !is(s, "}")) {
		size_t len = buf_len(&s->path);
		unsigned line = s->token.line;

		scan_field_key(s, &index);
		note(s, line);
		scan_value(s);
		skip_value(s);
		buf_truncate(&s->path, len);
		if (is(s, ",") || is(s, ";"))
			next(s);
	}
	next(s);
}

static bool local_known(const struct scan *s, struct slice name)
{
	char key[80];
	int n = snprintf(key, sizeof(key), "@%.*s", SLICE_ARG(name));

	return (size_t)n < sizeof(key) && map_get(&s->out->lines, slice_of(key, (size_t)n));
}

/* `name.path = value` at statement level; the token is the first name. */
static void scan_assignment(struct scan *s, bool local)
{
	unsigned line = s->token.line;

	buf_reset(&s->path);
	if (local || local_known(s, s->token.text))
		(void)buf_printf(&s->path, "@%.*s", SLICE_ARG(s->token.text));
	else
		config_lines_key(&s->path, s->token.text);
	next(s);
	while (is(s, ".")) {
		next(s);
		config_lines_key(&s->path, s->token.text);
		next(s);
	}
	if (!is(s, "="))
		return;
	next(s);
	note(s, line);
	scan_value(s);
}

static void scan_return(struct scan *s)
{
	buf_reset(&s->path);
	note(s, s->token.line);
	next(s);
	if (is(s, "{"))
		scan_table(s);
	else if (s->token.kind == TOKEN_NAME)
		note_alias(s, s->token.text);
}

struct config_lines *config_lines_scan(struct slice source)
{
	struct config_lines *l = MEM_NEW(struct config_lines);
	struct scan s = { .in = source, .line = 1, .out = l };

	map_init(&l->lines);
	map_init(&l->aliases);
	buf_init(&s.path, 4096);
	next(&s);
	while (s.token.kind != TOKEN_END) {
		bool local = is(&s, "local");

		if (local)
			next(&s);
		if (is(&s, "return"))
			scan_return(&s);
		else if (s.token.kind == TOKEN_NAME)
			scan_assignment(&s, local);
		else
			next(&s);
	}
	buf_free(&s.path);
	return l;
}

void config_lines_free(struct config_lines *l)
{
	if (!l)
		return;
	map_free(&l->lines, NULL);
	map_free(&l->aliases, free);
	free(l);
}

/* ---- looking up ---- */

/* Length of the path without its last field or position. */
static size_t parent(const char *path, size_t len)
{
	if (len == 0)
		return 0;
	if (len > 2 && path[len - 1] == ']' && path[len - 2] == '"') {
		for (size_t i = len - 2; i-- > 1;)
			if (path[i] == '"' && path[i - 1] == '[')
				return i - 1;
		return 0;
	}
	while (--len > 0)
		if (path[len] == '.' || path[len] == '[')
			return len;
	return 0;
}

/* Replace the longest prefix that stands for a local's table.  NULL when there is none. */
static char *follow(const struct config_lines *l, const char *path)
{
	for (size_t len = strlen(path);; len = parent(path, len)) {
		const char *local = map_get(&l->aliases, slice_of(path, len));

		if (local && path[len] && path[len] != '.' && path[len] != '[')
			return mem_printf("%s.%s", local, path + len);
		if (local)
			return mem_printf("%s%s", local, path + len);
		if (len == 0)
			return NULL;
	}
}

/* The line of the longest prefix that was seen; *exact: it was the whole path. */
static unsigned nearest(const struct config_lines *l, const char *path, size_t *matched)
{
	for (size_t len = strlen(path);; len = parent(path, len)) {
		uintptr_t line = (uintptr_t)map_get(&l->lines, slice_of(path, len));

		if (line || len == 0) {
			*matched = len;
			return line ? (unsigned)line : 1;
		}
	}
}

unsigned config_lines_find(const struct config_lines *l, const char *path)
{
	char *p = mem_strdup(path);
	size_t matched;
	unsigned line = nearest(l, p, &matched);

	for (unsigned hop = 0; hop < ALIAS_HOPS && matched < strlen(p); hop++) {
		char *other = follow(l, p);
		unsigned found;

		free(p);
		p = other;
		if (!p)
			break;
		found = nearest(l, p, &matched);
		if (matched)
			line = found;
	}
	free(p);
	return line;
}
