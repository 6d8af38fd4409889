/* Domain names by libidn, with a way past it for ASCII. */
#include "mail/idna.h"

#include <stdlib.h>

#include <idn-free.h>
#include <idna.h>

#include "mail/address.h"
#include "mail/utf8.h"

enum { PREFIX = 4 };             /* "xn--" */

static bool has_a_label(struct slice domain)
{
	struct slice label;

	while (slice_cut(&domain, '.', &label) == ST_OK)
		if (label.len > PREFIX && slice_istarts(label, SLICE("xn--")))
			return true;
	return false;
}

/* Move what libidn made to the arena. */
static struct slice take(char *made, struct arena *a)
{
	struct slice kept = arena_copy(a, slice_from(made));

	idn_free(made);
	return kept;
}

enum status idna_spell(struct slice domain, struct arena *a, struct idna_spellings *out)
{
	char *ascii = NULL, *unicode = NULL;

	if (domain.len > ADDRESS_DOMAIN_MAX || !utf8_valid(domain))
		return ST_SYNTAX;
	if (utf8_ascii(domain) && !has_a_label(domain))
		return ST_NOTFOUND;
	if (idna_to_ascii_8z(arena_strdup(a, domain), &ascii, 0) != IDNA_SUCCESS)
		return ST_SYNTAX;
	for (char *c = ascii; *c; c++)
		*c = ascii_lower(*c);
	out->ascii = take(ascii, a);
	if (idna_to_unicode_8z8z(arena_strdup(a, out->ascii), &unicode, 0) != IDNA_SUCCESS)
		return ST_SYNTAX;
	out->unicode = take(unicode, a);
	return ST_OK;
}
