/* The worker's Lua: one state with all plugins, answering policy questions, providing mailboxes
 * and observing sessions.  The only folder that includes lua.h is this one; nothing of Lua shows
 * here. */
#ifndef MOONPOST_SCRIPT_SCRIPT_H
#define MOONPOST_SCRIPT_SCRIPT_H

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

/* Whether this worker is the one that runs timers meant for one worker. */
void script_lead(struct script *s, bool leads);

/* The session is gone: its Lua object becomes closed, its coroutines are cancelled. */
void script_session_closed(struct script *s, struct facts *f);

/* Counts for the heartbeat and `moonpost status`. */
struct script_numbers { uint64_t calls, errors, running, memory_octets; };
void script_numbers(const struct script *s, struct script_numbers *out);

#endif
