/* What the files of the store's binding share. */
#ifndef MOONPOST_SPEC_SUPPORT_BIND_STORE_H
#define MOONPOST_SPEC_SUPPORT_BIND_STORE_H

#include <lauxlib.h>
#include <lua.h>

#include "net/loop.h"
#include "net/work.h"
#include "store/client.h"

#define CLIENT_MT "moonpost.spec.store.client"
#define DROP_MT "moonpost.spec.store.maildrop"

struct client {
	lua_State           *L;
	struct loop         *loop;
	struct work_pool    *pool;
	struct store_client *client;
	struct timer         timer;
	unsigned             pending;
	bool                 timed_out;
};

/* One operation: its Lua table, and what it borrows meanwhile. */
struct op {
	struct client    *client;
	int               ref;
	struct message   *message;
	struct arena      arena;
	struct envelope   envelope;
	struct delivery   delivery;
	struct facts      facts;
	struct buf        text;
	struct maildrop  *maildrop;
	unsigned          index;
	struct op       **holder;    /* cleared at the end */
};

struct client *store_check_client(lua_State *L);          /* argument 1 */
struct store_settings store_settings_at(lua_State *L, int t);
void store_run_loop(struct client *c, lua_State *L, lua_Integer ms);
int  store_push_failure(lua_State *L, char *error);       /* nil, text; frees it */
int  store_push_status(lua_State *L, enum status st);     /* nil, name */

struct op *store_new_op(struct client *c, lua_State *L);  /* its table is pushed */
lua_State *store_push_op(struct op *o);
void store_end_op(struct op *o, enum status st);
void store_op_done(void *owner, enum status st);

extern const luaL_Reg store_delivery_methods[], store_maildrop_methods[], store_directory_methods[],
	store_maintain_functions[], store_parts_functions[], store_dict_methods[],
	store_dict_functions[];
void store_maildrop_metatable(lua_State *L);

#endif
