/* Making and checking verdicts. */
#include "hook/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mail/status_code.h"

static const char *const names[] = {
	[VERDICT_NONE]       = "none",
	[VERDICT_ACCEPT]     = "accept",
	[VERDICT_REJECT]     = "reject",
	[VERDICT_TEMPFAIL]   = "tempfail",
	[VERDICT_DISCARD]    = "discard",
	[VERDICT_DISCONNECT] = "disconnect",
	[VERDICT_KEEP]       = "keep",
};

const char *verdict_name(enum verdict_kind kind)
{
	return names[kind];
}

void verdict_set(struct verdict *v, enum verdict_kind kind, const char *status, const char *fmt, ...)
{
	va_list ap;

	v->kind = kind;
	snprintf(v->status, sizeof(v->status), "%s", status ? status : "");
	va_start(ap, fmt);
	vsnprintf(v->text, sizeof(v->text), fmt, ap);
	va_end(ap);
	for (char *c = v->text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
}

bool verdict_status_valid(enum verdict_kind kind, const char *status)
{
	char class = status[0];

	if (!status_code_valid(slice_from(status)))
		return false;
	switch (kind) {
	case VERDICT_REJECT:     return class == '5';
	case VERDICT_TEMPFAIL:   return class == '4';
	case VERDICT_DISCONNECT: return class == '4' || class == '5';
	default:                 return class == '2';
	}
}
