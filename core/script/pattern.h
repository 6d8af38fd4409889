/* string.find, match, gmatch and gsub for plugins: Lua's patterns, but with a bound on the steps
 * of one call.  Lua's own run in C, where no hook stops a pattern that backtracks for minutes. */
#ifndef MOONPOST_SCRIPT_PATTERN_H
#define MOONPOST_SCRIPT_PATTERN_H

#include <lua.h>

#include "base/slice.h"

enum { PATTERN_CAPTURES_MAX = 32, PATTERN_STEPS_MAX = 10 * 1000 * 1000 };

struct pattern;

struct pattern_match {
	const struct pattern *pattern;
	lua_State   *L;
	struct slice text;
	unsigned     steps;               /* used by this call so far */
	unsigned     count;               /* captures open or closed */
	struct { const char *start; ptrdiff_t len; } captures[PATTERN_CAPTURES_MAX];
};

/* Push a compiled pattern (a userdata); raises errors like Lua's.  anchor: a '^' in front is one. */
const struct pattern *pattern_compile(lua_State *L, struct slice text, bool anchor);
bool pattern_anchored(const struct pattern *p);

/* Match at exactly `at`: the end, or NULL.  Raises an error when the steps are used up. */
const char *pattern_run(struct pattern_match *m, const char *at);

/* Push capture i, or the whole match when there is none and i is 0. */
void pattern_push(struct pattern_match *m, unsigned i, const char *from, const char *to);
/* Push all captures; the whole match when there is none and `whole`.  The number pushed. */
int pattern_push_all(struct pattern_match *m, const char *from, const char *to, bool whole);

/* Add find, match, gmatch and gsub to the table on top (pattern_lib.c). */
void pattern_register(lua_State *L);

#endif
