/* A slice is borrowed bytes: a pointer and a length, never NUL-terminated, never freed.
 *
 * It is valid until the next call on its owner and is never stored in a longer-lived structure:
 * copy it into a buf or an arena for that.  ASCII rules only; no locale. */
#ifndef MOONPOST_BASE_SLICE_H
#define MOONPOST_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/status.h"

struct slice { const char *ptr; size_t len; };

#define SLICE(lit)    ((struct slice){ (lit), sizeof(lit) - 1 })
#define SLICE_NONE    ((struct slice){ NULL, 0 })
/* For printf: "%.*s", SLICE_ARG(s). */
#define SLICE_ARG(s)  (int)(s).len, (s).len ? (s).ptr : ""

/* The bytes of a C string; NULL gives the empty slice. */
static inline struct slice slice_from(const char *cstr)
{
	return (struct slice){ cstr, cstr ? strlen(cstr) : 0 };
}

static inline struct slice slice_of(const void *ptr, size_t len)
{
	return (struct slice){ ptr, len };
}

/* Without its first n bytes (at most all of them). */
static inline struct slice slice_skip(struct slice s, size_t n)
{
	n = n < s.len ? n : s.len;
	return (struct slice){ s.len ? s.ptr + n : s.ptr, s.len - n };
}

/* Its first n bytes (at most all of them). */
static inline struct slice slice_head(struct slice s, size_t n)
{
	return (struct slice){ s.ptr, n < s.len ? n : s.len };
}

bool slice_eq(struct slice a, struct slice b);            /* same octets */
bool slice_ieq(struct slice a, struct slice b);           /* same but for ASCII case */
bool slice_starts(struct slice s, struct slice prefix);
bool slice_istarts(struct slice s, struct slice prefix);  /* ASCII case does not matter */
int  slice_cmp(struct slice a, struct slice b);           /* memcmp order, shorter first */

/* Position of the first byte c, or s.len. */
size_t slice_find(struct slice s, char c);

/* Position of the last byte c, or s.len. */
size_t slice_rfind(struct slice s, char c);

/* Without SP and HTAB at both ends. */
struct slice slice_trim(struct slice s);

/* Cut the word up to the first sep off the front of *rest; the separator goes too.
 * END when *rest is empty (SLICE_NONE), otherwise OK (a word may be empty). */
enum status slice_cut(struct slice *rest, char sep, struct slice *word);

/* A whole decimal number without sign or space.  SYNTAX, or TOOBIG when it does not fit. */
enum status slice_to_u64(struct slice s, uint64_t *out);

/* ASCII lower case of one byte. */
static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Same length and same octets, in time that depends on the lengths alone: for secrets. */
bool slice_eq_constant_time(struct slice a, struct slice b);

#endif
