/* Every text the server says, in every language it speaks (RFC 6856, 3): one table.
 *
 * A row: symbol, status indicator with the response code (RFC 2449, 8; RFC 3206), English,
 * Russian.  English is also i-default (RFC 2277, 4.5) and must be ASCII.  In a text
 *
 *     %n  a name or word       %u  a number
 *     %m  "2 messages"         %o  "320 octets"       %t  a text from elsewhere
 *
 * stand for the fields of struct pop3_values, in any order. */
#ifndef MOONPOST_POP3_LANG_H
#define MOONPOST_POP3_LANG_H

#include "base/buf.h"
#include "pop3/session.h"

#define OK   "+OK"
#define ERR  "-ERR"

#define POP3_TEXT_LIST(X)                                                                     \
	X(DONE, OK, "", "")                                                                       \
	X(GREETING, OK, "%n POP3 server ready", "POP3-сервер %n готов")                           \
	X(BANNER, OK, "%n", "%n")                                                                 \
	X(REFUSED, ERR, "connection refused", "соединение отклонено")                             \
	X(REFUSED_FOR_NOW, ERR " [SYS/TEMP]", "connection refused, try again later",              \
	  "соединение отклонено, попробуйте позже")                                               \
	X(COMMAND_REFUSED, ERR " [SYS/PERM]", "command refused", "команда отклонена")             \
	X(COMMAND_REFUSED_FOR_NOW, ERR " [SYS/TEMP]", "command refused, try again later",         \
	  "команда отклонена, попробуйте позже")                                                  \
	X(UNKNOWN, ERR, "unknown command", "неизвестная команда")                                 \
	X(BAD_STATE, ERR, "%n is not allowed in the %t state",                                    \
	  "команда %n не разрешена в состоянии %t")                                               \
	X(BAD_ARGUMENTS, ERR, "wrong arguments, usage: %t", "неверные аргументы, нужно: %t")      \
	X(BAD_OCTETS, ERR, "control characters or broken UTF-8 in the command",                   \
	  "управляющие символы или неверный UTF-8 в команде")                                     \
	X(BARE_EOL, ERR, "bare CR or LF, lines end with CRLF",                                    \
	  "одиночный CR или LF, строка кончается на CRLF")                                        \
	X(TOO_LONG, ERR, "line too long", "слишком длинная строка")                               \
	X(TOO_MANY_ERRORS, ERR, "too many bad commands, closing",                                 \
	  "слишком много неверных команд, соединение закрывается")                                \
	X(SHUTDOWN, ERR " [SYS/TEMP]", "server is shutting down", "сервер останавливается")       \
	X(CAPABILITIES, OK, "capability list follows", "список возможностей")                     \
	X(UTF8, OK, "UTF-8 mode", "режим UTF-8")                                                  \
	X(LANGUAGES, OK, "language list follows", "список языков")                                \
	X(LANGUAGE, OK, "%t language changed", "%t язык изменён")                                 \
	X(LANGUAGE_UNKNOWN, ERR, "language %n is not known", "язык %n неизвестен")                \
	X(TLS_BEGIN, OK, "begin TLS negotiation", "начинайте TLS")                                \
	X(TLS_MISSING, ERR, "TLS is not available here", "TLS здесь недоступен")                  \
	X(TLS_ACTIVE, ERR, "TLS is active already", "TLS уже включён")                            \
	X(TLS_NEEDED, ERR " [AUTH]", "no passwords in clear here, use STLS first",                \
	  "пароли открытым текстом не принимаются, сначала STLS")                                 \
	X(TLS_NEEDED_ELSEWHERE, ERR " [AUTH]", "no passwords in clear here",                      \
	  "пароли открытым текстом не принимаются")                                               \
	X(USER_FIRST, ERR, "USER must come first", "сначала нужна команда USER")                  \
	X(APOP_OFF, ERR, "APOP is not enabled here", "APOP здесь не включён")                     \
	X(MECHANISMS, OK, "mechanism list follows", "список механизмов")                          \
	X(MECHANISM_UNKNOWN, ERR, "mechanism %n is not known", "механизм %n неизвестен")          \
	X(MECHANISM_OFF, ERR, "mechanism %n is not available here", "механизм %n недоступен")     \
	X(EXCHANGE_CANCELED, ERR, "authentication cancelled", "вход отменён")                     \
	X(EXCHANGE_BAD, ERR, "the response breaks the mechanism's grammar",                       \
	  "ответ нарушает грамматику механизма")                                                  \
	X(LOGIN_REFUSED, ERR " [AUTH]", "wrong name or password", "неверное имя или пароль")      \
	X(LOGIN_DENIED, ERR " [SYS/PERM]", "login refused", "вход отклонён")                      \
	X(LOGIN_FOR_NOW, ERR " [SYS/TEMP]", "login is not possible now, try again later",         \
	  "вход сейчас невозможен, попробуйте позже")                                             \
	X(LOGIN_TOO_OFTEN, ERR " [AUTH]", "too many failed logins, closing",                      \
	  "слишком много неудачных попыток входа, соединение закрывается")                        \
	X(LOGIN_DELAY, ERR " [LOGIN-DELAY]", "wait %u seconds between logins",                    \
	  "между входами должно пройти %u с")                                                     \
	X(IN_USE, ERR " [IN-USE]", "maildrop is locked by another session",                       \
	  "почтовый ящик занят другим сеансом")                                                   \
	X(OPEN_FOR_NOW, ERR " [SYS/TEMP]", "maildrop cannot be opened now, try again later",      \
	  "почтовый ящик сейчас не открыть, попробуйте позже")                                    \
	X(OPEN_DENIED, ERR " [SYS/PERM]", "there is no maildrop for you here",                    \
	  "почтового ящика для вас здесь нет")                                                    \
	X(WELCOME, OK, "%n's maildrop has %m (%o)", "в почтовом ящике %n %m (%o)")                \
	X(TOTALS, OK, "%m (%o)", "%m (%o)")                                                       \
	X(RESET, OK, "maildrop has %m (%o)", "в почтовом ящике %m (%o)")                          \
	X(OCTETS, OK, "%o", "%o")                                                                 \
	X(NUMBERS, OK, "%t", "%t")                                                                \
	X(LAST, OK, "%u", "%u")                                                                   \
	X(DELETED, OK, "message %u deleted", "сообщение %u удалено")                              \
	X(ALREADY_DELETED, ERR, "message %u already deleted", "сообщение %u уже удалено")         \
	X(NO_NUMBER, ERR, "\"%n\" is not a number", "\"%n\" не число")                            \
	X(NO_MESSAGE, ERR, "no such message, only %m in maildrop",                                \
	  "нет такого сообщения, в почтовом ящике %m")                                            \
	X(UNREADABLE, ERR " [SYS/TEMP]", "message %u cannot be read now, try again later",        \
	  "сообщение %u сейчас не прочесть, попробуйте позже")                                    \
	X(BYE, OK, "%n POP3 server signing off", "POP3-сервер %n прощается")                      \
	X(BYE_EMPTY, OK, "%n POP3 server signing off (maildrop empty)",                           \
	  "POP3-сервер %n прощается (почтовый ящик пуст)")                                        \
	X(BYE_LEFT, OK, "%n POP3 server signing off (%m left)",                                   \
	  "POP3-сервер %n прощается (осталось: %m)")                                              \
	X(NOT_REMOVED, ERR " [SYS/TEMP]", "some deleted messages not removed",                    \
	  "некоторые удалённые сообщения остались")                                               \
	X(NOT_REMOVED_FOR_NOW, ERR " [SYS/TEMP]", "some deleted messages not removed: %t",        \
	  "некоторые удалённые сообщения остались: %t")                                           \
	X(NOT_REMOVED_BY_POLICY, ERR " [SYS/PERM]", "some deleted messages not removed: %t",      \
	  "некоторые удалённые сообщения остались: %t")

enum pop3_text {
#define X(symbol, sign, en, ru) POP3_TEXT_##symbol,
	POP3_TEXT_LIST(X)
#undef X
	POP3_TEXT__COUNT
};

#undef OK
#undef ERR

struct pop3_values {
	struct slice n, t;
	uint64_t     u, m, o;
};

/* The line of a reply without CRLF.  human (may be NULL) replaces the table's own words. */
void pop3_lang_format(struct buf *out, enum pop3_language language, enum pop3_text text,
                      const struct pop3_values *values, const char *human);

/* "+OK", "-ERR [AUTH]" ...: what stands in front of the words. */
const char *pop3_lang_sign(enum pop3_text text);

/* "+OK" or "-ERR": whether the text is a success. */
bool pop3_lang_ok(enum pop3_text text);

/* The language of a range (RFC 4647, 3.4: "ru-RU" finds ru).  *tag becomes the exact tag ("ru",
 * "en", "i-default").  NOTFOUND. */
enum status pop3_lang_find(struct slice range, enum pop3_language *language, const char **tag);

/* "en" */
const char *pop3_lang_tag(enum pop3_language language);

/* The rows of LANG's listing: tag and the language's own name for itself; NULL behind the last. */
const char *pop3_lang_row(unsigned i);

/* A decimal number, without the cost of printf: a listing has thousands. */
enum { POP3_NUMBER_SIZE = 20 };
size_t pop3_lang_number(uint64_t n, char out[POP3_NUMBER_SIZE]);

#endif
