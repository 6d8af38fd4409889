/* What the server can do and how it talks: CAPA, UTF8, LANG. */
#include "base/log.h"
#include "base/mem.h"
#include "pop3/commands.h"
#include "pop3/reply.h"

static void put_number_row(struct pop3_session *s, const char *tag, uint64_t n)
{
	char digits[POP3_NUMBER_SIZE];

	buf_append(&s->machine.out, slice_from(tag));
	pop3_reply_row(s, slice_of(digits, pop3_lang_number(n, digits)));
}

/* SASL stands there only with a mechanism behind it (RFC 5034, 3). */
static void put_sasl_row(struct pop3_session *s)
{
	unsigned offered = login_offered(&s->login, s->settings->auth_mechanisms,
	                                 pop3_session_plain_allowed(s));

	if (!offered)
		return;
	buf_append(&s->machine.out, SLICE("SASL "));
	login_names(offered, &s->machine.out);
	pop3_reply_row(s, SLICE_NONE);
}

/* Announced in both states, but for STLS, which is for AUTHORIZATION in clear (RFC 2595, 4). */
static void put_rows(struct pop3_session *s)
{
	const struct pop3_settings *set = s->settings;

	pop3_reply_row(s, SLICE("TOP"));
	pop3_reply_row(s, SLICE("UIDL"));
	if (pop3_session_plain_allowed(s))
		pop3_reply_row(s, SLICE("USER"));
	put_sasl_row(s);
	pop3_reply_row(s, SLICE("RESP-CODES"));
	pop3_reply_row(s, SLICE("AUTH-RESP-CODE"));
	pop3_reply_row(s, SLICE("PIPELINING"));
	if (set->expire_days < 0)
		pop3_reply_row(s, SLICE("EXPIRE NEVER"));
	else
		put_number_row(s, "EXPIRE ", (uint64_t)set->expire_days);
	put_number_row(s, "LOGIN-DELAY ", set->login_delay_s);
	if (s->state == POP3_AUTHORIZATION && s->machine.tls_available && !s->machine.facts.tls.active)
		pop3_reply_row(s, SLICE("STLS"));
	pop3_reply_row(s, SLICE("UTF8 USER"));
	pop3_reply_row(s, SLICE("LANG"));
	pop3_reply_row(s, SLICE("IMPLEMENTATION moonpost-" MOONPOST_VERSION));
}

static void say_rewritten(struct pop3_session *s)
{
	struct slice rest = machine_question(&s->machine)->rewrite.text, line;

	pop3_session_proceed(s);
	pop3_reply(s, POP3_TEXT_CAPABILITIES, NULL);
	while (slice_cut(&rest, '\n', &line) == ST_OK)
		pop3_reply_row(s, line);
	pop3_reply_end(s);
}

static void on_answered(void *owner, struct question *q)
{
	struct pop3_session *s = CONTAINER_OF((struct machine *)owner, struct pop3_session, machine);

	pop3_session_enter(s);
	pop3_session_delay(s, q->verdict.delay_ms, say_rewritten);
	pop3_session_leave(s);
}

/* The rows are written as ever, then taken back out of the output as the text of the question. */
static void ask_capabilities(struct pop3_session *s)
{
	struct buf *out = &s->machine.out;
	size_t before = buf_len(out), len = 0;
	struct question *q = machine_question(&s->machine);
	struct slice rows;
	char *text;

	put_rows(s);
	question_begin(q, HOOK_REWRITE_CAPABILITIES, on_answered);
	rows = slice_skip(buf_slice(out), before);
	text = arena_alloc(&q->arena, rows.len);
	for (size_t i = 0; i < rows.len; i++)
		if (rows.ptr[i] != '\r')
			text[len++] = rows.ptr[i];
	buf_truncate(out, before);
	q->rewrite.text = q->rewrite.known = slice_of(text, len);
	pop3_session_wait(s);
	question_ask(q);
}

/* CAPA CRLF                                                                RFC 2449, 5 */
void pop3_cmd_capa(struct pop3_session *s, const struct pop3_args *args)
{
	(void)args;
	if (machine_asks(&s->machine, HOOK_REWRITE_CAPABILITIES)) {
		ask_capabilities(s);
		return;
	}
	pop3_reply(s, POP3_TEXT_CAPABILITIES, NULL);
	put_rows(s);
	pop3_reply_end(s);
}

/* UTF8 CRLF                                                                RFC 6856, 2
 * Messages are sent as they are in either mode; names and passwords may be UTF-8 in either. */
void pop3_cmd_utf8(struct pop3_session *s, const struct pop3_args *args)
{
	(void)args;
	s->utf8 = true;
	pop3_reply(s, POP3_TEXT_UTF8, NULL);
}

static void list_languages(struct pop3_session *s)
{
	const char *row;

	pop3_reply(s, POP3_TEXT_LANGUAGES, NULL);
	for (unsigned i = 0; (row = pop3_lang_row(i)) != NULL; i++)
		pop3_reply_row(s, slice_from(row));
	pop3_reply_end(s);
}

/* LANG [SP language-range] CRLF                                            RFC 6856, 3.2 */
void pop3_cmd_lang(struct pop3_session *s, const struct pop3_args *args)
{
	struct slice range = args->words[0];
	const char *tag;

	if (args->count == 0) {
		list_languages(s);
		return;
	}
	if (slice_eq(range, SLICE("*")))
		range = slice_from(pop3_lang_tag(s->settings->language));
	if (pop3_lang_find(range, &s->language, &tag) != ST_OK) {
		pop3_reply(s, POP3_TEXT_LANGUAGE_UNKNOWN, POP3_WITH(.n = range));
		return;
	}
	s->language_chosen = !slice_eq(slice_from(tag), SLICE("i-default"));
	pop3_reply(s, POP3_TEXT_LANGUAGE, POP3_WITH(.t = slice_from(tag)));
}
