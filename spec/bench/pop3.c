/* POP3 sessions: stat (login, STAT, QUIT), uidl (login, UIDL, QUIT), retr (login, UIDL, LIST, RETR
 * of all messages pipelined, QUIT).  Both listings must name the same messages, and what RETR sends
 * must have the octets that LIST says (RFC 1939, 5). */
#include "bench.h"
#include "hook/message.h"

enum { GREETING, STLS, LOGIN, STAT, UIDL_STATUS, UIDL, LIST_STATUS, LIST, RETR_STATUS, RETR_TEXT, BYE };

/* Header lines of the generator's own messages: see message.c. */
enum { FROM = 1, SUBJECT = 2, X_BENCH = 4, ALL_OF_THEM = 7 };

static bool ok(struct slice line)
{
	return slice_starts(line, SLICE("+OK"));
}

static bool scenario_is(const struct bench_conn *c, const char *name)
{
	return strcmp(c->run->options->scenario, name) == 0;
}

static int log_in(struct bench_conn *c)
{
	const struct bench_options *o = c->run->options;
	char user[256];

	snprintf(user, sizeof(user), o->user, c->slot % o->users);
	c->step = LOGIN;
	c->awaited = 2;
	if (!scenario_is(c, "pop3-retr"))
		c->operation_us = c->began_us;
	return bench_say(c, "USER %s\r\nPASS %s\r\n", user, o->password);
}

static int start(struct bench_conn *c)
{
	if (c->step == STLS)
		return log_in(c);
	c->step = GREETING;
	return 0;
}

static int quit(struct bench_conn *c)
{
	c->step = BYE;
	return bench_say(c, "QUIT\r\n");
}

static int logged_in(struct bench_conn *c)
{
	if (scenario_is(c, "pop3-idle")) {
		c->run->totals.operations++;
		return 0;
	}
	if (scenario_is(c, "pop3-stat")) {
		c->step = STAT;
		return bench_say(c, "STAT\r\n");
	}
	c->step = UIDL_STATUS;
	c->listed = c->left = 0;
	c->listed_octets = c->retrieved_octets = 0;
	return bench_say(c, scenario_is(c, "pop3-retr") ? "UIDL\r\nLIST\r\n" : "UIDL\r\n");
}

static int ask_all(struct bench_conn *c)
{
	c->left = c->listed;
	for (unsigned i = 1; i <= c->listed; i++)
		if (bench_say(c, "RETR %u\r\n", i) < 0)
			return -1;
	if (!c->run->options->keep)
		for (unsigned i = 1; i <= c->listed; i++)
			if (bench_say(c, "DELE %u\r\n", i) < 0)
				return -1;
	c->awaited = c->run->options->keep ? 0 : c->listed;
	c->step = RETR_STATUS;
	c->operation_us = bench_now_us();
	return c->left ? 0 : quit(c);
}

/* ---- numbers in replies ---- */

/* The next word of *rest as a number. */
static bool next_number(struct slice *rest, uint64_t *n)
{
	struct slice word;

	(void)slice_cut(rest, ' ', &word);
	return slice_to_u64(word, n) == ST_OK;
}

/* "+OK" messages octets (RFC 1939, 5) */
static int stat_reply(struct bench_conn *c, struct slice text)
{
	struct slice rest = slice_skip(text, 4);
	uint64_t messages, octets;

	if (!ok(text) || !next_number(&rest, &messages) || !next_number(&rest, &octets))
		return bench_fail(c, "STAT", text);
	return quit(c);
}

static int uidl_line(struct bench_conn *c, struct slice text)
{
	uint64_t number;

	if (slice_eq(text, SLICE("."))) {
		if (scenario_is(c, "pop3-uidl"))
			return quit(c);
		c->step = LIST_STATUS;
		return 0;
	}
	if (!next_number(&text, &number) || number != ++c->listed || text.len == 0 || text.len > 70)
		return bench_fail(c, "UIDL", text);
	return 0;
}

static int list_line(struct bench_conn *c, struct slice text)
{
	uint64_t number, octets;

	if (slice_eq(text, SLICE(".")))
		return c->left == c->listed ? ask_all(c) : bench_fail(c, "LIST and UIDL differ", text);
	if (!next_number(&text, &number) || number != ++c->left || !next_number(&text, &octets))
		return bench_fail(c, "LIST", text);
	c->listed_octets += octets;
	return 0;
}

/* ---- messages ---- */

/* The number is of the servers' custom, not of the standard. */
static int retr_status(struct bench_conn *c, struct slice text)
{
	struct slice rest = slice_skip(text, 4);

	if (!ok(text))
		return bench_fail(c, "RETR or DELE", text);
	if (c->left == 0)                       /* replies to DELE */
		return --c->awaited ? 0 : quit(c);
	if (!next_number(&rest, &c->declared_octets))
		c->declared_octets = 0;
	c->octets = c->body_octets = c->declared = 0;
	c->crc = c->declared_crc = 0;
	c->header_lines = 0;
	c->in_body = false;
	c->step = RETR_TEXT;
	c->raw = true;
	return 0;
}

static void header_line(struct bench_conn *c, struct slice text)
{
	c->octets += text.len + 2 - slice_starts(text, SLICE("."));
	if (slice_eq(text, SLICE("From: bench@client.example")))
		c->header_lines |= FROM;
	if (slice_eq(text, SLICE("Subject: bench")))
		c->header_lines |= SUBJECT;
	if (slice_starts(text, SLICE("X-Bench: "))) {
		char copy[64];

		snprintf(copy, sizeof(copy), "%.*s", SLICE_ARG(slice_skip(text, 9)));
		if (sscanf(copy, "%lu %x", &c->declared, &c->declared_crc) == 2)
			c->header_lines |= X_BENCH;
	}
}

static int message_end(struct bench_conn *c)
{
	if (c->header_lines != ALL_OF_THEM || c->body_octets != c->declared || c->crc != c->declared_crc)
		return bench_fail(c, "retrieved octets differ from what was sent", SLICE("RETR"));
	c->octets += c->body_octets;
	if (c->declared_octets && c->octets != c->declared_octets)
		return bench_fail(c, "RETR sent another number of octets than it said", SLICE("RETR"));
	c->retrieved_octets += c->octets;
	bench_operation_done(c, c->octets);
	c->operation_us = bench_now_us();
	c->raw = false;
	c->step = RETR_STATUS;
	if (--c->left)
		return 0;
	if (c->retrieved_octets != c->listed_octets)
		return bench_fail(c, "RETR sent another number of octets than LIST said", SLICE("RETR"));
	return c->awaited == 0 ? quit(c) : 0;
}

/* Body lines never begin with a dot in the generator's messages, so the first "\r\n.\r\n" ends. */
static int octets(struct bench_conn *c, struct slice *in)
{
	while (!c->in_body) {
		const char *crlf = memmem(in->ptr, in->len, "\r\n", 2);

		if (!crlf)
			return 0;
		struct slice text = slice_head(*in, (size_t)(crlf - in->ptr));

		*in = slice_skip(*in, text.len + 2);
		header_line(c, text);
		if (text.len == 0)
			c->in_body = true;
	}
	uint64_t want = c->declared - c->body_octets;
	struct slice body = slice_head(*in, want);

	c->crc = crc32c(c->crc, body.ptr, body.len);
	c->body_octets += body.len;
	*in = slice_skip(*in, body.len);
	if (c->body_octets < c->declared || in->len < 3)
		return 0;
	if (!slice_starts(*in, SLICE(".\r\n")))
		return bench_fail(c, "end of message", slice_head(*in, 20));
	*in = slice_skip(*in, 3);
	return message_end(c);
}

static int line(struct bench_conn *c, struct slice text)
{
	switch (c->step) {
	case GREETING:
		if (!ok(text))
			return bench_fail(c, "greeting", text);
		if (c->run->options->tls != BENCH_STARTTLS)
			return log_in(c);
		c->step = STLS;
		return bench_say(c, "STLS\r\n");
	case STLS:
		return ok(text) ? bench_start_tls(c) : bench_fail(c, "STLS", text);
	case LOGIN:
		if (!ok(text))
			return bench_fail(c, "login", text);
		return --c->awaited ? 0 : logged_in(c);
	case STAT:
		return stat_reply(c, text);
	case UIDL_STATUS:
	case LIST_STATUS:
		if (!ok(text))
			return bench_fail(c, "listing", text);
		c->step++;
		return 0;
	case UIDL:
		return uidl_line(c, text);
	case LIST:
		return list_line(c, text);
	case RETR_STATUS:
		return retr_status(c, text);
	default:
		if (!ok(text))
			return bench_fail(c, "QUIT", text);
		if (!scenario_is(c, "pop3-retr"))
			bench_operation_done(c, 0);
		return 1;
	}
}

const struct bench_scenario *bench_pop3_scenario(const char *name)
{
	static const struct bench_scenario pop3 = { "pop3", start, line, octets };

	return strncmp(name, "pop3-", 5) == 0 ? &pop3 : NULL;
}
