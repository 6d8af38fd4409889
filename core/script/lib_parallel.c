/* mail.timeout, mail.all, mail.any: functions side by side, each in a child of the running call.
 * The parent waits; what ends the parent ends its children, and what decides the outcome ends the
 * others.  Values pass through a table that parent and children share; errors keep their value. */
#include "script/lib.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "script/state.h"

enum { TIMEOUT_MAX_S = 3600, OWNER = 1, RESULTS, FUNCTION };   /* on the stack of a child */

static const char metatable[] = "moonpost.Group";

struct child { struct group *group; struct call *call; lua_Integer index; };

struct group {
	struct call_ticket parent;
	struct timer       timer;
	unsigned           references;    /* the parent's object and each living child */
	unsigned           count, left;
	bool             (*take)(lua_State *L, struct child *c, int results);
	bool               decided, raised, late;
	lua_Integer        winner;
	double             seconds;
	char              *failure;       /* a child ended with this text, without Lua's help */
	struct child       children[];
};

static void unref(struct group *g)
{
	if (--g->references > 0)
		return;
	free(g->failure);
	free(g);
}

static void cancel(void *op)
{
	struct group *g = op;

	timer_stop(&g->timer);
	g->decided = true;
	g->references++;
	for (unsigned i = 0; i < g->count; i++) {
		struct call *c = g->children[i].call;

		g->children[i].call = NULL;
		if (c)
			call_cancel(c);
	}
	unref(g);
}

static int l_gc(lua_State *L)
{
	struct group **box = lua_touserdata(L, 1);

	if (*box) {
		cancel(*box);
		unref(*box);
	}
	*box = NULL;
	return 0;
}

static void decide(struct group *g)
{
	cancel(g);
	call_wake(g->parent);
}

static void on_timer(void *owner)
{
	struct group *g = owner;

	g->late = true;
	decide(g);
}

/* ---- a child ---- */

static void on_gone(void *owner)
{
	struct child *c = owner;

	unref(c->group);
}

static void on_done(void *owner, enum call_outcome outcome)
{
	struct child *c = owner;
	struct group *g = c->group;

	if (outcome != CALL_OK && !g->failure)
		g->failure = mem_strdup(c->call->failure ? c->call->failure : "Lua is out of memory");
	c->call = NULL;
	g->left--;
	if (!g->decided && (g->winner || g->raised || g->failure || g->left == 0))
		decide(g);
	unref(g);
}

static int returned(lua_State *L, int status, lua_KContext context)
{
	struct child *c = (struct child *)context;

	if (status == LUA_OK || status == LUA_YIELD) {
		if (c->group->take(L, c, lua_gettop(L) - RESULTS))
			c->group->winner = c->index;
		return 0;
	}
	if (script_of(L)->guard.tripped)
		return lua_error(L);              /* out of time: no more steps here */
	lua_setfield(L, RESULTS, "error");
	c->group->raised = true;
	return 0;
}

/* owner, results, function, arguments... */
static int run_child(lua_State *L)
{
	lua_KContext context = (lua_KContext)lua_touserdata(L, OWNER);
	int status = lua_pcallk(L, lua_gettop(L) - FUNCTION, LUA_MULTRET, 0, context, returned);

	return returned(L, status, context);
}

/* Keep all results, as table.pack does. */
static void pack(lua_State *L, int results)
{
	lua_pushinteger(L, results);
	lua_setfield(L, RESULTS, "n");
	for (int i = results; i > 0; i--)
		lua_rawseti(L, RESULTS, i);
}

static bool take_first(lua_State *L, struct child *c, int results)
{
	if (results > 0) {
		lua_settop(L, RESULTS + 1);
		lua_rawseti(L, RESULTS, c->index);
	}
	return false;
}

static bool take_all(lua_State *L, struct child *c, int results)
{
	(void)c;
	pack(L, results);
	return true;
}

static bool take_value(lua_State *L, struct child *c, int results)
{
	bool value = results > 0 && !lua_isnil(L, RESULTS + 1);

	(void)c;
	pack(L, results);
	return value;
}

/* ---- the parent ---- */

/* The box takes the place of the first argument, the table of results the second. */
static struct group *group_new(lua_State *L, unsigned count)
{
	struct group **box = lua_newuserdatauv(L, sizeof(*box), 0), *g;

	*box = NULL;
	if (luaL_newmetatable(L, metatable)) {
		lua_pushcfunction(L, l_gc);
		lua_setfield(L, -2, "__gc");
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
	}
	lua_setmetatable(L, -2);
	g = *box = mem_alloc(sizeof(*g) + count * sizeof(g->children[0]));
	g->references = 1;
	g->count = count;
	timer_init(&g->timer, script_of(L)->setup.loop, on_timer, g);
	return g;
}

static void check_room(lua_State *L, struct call *c, const char *what, lua_Unsigned count)
{
	unsigned limit = script_of(L)->setup.config->lua.parallel_calls;

	if (count > limit || c->root->children + count > limit)
		luaL_error(L, "%s: more than %d functions side by side in one call (lua.parallel_calls); "
		           "take them in smaller groups", what, (int)limit);
}

/* Start child i: the table of results, then the function with its arguments on top of the stack. */
static void add_child(lua_State *L, struct group *g, unsigned i, int values)
{
	struct child *k = &g->children[i];

	k->group = g;
	k->index = (lua_Integer)i + 1;
	k->call = call_new_child(g->parent.call, on_done, on_gone, k);
	if (k->call)
		g->references++;
	if (k->call && call_start_with(k->call, run_child, L, values)) {
		g->left++;
		return;
	}
	cancel(g);
	luaL_error(L, "not enough memory");
}

static int raise_error(lua_State *L, struct group *g, int results)
{
	if (g->raised)
		lua_getfield(L, results, "error");
	else
		lua_pushstring(L, g->failure);
	return lua_error(L);
}

static int push_packed(lua_State *L, int results)
{
	int n;

	lua_getfield(L, results, "n");
	n = (int)lua_tointeger(L, -1);
	luaL_checkstack(L, n + 1, "too many results");
	for (int i = 1; i <= n; i++)
		lua_rawgeti(L, results, i);
	return n;
}

/* ---- mail.timeout ---- */

enum { BOX = 1, TABLE };              /* on the stack of the parent while it waits */

static int when_timed(lua_State *L, int status, lua_KContext context)
{
	struct group *g = (struct group *)context;

	(void)status;
	if (g->raised || g->failure)
		return raise_error(L, g, TABLE);
	if (!g->late)
		return push_packed(L, TABLE);
	lua_pushnil(L);
	lua_pushfstring(L, "no answer after %f s", g->seconds);
	lua_pushliteral(L, "timeout");
	return 3;
}

/* timeout(seconds, fn, ...) -> fn's results, or nil, a text, "timeout" */
static int l_timeout(lua_State *L)
{
	double seconds = luaL_checknumber(L, 1);
	struct call *c = call_check(L, "mail.timeout");
	struct group *g;
	int values;

	luaL_argcheck(L, seconds > 0 && seconds <= TIMEOUT_MAX_S, 1, "more than 0, up to 3600 seconds");
	luaL_checktype(L, 2, LUA_TFUNCTION);
	check_room(L, c, "mail.timeout", 1);
	values = lua_gettop(L);               /* the results, fn and its arguments */
	luaL_checkstack(L, 8, "mail.timeout");
	g = group_new(L, 1);
	lua_replace(L, BOX);
	lua_newtable(L);
	lua_pushvalue(L, -1);
	lua_insert(L, TABLE);
	lua_insert(L, TABLE);
	g->parent = call_ticket(c);
	g->take = take_all;
	g->seconds = seconds;
	add_child(L, g, 0, values);
	timer_start(&g->timer, (uint64_t)(seconds * 1000 + 0.5));
	return call_suspend(L, c, cancel, g, when_timed);
}

/* ---- mail.all, mail.any ---- */

static lua_Unsigned check_functions(lua_State *L, const char *what)
{
	lua_Unsigned count;

	luaL_checktype(L, 1, LUA_TTABLE);
	count = lua_rawlen(L, 1);
	for (lua_Unsigned i = 1; i <= count; i++) {
		if (lua_rawgeti(L, 1, (lua_Integer)i) != LUA_TFUNCTION)
			luaL_error(L, "%s: entry %d is a %s, not a function", what, (int)i, luaL_typename(L, -1));
		lua_pop(L, 1);
	}
	return count;
}

/* The list of functions at 1 becomes the box, the table of results stands at 2. */
static int start(lua_State *L, struct call *c, unsigned count,
                 bool (*take)(lua_State *L, struct child *c, int results), lua_KFunction then)
{
	struct group *g;

	lua_settop(L, 1);
	g = group_new(L, count);
	lua_createtable(L, (int)count, 2);
	g->parent = call_ticket(c);
	g->take = take;
	for (unsigned i = 0; i < count; i++) {
		lua_pushvalue(L, 3);
		lua_rawgeti(L, 1, (lua_Integer)i + 1);
		add_child(L, g, i, 2);
	}
	lua_replace(L, BOX);
	lua_insert(L, BOX);
	return call_suspend(L, c, cancel, g, then);
}

static int when_all(lua_State *L, int status, lua_KContext context)
{
	struct group *g = (struct group *)context;

	(void)status;
	if (g->raised || g->failure)
		return raise_error(L, g, TABLE);
	lua_pushvalue(L, TABLE);
	lua_pushinteger(L, (lua_Integer)g->count);
	return 2;
}

/* all { fn, ... } -> list of first results, its length */
static int l_all(lua_State *L)
{
	struct call *c = call_check(L, "mail.all");
	lua_Unsigned count = check_functions(L, "mail.all");

	check_room(L, c, "mail.all", count);
	if (count > 0)
		return start(L, c, (unsigned)count, take_first, when_all);
	lua_newtable(L);
	lua_pushinteger(L, 0);
	return 2;
}

/* Nobody had a value: what the last one said of it. */
static int when_any(lua_State *L, int status, lua_KContext context)
{
	struct group *g = (struct group *)context;

	(void)status;
	if (g->raised || g->failure)
		return raise_error(L, g, TABLE);
	if (!g->winner)
		return push_packed(L, TABLE);
	lua_rawgeti(L, TABLE, 1);
	lua_pushinteger(L, g->winner);
	return 2;
}

/* any { fn, ... } -> the first value that is not nil, its function's place in the list */
static int l_any(lua_State *L)
{
	struct call *c = call_check(L, "mail.any");
	lua_Unsigned count = check_functions(L, "mail.any");

	luaL_argcheck(L, count > 0, 1, "a list of at least one function");
	check_room(L, c, "mail.any", count);
	return start(L, c, (unsigned)count, take_value, when_any);
}

void lib_parallel_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "timeout", l_timeout }, { "all", l_all }, { "any", l_any }, { NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
}
