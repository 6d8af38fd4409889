/* The worker's Lua: one state with all plugins, answering policy questions, providing mailboxes
 * and observing sessions.  The only folder that includes lua.h is this one; nothing of Lua shows
 * here. */
#ifndef MOONPOST_SCRIPT_SCRIPT_H
#define MOONPOST_SCRIPT_SCRIPT_H

#include "base/histogram.h"
#include "hook/mailbox.h"
#include "hook/observer.h"
#include "hook/question.h"
#include "net/work.h"
#include "script/config.h"

struct script;
struct store_client;

struct script_setup {
	struct loop             *loop;
	struct work_pool        *work;            /* password hashing and other blocking jobs */
	const struct config     *config;
	struct store_client     *store;           /* may be NULL (specs, `moonpost check`) */
	struct policy           *next_policy;     /* asked when no plugin has an opinion */
	struct mailbox_provider *next_mailboxes;  /* for mailboxes no plugin provides */
};

/* Load all plugins.  NULL: error (heap, the caller frees) says plugin, file:line and why. */
struct script *script_new(const struct script_setup *setup, char **error);
void script_free(struct script *s);

struct policy           *script_policy(struct script *s);
struct mailbox_provider *script_mailboxes(struct script *s);
struct observer         *script_observer(struct script *s);

/* The worker begins to serve: timers run, on_start hooks are called; done() when they are over, from
 * here or later, after lua.start_wall at the latest. */
typedef void script_done_fn(void *owner);
void script_start(struct script *s, script_done_fn *done, void *owner);

/* The worker ends: timers rest, on_stop hooks are called; done() as above, lua.stop_wall. */
void script_stop(struct script *s, script_done_fn *done, void *owner);

/* Load the plugin's file anew, NULL: those of all plugins, with the options they have, and put the new
 * code in the old one's place.  False: *error (heap) says why, and everything is as it was. */
bool script_reload(struct script *s, const char *name, char **error);

/* Whether this worker is the one that runs timers meant for one worker. */
void script_lead(struct script *s, bool leads);

/* The session is gone: its Lua object becomes closed, its coroutines are cancelled. */
void script_session_closed(struct script *s, struct facts *f);

/* Counts for the heartbeat and `moonpost status`. */
struct script_numbers { uint64_t calls, errors, running, memory_octets; };
void script_numbers(const struct script *s, struct script_numbers *out);

/* The same per plugin and hook.  live and paused are of now, the others only grow. */
#define SCRIPT_HOOK_NUMBERS(X) \
	X(calls)      /* begun */ \
	X(errors)     /* ended with an error */ \
	X(timeouts)   /* ended by a limit of time */ \
	X(dropped)    /* events that an observer was too slow for */ \
	X(skipped)    /* not called because the plugin failed too often */ \
	X(cpu_ns)     /* inside of Lua */ \
	X(wait_ns)    /* of its calls, outside of Lua */ \
	X(live)       /* calls that run or wait now */ \
	X(paused)     /* 1: the plugin is left alone for a while */

struct script_hook_numbers {
	const char *plugin, *hook;
#define X(name) uint64_t name;
	SCRIPT_HOOK_NUMBERS(X)
#undef X
	struct histogram latency_ns;
	bool changed;                     /* for who publishes: since it was last cleared */
	int  row;                         /* and where it stands there; -1 at first */
};
typedef void script_hook_fn(void *owner, struct script_hook_numbers *n);
void script_each_hook(struct script *s, script_hook_fn *fn, void *owner);

#endif
