/* The table of texts and what fills its gaps: names, numbers and counted nouns.  Russian has
 * three forms of a counted noun, English two. */
#include "pop3/lang.h"

#include "base/mem.h"

#define OK   "+OK"
#define ERR  "-ERR"

static const struct { const char *sign, *words[POP3_LANGUAGE__COUNT]; } texts[] = {
#define X(symbol, sign, en, ru) { sign, { en, ru } },
	POP3_TEXT_LIST(X)
#undef X
};

enum noun { MESSAGE, OCTET };

/* By noun: the forms for 1; 2-4; the rest. */
static const char *const nouns[POP3_LANGUAGE__COUNT][2][3] = {
	[POP3_LANGUAGE_EN] = {
		{ " message", " messages", " messages" },
		{ " octet", " octets", " octets" },
	},
	[POP3_LANGUAGE_RU] = {
		{ " сообщение", " сообщения", " сообщений" },
		{ " октет", " октета", " октетов" },
	},
};

static const struct { const char *tag, *row; enum pop3_language language; } languages[] = {
	{ "i-default", "i-default English", POP3_LANGUAGE_EN },
	{ "en",        "en English",        POP3_LANGUAGE_EN },
	{ "ru",        "ru Русский",        POP3_LANGUAGE_RU },
};

size_t pop3_lang_number(uint64_t n, char out[POP3_NUMBER_SIZE])
{
	char digits[POP3_NUMBER_SIZE];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	memcpy(out, digits + at, sizeof(digits) - at);
	return sizeof(digits) - at;
}

static void put(struct buf *out, const char *text)
{
	buf_append(out, slice_from(text));
}

static void put_number(struct buf *out, uint64_t n)
{
	char digits[POP3_NUMBER_SIZE];

	buf_append(out, slice_of(digits, pop3_lang_number(n, digits)));
}

static unsigned noun_form(enum pop3_language language, uint64_t n)
{
	if (language == POP3_LANGUAGE_EN)
		return n == 1 ? 0 : 2;
	if (n % 100 >= 11 && n % 100 <= 14)
		return 2;
	return n % 10 == 1 ? 0 : n % 10 >= 2 && n % 10 <= 4 ? 1 : 2;
}

static void put_counted(struct buf *out, enum pop3_language language, enum noun noun, uint64_t n)
{
	put_number(out, n);
	put(out, nouns[language][noun][noun_form(language, n)]);
}

static void put_value(struct buf *out, enum pop3_language language, char which,
                      const struct pop3_values *v)
{
	switch (which) {
	case 'n': buf_append(out, v->n); break;
	case 't': buf_append(out, v->t); break;
	case 'u': put_number(out, v->u); break;
	case 'm': put_counted(out, language, MESSAGE, v->m); break;
	case 'o': put_counted(out, language, OCTET, v->o); break;
	}
}

void pop3_lang_format(struct buf *out, enum pop3_language language, enum pop3_text text,
                      const struct pop3_values *values, const char *human)
{
	static const struct pop3_values none;
	struct slice words = slice_from(human ? human : texts[text].words[language]);

	put(out, texts[text].sign);
	if (words.len)
		buf_append_byte(out, ' ');
	if (human) {
		buf_append(out, words);
		return;
	}
	while (words.len) {
		size_t n = slice_find(words, '%');

		buf_append(out, slice_head(words, n));
		words = slice_skip(words, n);
		if (words.len >= 2)
			put_value(out, language, words.ptr[1], values ? values : &none);
		words = slice_skip(words, 2);
	}
}

const char *pop3_lang_sign(enum pop3_text text)
{
	return texts[text].sign;
}

bool pop3_lang_ok(enum pop3_text text)
{
	return texts[text].sign[0] == '+';
}

enum status pop3_lang_find(struct slice range, enum pop3_language *language, const char **tag)
{
	while (range.len) {
		for (size_t i = 0; i < COUNT_OF(languages); i++) {
			if (slice_ieq(range, slice_from(languages[i].tag))) {
				*language = languages[i].language;
				*tag = languages[i].tag;
				return ST_OK;
			}
		}
		size_t dash = slice_rfind(range, '-');

		range.len = dash < range.len ? dash : 0;
	}
	return ST_NOTFOUND;
}

const char *pop3_lang_tag(enum pop3_language language)
{
	return language == POP3_LANGUAGE_RU ? "ru" : "en";
}

const char *pop3_lang_row(unsigned i)
{
	return i < COUNT_OF(languages) ? languages[i].row : NULL;
}
