/* Checking enhanced status codes. */
#include "mail/status_code.h"

static bool number(struct slice s)
{
	if (s.len < 1 || s.len > 3)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
	return s.len == 1 || s.ptr[0] != '0';
}

bool status_code_valid(struct slice s)
{
	struct slice class, subject;

	return slice_cut(&s, '.', &class) == ST_OK && slice_cut(&s, '.', &subject) == ST_OK &&
	       class.len == 1 && memchr("245", class.ptr[0], 3) && number(subject) && number(s);
}
