/* SASLprep by libidn, with a way past it for ASCII. */
#include "mail/saslprep.h"

#include <stringprep.h>

#include "base/mem.h"
#include "mail/utf8.h"

enum { PREPARED_MAX = 4096 };

static bool has_control(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < 32 || s.ptr[i] == 127)
			return true;
	return false;
}

static enum status prepare(struct slice in, struct buf *out)
{
	char text[PREPARED_MAX + 1];

	memcpy(text, in.ptr, in.len);
	text[in.len] = '\0';
	int rc = stringprep(text, sizeof(text), 0, stringprep_saslprep);
	enum status st = ST_SYNTAX;

	if (rc == STRINGPREP_TOO_SMALL_BUFFER)
		st = ST_TOOBIG;
	else if (rc == STRINGPREP_OK && text[0])
		st = buf_append(out, slice_from(text));
	mem_wipe(text, sizeof(text));
	return st;
}

enum status saslprep(struct slice in, struct buf *out)
{
	if (in.len > PREPARED_MAX)
		return ST_TOOBIG;
	if (in.len == 0 || has_control(in) || !utf8_valid(in))
		return ST_SYNTAX;
	return utf8_ascii(in) ? buf_append(out, in) : prepare(in, out);
}
