/* SMTP and LMTP sessions: hello (connect, greet, quit) and send (messages one after another, each
 * envelope in one piece where the server offers that, RFC 2920). */
#include "bench.h"

enum { GREETING, HELLO, TLS_READY, HELLO_AGAIN, MAIL, RCPT, DATA, STORED, BYE };

/* What must come; every line of a reply has the code (RFC 5321, 4.2.1). */
static const struct { const char *code, *what; } replies[] = {
	[GREETING] = { "220", "greeting" }, [HELLO] = { "250", "EHLO" },
	[TLS_READY] = { "220", "STARTTLS" }, [HELLO_AGAIN] = { "250", "EHLO after STARTTLS" },
	[MAIL] = { "250", "MAIL" }, [RCPT] = { "250", "RCPT" }, [DATA] = { "354", "DATA" },
	[STORED] = { "250", "message" }, [BYE] = { "221", "QUIT" },
};

static bool code_is(struct slice line, const char *code)
{
	return slice_starts(line, slice_from(code)) &&
	       (line.len == 3 || line.ptr[3] == ' ' || line.ptr[3] == '-');
}

static int say_hello(struct bench_conn *c)
{
	c->pipelines = false;
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

static int say_command(struct bench_conn *c, int step)
{
	const struct bench_options *o = c->run->options;
	char address[256];

	if (step == MAIL)
		return bench_say(c, "MAIL FROM:<bench@client.example>\r\n");
	if (step == DATA)
		return bench_say(c, "DATA\r\n");
	snprintf(address, sizeof(address), o->user, c->slot % o->users);
	return bench_say(c, "RCPT TO:<%s>\r\n", address);
}

static int next_message(struct bench_conn *c)
{
	int last;

	if (c->left == 0) {
		c->step = BYE;
		return bench_say(c, "QUIT\r\n");
	}
	c->step = MAIL;
	c->operation_us = bench_now_us();
	last = c->pipelines ? DATA : MAIL;
	for (int step = MAIL; step <= last; step++)
		if (say_command(c, step) < 0)
			return -1;
	return 0;
}

static int greeted(struct bench_conn *c)
{
	const struct bench_options *o = c->run->options;

	if (c->step == HELLO && o->tls == BENCH_STARTTLS) {
		c->step = TLS_READY;
		return bench_say(c, "STARTTLS\r\n");
	}
	if (strcmp(o->scenario, "smtp-idle") == 0) {
		c->run->totals.operations++;
		return 0;
	}
	if (strcmp(o->scenario, "smtp-hello") == 0)
		c->left = 0;
	return next_message(c);
}

static int line(struct bench_conn *c, struct slice text)
{
	if (!code_is(text, replies[c->step].code))
		return bench_fail(c, replies[c->step].what, text);
	if (c->step == HELLO || c->step == HELLO_AGAIN)
		c->pipelines |= slice_ieq(slice_skip(text, 4), SLICE("PIPELINING"));
	if (text.len > 3 && text.ptr[3] == '-')
		return 0;
	switch (c->step) {
	case GREETING:
		c->step = HELLO;
		return say_hello(c);
	case HELLO:
	case HELLO_AGAIN:
		return greeted(c);
	case TLS_READY:
		return bench_start_tls(c);
	case MAIL:
	case RCPT:
		c->step++;
		return c->pipelines ? 0 : say_command(c, c->step);
	case DATA:
		c->step = STORED;
		return buf_append(&c->out, buf_slice(&c->run->message)) == ST_OK ? 0 : -1;
	case STORED:
		bench_operation_done(c, buf_len(&c->run->message));
		c->left--;
		return next_message(c);
	default:
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
