/* A loaded plugin and the ledger of what it registered. */
#ifndef MOONPOST_SCRIPT_PLUGIN_H
#define MOONPOST_SCRIPT_PLUGIN_H

#include <lua.h>

#include "base/list.h"
#include "hook/facts.h"
#include "net/loop.h"
#include "script/breaker.h"
#include "script/config.h"

struct script;

struct plugin {
	struct list   link;               /* in script->plugins */
	struct script *script;
	const struct config_plugin *config;
	char         *name;
	char         *directory;          /* of its file, for its own modules */
	bool          trusted;
	bool          loading;            /* hooks are registered while it loads only */
	int           environment;        /* registry reference of its _ENV */
	int           modules;            /* its loaded modules by name */
	unsigned      index;              /* its place in the configuration */
	struct plugin *ancestor;          /* its first generation; NULL: it is the first itself */
	bool          withdrawn;          /* its ledger is closed: newer code has its place, or it failed */
	struct list   listeners, backends;        /* ledger.c: not published */
	unsigned      calls;              /* alive, children too */
	uint64_t      ends_ms;            /* reload.c: when what waits in old code is ended */
	struct timer  look;
	int           state;              /* registry reference: plugin:state tables, of all generations */
	struct list   stats;              /* struct stats: one for each of its hooks */
	struct list   timers;             /* every.c */
	unsigned      timer_count;
	struct list   paths;              /* struct plugin_path: files its options name */
	uint64_t      failures;
	struct breaker breaker;
};

struct plugin_path { struct list link; char *path; };

/* A registered function.  Which sessions it wants is decided without entering Lua. */
struct listener {
	struct list    link;
	struct plugin *plugin;
	struct list   *home;              /* the script's list for its hook */
	const char    *hook;              /* static */
	int            fn;                /* registry reference */
	char          *place;             /* heap; "plugins/one.lua:12": where the function begins */
	int            priority;          /* higher ones are asked first */
	unsigned       services;          /* enum service bits; all bits: any */
	const char   **listeners;         /* heap, ended by NULL; names of the configuration; NULL: any */
	int            tls, signed_in;    /* -1: does not matter */
};

/* The functions of a mailbox backend. */
struct backend {
	struct list    link;
	struct plugin *plugin;
	int            table;             /* registry reference */
	bool           appends, locks;    /* has these functions */
};

bool listener_wants(const struct listener *l, const struct facts *f);

void listener_free(struct listener *l);

/* Load and run the file of the configuration's plugin i, and publish what it registers.  False: *error
 * (heap) says plugin, file:line and why. */
bool plugin_load(struct script *s, unsigned i, char **error);

/* The same in two steps, for reload.c: it is in no list and publishes nothing. */
struct plugin *plugin_new(struct script *s, const struct config_plugin *config, unsigned index);
bool plugin_run(struct plugin *p, char **error);
void plugin_free(struct plugin *p);

const char *plugin_name(const struct plugin *p);          /* NULL is "core" */
void plugin_failed(struct plugin *p);                     /* count it */

/* May the plugin touch this file?  It lies under a path that its options name. */
bool plugin_may_touch(const struct plugin *p, const char *path);

/* Observers: on_connect ... */
enum observer_hook {
	OBSERVER_CONNECT, OBSERVER_TLS, OBSERVER_LOGIN, OBSERVER_COMMAND, OBSERVER_REPLY, OBSERVER_RETRIEVED,
	OBSERVER_STORED, OBSERVER_DELETED, OBSERVER_ERROR, OBSERVER_DISCONNECT, OBSERVER__COUNT
};

#endif
