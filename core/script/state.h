/* The insides of a worker's Lua, shared by the files of this folder. */
#ifndef MOONPOST_SCRIPT_STATE_H
#define MOONPOST_SCRIPT_STATE_H

#include <lua.h>

#include "base/list.h"
#include "base/map.h"
#include "script/call.h"
#include "script/guard.h"
#include "script/script.h"

struct listener;
struct backend;
struct lifecycle;

struct script {
	struct policy           policy;
	struct mailbox_provider mailboxes;
	struct observer         observer;
	struct script_setup     setup;
	lua_State              *L;
	struct guard            guard;
	size_t                  memory, memory_max;
	struct call            *current;          /* the call whose Lua runs now */
	struct plugin          *loading;          /* the plugin whose file runs now */
	struct list             calls, idle_calls;
	struct list             askings;          /* policy.c: questions in flight */
	struct list             opens;            /* mailbox.c: openings in flight */
	struct list             readings;         /* deletion.c */
	struct list             resources;        /* struct resource: what plugins hold */
	struct list             plugins;          /* struct plugin, in the configuration's order */
	struct list             retired;          /* reload.c: those that newer code has replaced */
	struct list             listeners[HOOK__COUNT];   /* struct listener, first asked first */
	struct list             starts, stops;    /* struct listener of on_start, on_stop */
	struct list             observers;        /* struct listener of on_connect, on_command ... */
	struct list             backends;         /* struct backend, in the order of plugins */
	int                     glue;             /* lua/moonpost/backend.lua, registry reference */
	struct map              locks;            /* mailboxes of backends opened by this worker */
	struct list             drops;            /* maildrop.c: maildrops of backends */
	struct map              verified;         /* users.c: passwords that were right */
	unsigned char           verified_key[32];
	struct list             lifecycles;       /* on_start and on_stop hooks under way */
	bool                    started, leading; /* timers run; those for one worker too */
	bool                    cut_off;          /* ended before its on_stop hooks had their turn */
	unsigned                background;       /* lib_spawn.c: calls in flight */
	unsigned                observing;        /* observer.c: calls in flight */
	uint64_t                dropped;          /* events that observers were too slow for */
	struct script_numbers   numbers;
};

/* The script a Lua state belongs to. */
static inline struct script *script_of(lua_State *L)
{
	return *(struct script **)lua_getextraspace(L);
}

/* Run fn(lightuserdata arg) protected and guarded, outside of any call (loading, closing objects).
 * False: *error (heap) if error is not NULL, else logged. */
bool script_protect(struct script *s, lua_CFunction fn, void *arg, uint32_t limit_ms, char **error);

#endif
