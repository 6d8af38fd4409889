/* A verdict is the typed answer of policy to a question.  Plugins give an enhanced status code
 * and a text; the protocol picks the form (SMTP three digits, POP3 -ERR [SYS/TEMP] ...). */
#ifndef MOONPOST_HOOK_VERDICT_H
#define MOONPOST_HOOK_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

enum verdict_kind {
	VERDICT_NONE,            /* no opinion: the core's default for this question */
	VERDICT_ACCEPT,
	VERDICT_REJECT,          /* permanent, class 5 */
	VERDICT_TEMPFAIL,        /* for now, class 4 */
	VERDICT_DISCARD,         /* say 250 and throw it away */
	VERDICT_DISCONNECT,      /* refuse and close the session */
	VERDICT_KEEP,            /* on_delete: do not delete this message */
};

struct verdict {
	enum verdict_kind kind;
	char     status[12];     /* enhanced status code "5.7.1", or "" for the question's default */
	char     text[400];      /* one line without CR, LF or controls; UTF-8; may be "" */
	uint32_t delay_ms;       /* hold the answer that long */
	char     by[48];         /* plugin that decided, or "core" */
	char     where[160];     /* file:line of the verdict, or "" */
	uint32_t micros;         /* time it took, waits included */
};

/* "accept", "reject" ... */
const char *verdict_name(enum verdict_kind kind);

/* Fill v; texts are cut to fit and control characters become '?'.  status NULL means "". */
void verdict_set(struct verdict *v, enum verdict_kind kind, const char *status, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Whether status is an enhanced status code (RFC 3463) of the class that fits the kind. */
bool verdict_status_valid(enum verdict_kind kind, const char *status);

#endif
