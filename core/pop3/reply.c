/* Replies: see reply.h. */
#include "pop3/reply.h"

#include <stdlib.h>

#include "base/mem.h"
#include "mail/utf8.h"

static const struct slice crlf = { "\r\n", 2 };

/* A reply whose words policy may change. */
struct pop3_held {
	char              *sign, *words;      /* "-ERR [AUTH]", "wrong name or password" */
	struct verdict     verdict;
	bool               decided;
	char               id[REASON_ID + 1];         /* that ends it, or "" */
	enum machine_wants wants;             /* of the machine when it was asked about */
};

void pop3_reply_drop(struct pop3_session *s)
{
	if (!s->held)
		return;
	free(s->held->sign);
	free(s->held->words);
	free(s->held);
	s->held = NULL;
}

/* The line stands at the end of the output, but for its id. */
static void end_line(struct pop3_session *s, size_t before, const char *id, const struct verdict *v)
{
	struct buf *out = &s->machine.out;

	if (*id)
		(void)buf_printf(out, " [%s]", id);
	machine_observe(&s->machine, EVENT_REPLY, slice_skip(buf_slice(out), before),
	                pop3_session_state(s), v, 0);
	buf_append(out, crlf);
}

/* Say what was held back, with these words. */
static void release(struct pop3_session *s, struct slice words)
{
	struct buf *out = &s->machine.out;
	size_t before = buf_len(out);

	buf_append(out, slice_from(s->held->sign));
	if (words.len)
		buf_append_byte(out, ' ');
	buf_append(out, words);
	end_line(s, before, s->held->id, s->held->decided ? &s->held->verdict : NULL);
	pop3_reply_drop(s);
}

/* Words that a person reads, in replies of one line behind which nothing follows: no greeting, no
 * numbers that a program reads, no head of a list. */
static bool may_rewrite(const struct pop3_session *s, enum pop3_text text)
{
	static const enum pop3_text good[] = {
		POP3_TEXT_WELCOME, POP3_TEXT_DELETED, POP3_TEXT_RESET, POP3_TEXT_BYE, POP3_TEXT_BYE_EMPTY,
		POP3_TEXT_BYE_LEFT,
	};

	if (!machine_asks(&s->machine, HOOK_REWRITE_REPLY))
		return false;
	for (size_t i = 0; i < COUNT_OF(good); i++)
		if (good[i] == text)
			return true;
	return !pop3_lang_ok(text);
}

/* Take the line back out of the output. */
static void hold(struct pop3_session *s, size_t before, enum pop3_text text, const struct verdict *v)
{
	struct buf *out = &s->machine.out;
	const char *sign = pop3_lang_sign(text);
	struct slice line = slice_skip(buf_slice(out), before);
	struct pop3_held *h = MEM_NEW(struct pop3_held);

	h->sign = mem_strdup(sign);
	h->words = mem_slice_dup(slice_trim(slice_skip(line, strlen(sign))));
	h->decided = v != NULL;
	if (v)
		h->verdict = *v;
	buf_truncate(out, before);
	if (s->held)
		release(s, slice_from(s->held->words));
	s->held = h;
}

static void say_rewritten(struct pop3_session *s)
{
	s->machine.wants = s->held->wants;
	release(s, machine_question(&s->machine)->rewrite.text);
}

static void on_answered(void *owner, struct question *q)
{
	struct pop3_session *s = CONTAINER_OF((struct machine *)owner, struct pop3_session, machine);

	pop3_session_enter(s);
	pop3_session_delay(s, q->verdict.delay_ms, say_rewritten);
	pop3_session_leave(s);
}

/* "AUTH" of "-ERR [AUTH]". */
static struct slice response_code(struct slice sign)
{
	struct slice code = slice_skip(sign, slice_find(sign, '[') + 1);

	return slice_head(code, slice_find(code, ']'));
}

void pop3_reply_ask(struct pop3_session *s)
{
	struct question *q = machine_question(&s->machine);
	struct slice sign = slice_from(s->held->sign);

	if (q->waiting || s->machine.delay_ms)
		return;                               /* this very question, or its delay */
	s->held->wants = s->machine.wants;
	pop3_session_wait(s);
	question_begin(q, HOOK_REWRITE_REPLY, on_answered);
	q->rewrite.sign = slice_head(sign, slice_find(sign, ' '));
	q->rewrite.status = response_code(sign);
	q->rewrite.text = slice_from(s->held->words);
	question_ask(q);
}

static void say(struct pop3_session *s, enum pop3_text text, const struct pop3_values *values,
                const char *human, const struct verdict *v)
{
	struct buf *out = &s->machine.out;
	size_t before = buf_len(out);
	char id[REASON_ID + 1] = "";

	pop3_lang_format(out, s->language, text, values, human);

	struct slice line = slice_skip(buf_slice(out), before);

	/* Somebody who tries things out is no attacker: only bad commands in a row count. */
	if (slice_starts(line, SLICE("+OK")))
		s->errors = 0;
	else if (!machine_explain(&s->machine, v, line, pop3_session_state(s), true, id))
		id[0] = '\0';
	if (may_rewrite(s, text)) {
		hold(s, before, text, v);
		memcpy(s->held->id, id, sizeof(id));
	} else {
		end_line(s, before, id, v);
	}
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
	struct buf line;

	buf_init(&line, 0);
	pop3_lang_format(&line, POP3_LANGUAGE_EN, text, values, NULL);
	machine_observe(&s->machine, EVENT_ERROR, buf_slice(&line), pop3_session_state(s), NULL, 0);
	buf_free(&line);
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
