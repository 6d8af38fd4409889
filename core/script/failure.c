/* What went wrong and where is read from Lua's stacks under protection: memory may be short, which
 * may be the very failure. */
#include "script/failure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "script/plugin.h"
#include "script/state.h"

enum { READ_MS = 50 };

struct report { struct call *call; char *text, *where, *function; };

/* "plugins/auth_users/init.lua:12": where the plugin's function begins. */
static int l_place(lua_State *L)
{
	struct report *r = lua_touserdata(L, 1);
	lua_Debug ar;

	if (lua_rawgeti(L, LUA_REGISTRYINDEX, r->call->fn) == LUA_TTABLE && r->call->member) {
		lua_pushstring(L, r->call->member);
		lua_rawget(L, -2);
	}
	if (!lua_isfunction(L, -1))
		return 0;
	lua_getinfo(L, ">S", &ar);
	r->function = mem_printf("%s:%d", ar.short_src, ar.linedefined);
	return 0;
}

/* The error on top of the coroutine: text, and the traceback that on_error put behind it. */
static int l_report(lua_State *L)
{
	struct report *r = lua_touserdata(L, 1);
	lua_State *co = r->call->co;
	char *traceback;

	if (lua_gettop(co) > 0 && lua_type(co, -1) == LUA_TSTRING)
		r->text = mem_strdup(lua_tostring(co, -1));
	else
		r->text = mem_strdup(lua_pushfstring(L, "an error that is not a text (a %s)",
		                                     lua_gettop(co) > 0 ? luaL_typename(co, -1) : "nothing"));
	traceback = strstr(r->text, "\nstack traceback:");
	if (traceback) {
		r->where = mem_strdup(traceback + 1);
		*traceback = '\0';
	}
	return 0;
}

void failure_where(lua_State *L, char *out, size_t size)
{
	lua_Debug ar;

	*out = '\0';
	for (int level = 0; lua_getstack(L, level, &ar); level++)
		if (lua_getinfo(L, "Sl", &ar) && ar.currentline > 0) {
			snprintf(out, size, "%s:%d", ar.short_src, ar.currentline);
			return;
		}
}

char *failure_function(struct call *c)
{
	struct report r = { .call = c };

	(void)script_protect(c->script, l_place, &r, READ_MS, NULL);
	return r.function;
}

void failure_log(struct call *c, const char *text, const char *traceback)
{
	char *function;

	if (c->parent) {
		free(c->failure);
		c->failure = mem_strdup(text);    /* the parent tells, or gets over it */
		return;
	}
	plugin_failed(c->plugin);
	function = failure_function(c);
	log_error("plugin failed", "plugin", plugin_name(c->plugin), "hook", c->hook, "function",
	          function, "session", c->session, "error", text, NULL);
	free(function);
	if (traceback)
		log_debug("plugin traceback", "plugin", plugin_name(c->plugin), "traceback", traceback,
		          NULL);
}

void failure_report(struct call *c)
{
	struct report r = { .call = c };

	if (!script_protect(c->script, l_report, &r, READ_MS, NULL) && !r.text)
		r.text = mem_strdup("an error whose text does not fit into Lua's memory (lua.memory)");
	failure_log(c, r.text, r.where);
	free(r.text);
	free(r.where);
}
