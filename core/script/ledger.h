/* What a plugin registers while it loads: kept by the plugin until all of its file has run, then
 * published at once; withdrawn when newer code takes its place.
 *
 * Who walks the published lists holds on to an entry while its plugin's Lua waits; the entry may be
 * withdrawn meanwhile (it is freed with the script only), so the next one is asked for here. */
#ifndef MOONPOST_SCRIPT_LEDGER_H
#define MOONPOST_SCRIPT_LEDGER_H

#include "base/list.h"

struct plugin;
struct listener;
struct script;

/* Into the script's lists: higher priorities first, then in the order of plugins. */
void ledger_publish(struct plugin *p);

/* Back into the plugin's own. */
void ledger_withdraw(struct plugin *p);

/* The link behind that of the entry, or the head of the list at its end. */
struct list *ledger_next(struct list *head, struct listener *l);
struct list *ledger_next_backend(struct script *s, struct list *link);

/* The references to Lua, in a closed ledger nobody runs; then, with the script, the rest. */
void ledger_unref(struct plugin *p);
void ledger_free(struct plugin *p);

#endif
