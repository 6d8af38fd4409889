/* SMTP and LMTP sessions: hello (connect, greet, quit) and send (messages one after another, each
 * envelope pipelined). */
#include "bench.h"

enum { GREETING, HELLO, TLS_READY, HELLO_AGAIN, ENVELOPE, STORED, BYE };

static bool code_is(struct slice line, const char *code)
{
	return slice_starts(line, slice_from(code));
}

static int say_hello(struct bench_conn *c)
{
	return bench_say(c, "%s client.example\r\n", c->run->options->lmtp ? "LHLO" : "EHLO");
}

static int start(struct bench_conn *c)
{
	if (c->step == TLS_READY) {
		c->step = HELLO_AGAIN;
		return say_hello(c);
	}
	c->step = GREETING;
	c->left = c->run->options->messages;
	return 0;
}

static int send_envelope(struct bench_conn *c)
{
	const struct bench_options *o = c->run->options;
	char address[256];

	if (c->left == 0) {
		c->step = BYE;
		return bench_say(c, "QUIT\r\n");
	}
	snprintf(address, sizeof(address), o->user, c->slot % o->users);
	c->step = ENVELOPE;
	c->awaited = 3;
	c->operation_us = bench_now_us();
	return bench_say(c, "MAIL FROM:<bench@client.example>\r\nRCPT TO:<%s>\r\nDATA\r\n", address);
}

static int greeted(struct bench_conn *c)
{
	const struct bench_options *o = c->run->options;

	if (c->step == HELLO && o->tls == BENCH_STARTTLS) {
		c->step = TLS_READY;
		return bench_say(c, "STARTTLS\r\n");
	}
	if (strcmp(o->scenario, "smtp-hello") == 0) {
		c->left = 0;
		return send_envelope(c);
	}
	if (strcmp(o->scenario, "smtp-idle") == 0) {
		c->run->totals.operations++;
		return 0;
	}
	return send_envelope(c);
}

static int envelope_reply(struct bench_conn *c, struct slice line)
{
	c->awaited--;
	if (!code_is(line, c->awaited ? "250" : "354"))
		return bench_fail(c, "envelope", line);
	if (c->awaited)
		return 0;
	c->step = STORED;
	return buf_append(&c->out, buf_slice(&c->run->message)) == ST_OK ? 0 : -1;
}

static int line(struct bench_conn *c, struct slice text)
{
	if (text.len > 3 && text.ptr[3] == '-')
		return 0;
	switch (c->step) {
	case GREETING:
		if (!code_is(text, "220"))
			return bench_fail(c, "greeting", text);
		c->step = HELLO;
		return say_hello(c);
	case HELLO:
	case HELLO_AGAIN:
		return code_is(text, "250") ? greeted(c) : bench_fail(c, "EHLO", text);
	case TLS_READY:
		return code_is(text, "220") ? bench_start_tls(c) : bench_fail(c, "STARTTLS", text);
	case ENVELOPE:
		return envelope_reply(c, text);
	case STORED:
		if (!code_is(text, "250"))
			return bench_fail(c, "message", text);
		bench_operation_done(c, buf_len(&c->run->message));
		c->left--;
		return send_envelope(c);
	default:
		if (!code_is(text, "221"))
			return bench_fail(c, "QUIT", text);
		if (strcmp(c->run->options->scenario, "smtp-hello") == 0)
			bench_operation_done(c, 0);
		return 1;
	}
}

const struct bench_scenario *bench_smtp_scenario(const char *name)
{
	static const struct bench_scenario smtp = { "smtp", start, line, NULL };

	return strncmp(name, "smtp-", 5) == 0 ? &smtp : NULL;
}
