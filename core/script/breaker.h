/* A plugin that fails again and again is left alone for a while: sessions get their temporary failure
 * at once instead of after its time-out, and whatever it asks gets a rest.
 *
 *   closed -> open: lua.breaker_failures within lua.breaker_window, no fewer than good calls (one
 *   client's odd messages must not stop everybody's mail) -> after lua.breaker_pause one call is let
 *   through: good closes it, else another pause. */
#ifndef MOONPOST_SCRIPT_BREAKER_H
#define MOONPOST_SCRIPT_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

struct plugin;

struct breaker {
	bool     open;
	unsigned failures, good;          /* in this window */
	uint64_t window_ms, next_ms;      /* since when; open: when the next call is let through */
};

enum breaker_advice { BREAKER_CALL, BREAKER_TEMPFAIL, BREAKER_SKIP };

/* Before the plugin's function is called for the hook.  BREAKER_SKIP only where may_skip is set and
 * the plugin's entry says on_failure = "skip". */
enum breaker_advice breaker_ask(struct plugin *p, const char *hook, bool may_skip);

/* Newer code of the plugin begins anew. */
void breaker_reset(struct plugin *p);

/* How the call ended. */
void breaker_tell(struct plugin *p, bool good);

#endif
