/* Mailbox backends written in Lua, as a provider for the protocol machines.  What no backend calls
 * its own goes to the next provider (the store).
 *
 * mailbox.c opens, maildrop.c reads and deletes, delivery.c delivers; the plugin's functions are
 * called through lua/moonpost/backend.lua. */
#ifndef MOONPOST_SCRIPT_MAILBOX_H
#define MOONPOST_SCRIPT_MAILBOX_H

#include <lua.h>

#include "base/list.h"
#include "hook/mailbox.h"

struct script;
struct backend;
struct call;

/* Set up s->mailboxes.  False: *error (heap) says why. */
bool mailbox_init(struct script *s, char **error);
void mailbox_stop(struct script *s);              /* drop what is in flight */

/* Push a function of backend.lua and the backend's table: the first argument.  The name is a
 * literal; the log of the running call names the backend's function of that name. */
void mailbox_push_glue(lua_State *L, struct backend *b, const char *name);

/* ---- delivery.c ---- */
void delivery_start(struct mailbox_provider *p, struct delivery *d);

/* ---- maildrop.c ---- */

/* One mailbox of a backend, open. */
struct drop {
	struct maildrop   maildrop;       /* first: the machines hold this */
	struct list       link;           /* in script->drops */
	struct script    *script;
	struct backend   *backend;
	char             *name;
	char              session[12];
	struct arena      arena;          /* entries and UIDLs */
	int               box, lock, uids;   /* registry references */
	bool              locked;         /* in script->locks */
	int               lock_fd;        /* the core's own lock between workers, or -1 */
	struct list       operations;
};

/* The results of backend.lua's open stand on the stack from index 1.  Raises errors. */
void drop_fill(lua_State *L, struct drop *d);
struct drop *drop_new(struct script *s, struct backend *b, struct slice name, const struct facts *f);
void drop_free(struct drop *d);                   /* refs, lock and memory; calls no plugin */

/* The lock of a mailbox whose backend has none: over all workers.  OK, BUSY. */
enum status drop_lock(struct drop *d);

extern const struct maildrop_ops drop_ops;

#endif
