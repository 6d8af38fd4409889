/* Names and texts of the outcomes listed in status.h. */
#include "base/status.h"

static const struct { const char *name, *text; } statuses[] = {
#define X(name, text) { #name, text },
	STATUS_LIST(X)
#undef X
};

const char *status_name(enum status st)
{
	return (unsigned)st < ST__COUNT ? statuses[st].name : "?";
}

const char *status_text(enum status st)
{
	return (unsigned)st < ST__COUNT ? statuses[st].text : "unknown status";
}
