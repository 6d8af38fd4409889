/* Patterns are compiled to a list of nodes; matching backtracks over the nodes and counts steps.
 * The grammar is that of the Lua 5.4 reference manual, 6.4.1. */
#include "script/pattern.h"

#include <ctype.h>
#include <string.h>

#include <lauxlib.h>

enum { NODES_MAX = 2000, POSITION = -2, UNFINISHED = -1 };

enum node_kind { NODE_SET, NODE_OPEN, NODE_POSITION, NODE_CLOSE, NODE_BALANCE, NODE_FRONTIER,
                 NODE_BACK, NODE_END, NODE_MATCH };

struct node {
	unsigned char kind;
	char          repeat;             /* SET: '*', '+', '-', '?' or 0 */
	unsigned char a, b;               /* BALANCE: its ends; OPEN, CLOSE, BACK: capture number in a */
	uint32_t      set[8];             /* a bit per octet */
};

struct pattern {
	bool        anchored;
	unsigned    count;
	struct node nodes[];
};

struct compiler {
	lua_State   *L;
	struct slice in;
	struct pattern *out;
	unsigned     captures;
	bool         closed[PATTERN_CAPTURES_MAX];
};

bool pattern_anchored(const struct pattern *p)
{
	return p->anchored;
}

/* ---- compiling ---- */

static void set_add(struct node *n, unsigned char c)
{
	n->set[c >> 5] |= 1u << (c & 31);
}

static bool set_has(const struct node *n, char c)
{
	unsigned char u = (unsigned char)c;

	return n->set[u >> 5] >> (u & 31) & 1;
}

static int is_zero(int c)
{
	return c == 0;
}

/* The octets of %a, %d ...; upper case is the complement; another character is itself. */
static void set_add_class(struct node *n, char class)
{
	static const struct { char name; int (*in)(int c); } classes[] = {
		{ 'a', isalpha }, { 'c', iscntrl }, { 'd', isdigit }, { 'g', isgraph }, { 'l', islower },
		{ 'p', ispunct }, { 's', isspace }, { 'u', isupper }, { 'w', isalnum }, { 'x', isxdigit },
		{ 'z', is_zero },
	};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (classes[i].name != ascii_lower(class))
			continue;
		for (int c = 0; c < 256; c++)
			if ((classes[i].in(c) != 0) == (class == classes[i].name))
				set_add(n, (unsigned char)c);
		return;
	}
	set_add(n, (unsigned char)class);
}

static char take(struct compiler *c)
{
	char octet = c->in.ptr[0];

	c->in = slice_skip(c->in, 1);
	return octet;
}

static char take_escaped(struct compiler *c)
{
	if (c->in.len == 0)
		luaL_error(c->L, "malformed pattern (ends with '%%')");
	return take(c);
}

/* Behind "[": up to and with "]". */
static void read_set(struct compiler *c, struct node *n)
{
	bool complement = c->in.len && c->in.ptr[0] == '^', first = true;

	if (complement)
		(void)take(c);
	for (;; first = false) {
		if (c->in.len == 0)
			luaL_error(c->L, "malformed pattern (missing ']')");
		char x = take(c);

		if (x == ']' && !first)
			break;
		if (x == '%') {
			set_add_class(n, take_escaped(c));
		} else if (c->in.len > 1 && c->in.ptr[0] == '-' && c->in.ptr[1] != ']') {
			(void)take(c);
			unsigned char last = (unsigned char)take(c);

			for (unsigned k = (unsigned char)x; k <= last; k++)
				set_add(n, (unsigned char)k);
		} else {
			set_add(n, (unsigned char)x);
		}
	}
	for (unsigned i = 0; complement && i < 8; i++)
		n->set[i] = ~n->set[i];
}

static void read_close(struct compiler *c, struct node *n)
{
	n->kind = NODE_CLOSE;
	for (unsigned i = c->captures; i-- > 0;) {
		if (!c->closed[i]) {
			c->closed[i] = true;
			n->a = (unsigned char)i;
			return;
		}
	}
	luaL_error(c->L, "invalid pattern capture");
}

static void read_open(struct compiler *c, struct node *n)
{
	if (c->captures == PATTERN_CAPTURES_MAX)
		luaL_error(c->L, "too many captures");
	n->kind = NODE_OPEN;
	n->a = (unsigned char)c->captures;
	if (c->in.len && c->in.ptr[0] == ')') {
		(void)take(c);
		n->kind = NODE_POSITION;
		c->closed[c->captures] = true;
	}
	c->captures++;
}

static void read_repeat(struct compiler *c, struct node *n)
{
	if (c->in.len && strchr("*+-?", c->in.ptr[0]) && c->in.ptr[0])
		n->repeat = take(c);
}

/* Behind "%". */
static void read_escape(struct compiler *c, struct node *n)
{
	char x = take_escaped(c);

	if (x == 'b') {
		if (c->in.len < 2)
			luaL_error(c->L, "malformed pattern (missing arguments to '%%b')");
		n->kind = NODE_BALANCE;
		n->a = (unsigned char)take(c);
		n->b = (unsigned char)take(c);
	} else if (x == 'f') {
		if (c->in.len == 0 || take(c) != '[')
			luaL_error(c->L, "missing '[' after '%%f' in pattern");
		n->kind = NODE_FRONTIER;
		read_set(c, n);
	} else if (isdigit((unsigned char)x)) {
		n->kind = NODE_BACK;
		n->a = (unsigned char)(x - '1');
		if (x == '0' || n->a >= c->captures || !c->closed[n->a])
			luaL_error(c->L, "invalid capture index %%%d in pattern", x - '0');
	} else {
		set_add_class(n, x);
		read_repeat(c, n);
	}
}

static void read_node(struct compiler *c, struct node *n)
{
	char x = take(c);

	memset(n, 0, sizeof(*n));
	if (x == '(') {
		read_open(c, n);
	} else if (x == ')') {
		read_close(c, n);
	} else if (x == '$' && c->in.len == 0) {
		n->kind = NODE_END;
	} else if (x == '%') {
		read_escape(c, n);
	} else {
		if (x == '.')
			memset(n->set, 0xff, sizeof(n->set));
		else if (x == '[')
			read_set(c, n);
		else
			set_add(n, (unsigned char)x);
		read_repeat(c, n);
	}
}

const struct pattern *pattern_compile(lua_State *L, struct slice text, bool anchor)
{
	struct compiler c = { .L = L, .in = text };

	if (text.len > NODES_MAX)
		luaL_error(L, "the pattern is longer than %d octets", NODES_MAX);
	c.out = lua_newuserdatauv(L, sizeof(*c.out) + (text.len + 1) * sizeof(struct node), 0);
	c.out->anchored = anchor && text.len && text.ptr[0] == '^';
	c.out->count = 0;
	if (c.out->anchored)
		(void)take(&c);
	while (c.in.len)
		read_node(&c, &c.out->nodes[c.out->count++]);
	for (unsigned i = 0; i < c.captures; i++)
		if (!c.closed[i])
			luaL_error(L, "unfinished capture");
	c.out->nodes[c.out->count].kind = NODE_MATCH;
	return c.out;
}

/* ---- matching ---- */

static const char *run(struct pattern_match *m, const struct node *n, const char *at);

static void step(struct pattern_match *m, size_t steps)
{
	m->steps += (unsigned)(steps < PATTERN_STEPS_MAX ? steps : PATTERN_STEPS_MAX);
	if (m->steps > PATTERN_STEPS_MAX)
		luaL_error(m->L, "the pattern takes too long on a text of %d octets: anchor it with ^, use "
		           "fewer of * + -, or look at less text", (int)m->text.len);
}

static const char *end_of(const struct pattern_match *m)
{
	return m->text.ptr + m->text.len;
}

static const char *run_greedy(struct pattern_match *m, const struct node *n, const char *at,
                              size_t least)
{
	size_t count = 0, room = (size_t)(end_of(m) - at);

	while (count < room && set_has(n, at[count]))
		count++;
	step(m, count + 1);
	for (;; count--) {
		if (count < least)
			return NULL;
		const char *end = run(m, n + 1, at + count);

		if (end)
			return end;
		step(m, 1);
		if (count == 0)
			return NULL;
	}
}

__attribute__((nonnull))
static const char *run_lazy(struct pattern_match *m, const struct node *n, const char *at)
{
	for (;;) {
		const char *end = run(m, n + 1, at);

		if (end)
			return end;
		step(m, 1);
		if (at == end_of(m) || !set_has(n, *at))
			return NULL;
		at++;
	}
}

static const char *run_balance(struct pattern_match *m, const struct node *n, const char *at)
{
	size_t depth = 1;

	if (at == end_of(m) || (unsigned char)*at != n->a)
		return NULL;
	for (const char *s = at + 1; s < end_of(m); s++) {
		if ((unsigned char)*s == n->b) {
			if (--depth == 0) {
				step(m, (size_t)(s - at));
				return s + 1;
			}
		} else if ((unsigned char)*s == n->a) {
			depth++;
		}
	}
	step(m, (size_t)(end_of(m) - at));
	return NULL;
}

/* A capture set while the rest is tried is taken back when the rest does not match. */
static const char *run_capture(struct pattern_match *m, const struct node *n, const char *at)
{
	unsigned count = m->count;
	ptrdiff_t len = n->kind == NODE_CLOSE ? m->captures[n->a].len : 0;
	const char *end;

	if (n->kind == NODE_CLOSE) {
		m->captures[n->a].len = at - m->captures[n->a].start;
	} else {
		m->captures[n->a].start = at;
		m->captures[n->a].len = n->kind == NODE_POSITION ? POSITION : UNFINISHED;
		m->count = n->a + 1u;
	}
	end = run(m, n + 1, at);
	if (!end && n->kind == NODE_CLOSE)
		m->captures[n->a].len = len;
	if (!end)
		m->count = count;
	return end;
}

static const char *run_back(struct pattern_match *m, const struct node *n, const char *at)
{
	size_t len = (size_t)m->captures[n->a].len;

	if (m->captures[n->a].len == POSITION)
		return NULL;                      /* a position is no text to be found again */
	step(m, len);
	if ((size_t)(end_of(m) - at) < len || memcmp(m->captures[n->a].start, at, len) != 0)
		return NULL;
	return at + len;
}

static bool at_frontier(const struct pattern_match *m, const struct node *n, const char *at)
{
	char before = at == m->text.ptr ? '\0' : at[-1], here = at == end_of(m) ? '\0' : *at;

	return !set_has(n, before) && set_has(n, here);
}

static const char *run_repeat(struct pattern_match *m, const struct node *n, const char *at)
{
	bool fits = at < end_of(m) && set_has(n, *at);

	if (n->repeat == '-')
		return run_lazy(m, n, at);
	if (n->repeat != '?')
		return run_greedy(m, n, at, n->repeat == '+');
	const char *end = fits ? run(m, n + 1, at + 1) : NULL;

	return end ? end : run(m, n + 1, at);
}

/* Nodes that match one way only are walked in a loop; the others recurse, at most once a node. */
static const char *run(struct pattern_match *m, const struct node *n, const char *at)
{
	for (;; n++) {
		step(m, 1);
		switch ((enum node_kind)n->kind) {
		case NODE_MATCH:
			return at;
		case NODE_END:
			return at == end_of(m) ? at : NULL;
		case NODE_OPEN: case NODE_POSITION: case NODE_CLOSE:
			return run_capture(m, n, at);
		case NODE_FRONTIER:
			if (!at_frontier(m, n, at))
				return NULL;
			break;
		case NODE_BALANCE:
			at = run_balance(m, n, at);
			break;
		case NODE_BACK:
			at = run_back(m, n, at);
			break;
		case NODE_SET:
			if (n->repeat)
				return run_repeat(m, n, at);
			at = at < end_of(m) && set_has(n, *at) ? at + 1 : NULL;
			break;
		}
		if (!at)
			return NULL;
	}
}

const char *pattern_run(struct pattern_match *m, const char *at)
{
	m->count = 0;
	return run(m, m->pattern->nodes, at);
}

void pattern_push(struct pattern_match *m, unsigned i, const char *from, const char *to)
{
	if (i >= m->count) {
		if (i > 0)
			luaL_error(m->L, "invalid capture index %%%d", (int)i + 1);
		lua_pushlstring(m->L, from, (size_t)(to - from));
	} else if (m->captures[i].len == POSITION) {
		lua_pushinteger(m->L, m->captures[i].start - m->text.ptr + 1);
	} else {
		lua_pushlstring(m->L, m->captures[i].start, (size_t)m->captures[i].len);
	}
}

int pattern_push_all(struct pattern_match *m, const char *from, const char *to, bool whole)
{
	unsigned count = m->count == 0 && whole ? 1 : m->count;

	luaL_checkstack(m->L, (int)count, "too many captures");
	for (unsigned i = 0; i < count; i++)
		pattern_push(m, i, from, to);
	return (int)count;
}
