/* on_start and on_stop: what plugins do when their worker begins to serve and when it ends. */
#ifndef MOONPOST_SCRIPT_LIFECYCLE_H
#define MOONPOST_SCRIPT_LIFECYCLE_H

#include "base/list.h"

struct plugin;
struct script;

/* The hook's name (static) and its list of listeners, or NULL when it is another hook. */
const char *lifecycle_hook(struct script *s, const char *name, struct list **list);

/* Newer code of a plugin begins, nobody waits for it; older code ends, done(p) when it has. */
void lifecycle_start_plugin(struct plugin *p);
void lifecycle_stop_plugin(struct plugin *p, void (*done)(void *plugin));

/* Nobody waits any more: what runs is cancelled with all calls. */
void lifecycle_forget(struct script *s);

#endif
