/* Replies: see reply.h. */
#include "pop3/reply.h"

#include "mail/utf8.h"

static const struct slice crlf = { "\r\n", 2 };

static void say(struct pop3_session *s, enum pop3_text text, const struct pop3_values *values,
                const char *human, const struct verdict *v)
{
	struct buf *out = &s->machine.out;
	size_t before = buf_len(out);

	pop3_lang_format(out, s->language, text, values, human);
	struct slice line = slice_skip(buf_slice(out), before);

	/* Somebody who tries things out is no attacker: only bad commands in a row count. */
	if (slice_starts(line, SLICE("+OK")))
		s->errors = 0;
	machine_observe(&s->machine, EVENT_REPLY, line, pop3_session_state(s), v, 0);
	buf_append(out, crlf);
}

void pop3_reply(struct pop3_session *s, enum pop3_text text, const struct pop3_values *values)
{
	say(s, text, values, NULL, NULL);
}

bool pop3_reply_may_say(const struct pop3_session *s, const char *text)
{
	return *text && (s->utf8 || s->language_chosen || utf8_ascii(slice_from(text)));
}

void pop3_reply_verdict(struct pop3_session *s, enum pop3_text text, const struct verdict *v)
{
	/* What the core itself says is English; the table has it in every language. */
	bool ours = s->language != POP3_LANGUAGE_EN && strcmp(v->by, "core") == 0;

	say(s, text, NULL, !ours && pop3_reply_may_say(s, v->text) ? v->text : NULL, v);
}

void pop3_reply_bad(struct pop3_session *s, enum pop3_text text, const struct pop3_values *values)
{
	s->errors++;
	if (s->settings->max_errors && s->errors >= s->settings->max_errors) {
		pop3_reply(s, POP3_TEXT_TOO_MANY_ERRORS, NULL);
		pop3_session_abandon(s);
	} else {
		pop3_reply(s, text, values);
	}
}

void pop3_reply_challenge(struct pop3_session *s, struct slice challenge)
{
	struct buf *out = &s->machine.out;

	/* Salt, nonce and server signature of SCRAM together allow guessing off line. */
	machine_observe(&s->machine, EVENT_REPLY, challenge.len ? SLICE("+ ****") : SLICE("+ "),
	                pop3_session_state(s), NULL, 0);
	buf_append(out, SLICE("+ "));
	buf_append(out, challenge);
	buf_append(out, crlf);
}

void pop3_reply_row(struct pop3_session *s, struct slice row)
{
	buf_append(&s->machine.out, row);
	buf_append(&s->machine.out, crlf);
}

void pop3_reply_end(struct pop3_session *s)
{
	buf_append(&s->machine.out, SLICE(".\r\n"));
}
