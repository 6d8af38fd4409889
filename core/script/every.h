/* plugin:every(seconds, fn, options): timers of a plugin, never two runs of one at once.
 *
 * They run from script_start on.  One with { on = "one worker" }, the default, runs while its
 * worker leads (script_lead); another worker takes over when that one leaves or dies. */
#ifndef MOONPOST_SCRIPT_EVERY_H
#define MOONPOST_SCRIPT_EVERY_H

#include <lua.h>

struct script;
struct plugin;

/* The arguments stand from index `first` on; pushes the timer's object. */
int every_push(lua_State *L, struct plugin *p, int first);

/* The script has started, begins or ceases to lead: timers begin or rest accordingly. */
void every_look(struct script *s);

/* Newer code takes the plugin's place: no more runs; one under way may finish. */
void every_rest(struct plugin *p);

/* The plugin ends: its timers rest for ever; runs that wait are cancelled. */
void every_stop(struct plugin *p);

#endif
