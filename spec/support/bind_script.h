/* What the files of bind_script share. */
#ifndef MOONPOST_SPEC_BIND_SCRIPT_H
#define MOONPOST_SPEC_BIND_SCRIPT_H

#include <lauxlib.h>
#include <lua.h>

#include "net/loop.h"
#include "net/work.h"
#include "script/config.h"
#include "script/script.h"
#include "store/client.h"

/* A script with everything around it: loop, pool, fake directory, fake mailboxes. */
struct stage {
	struct config   *config;
	struct loop     *loop;
	struct work_pool *work;
	struct script   *script;
	struct store_client *store;       /* or NULL */
	struct policy    directory;
	struct mailbox_provider mailboxes;
	struct timer     stop;
	unsigned         pending;         /* questions, openings, deliveries in flight */
	bool             stop_when_idle;
	unsigned         asked_directory, fallback_opens, fallback_deliveries;
};

struct stage *stage_check(lua_State *L);          /* at index 1 */
void stage_settled(struct stage *s);              /* one pending thing is over */

/* A session's facts as userdata with a method close(). */
struct facts *stage_check_session(lua_State *L, int index);

void stage_push_status(lua_State *L, enum status st);
struct slice stage_field(lua_State *L, int index, const char *name);

void bind_script_policy(lua_State *L);            /* add methods to the table on top */
void bind_script_mailbox(lua_State *L);
void bind_script_mailbox_init(struct stage *s);

#endif
