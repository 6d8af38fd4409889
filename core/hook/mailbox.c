/* What all maildrops have in common. */
#include "hook/mailbox.h"

/* eight hexadecimal digits "." a decimal number: a listing has thousands, so no printf. */
static void format_uidl(uint32_t uidvalidity, uint64_t uid, char *out)
{
	char digits[20];
	size_t n = 0;

	for (int shift = 28; shift >= 0; shift -= 4)
		*out++ = "0123456789abcdef"[uidvalidity >> shift & 15];
	*out++ = '.';
	do {
		digits[n++] = (char)('0' + uid % 10);
		uid /= 10;
	} while (uid);
	while (n)
		*out++ = digits[--n];
	*out = '\0';
}

void maildrop_uidl(const struct maildrop *m, unsigned index, char out[UIDL_SIZE])
{
	const struct maildrop_entry *e = &m->entries[index];

	if (e->uidl)
		*stpncpy(out, e->uidl, UIDL_SIZE - 1) = '\0';
	else
		format_uidl(m->uidvalidity, e->uid, out);
}
