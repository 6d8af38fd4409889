/* What the server can do and how it talks: CAPA, UTF8, LANG. */
#include "base/log.h"
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

/* CAPA CRLF                                                                RFC 2449, 5
 * Announced in both states, but for STLS, which is for AUTHORIZATION in clear (RFC 2595, 4). */
void pop3_cmd_capa(struct pop3_session *s, const struct pop3_args *args)
{
	const struct pop3_settings *set = s->settings;

	(void)args;
	pop3_reply(s, POP3_TEXT_CAPABILITIES, NULL);
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
