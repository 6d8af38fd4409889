/* What all maildrops have in common. */
#include "hook/mailbox.h"

#include <inttypes.h>
#include <stdio.h>

void maildrop_uidl(const struct maildrop *m, unsigned index, char out[UIDL_SIZE])
{
	const struct maildrop_entry *e = &m->entries[index];

	if (e->uidl)
		snprintf(out, UIDL_SIZE, "%s", e->uidl);
	else
		snprintf(out, UIDL_SIZE, "%08" PRIx32 ".%" PRIu64, m->uidvalidity, e->uid);
}
