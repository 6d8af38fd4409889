/* Loading plugins: compile, run with a plugin object, keep what they register. */
#include "script/plugin.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "hook/question.h"
#include "script/every.h"
#include "script/filters.h"
#include "script/ledger.h"
#include "script/lib_hooks.h"
#include "script/lifecycle.h"
#include "script/near.h"
#include "script/options.h"
#include "script/sandbox.h"
#include "script/state.h"
#include "script/stats.h"

static const char metatable[] = "moonpost.Plugin";

enum { LOAD_MS = 5000 };

const char *plugin_name(const struct plugin *p)
{
	return p ? p->name : "core";
}

void plugin_failed(struct plugin *p)
{
	if (p)
		p->failures++;
}

bool plugin_may_touch(const struct plugin *p, const char *path)
{
	if (p->trusted)
		return true;
	if (strstr(path, "/../") || strcmp(path, "..") == 0 || strncmp(path, "../", 3) == 0 ||
	    (strlen(path) > 2 && strcmp(path + strlen(path) - 3, "/..") == 0))
		return false;
	LIST_EACH(&p->paths, link) {
		const char *allowed = CONTAINER_OF(link, struct plugin_path, link)->path;
		size_t len = strlen(allowed);

		if (strncmp(path, allowed, len) == 0 && (path[len] == '\0' || path[len] == '/'))
			return true;
	}
	return false;
}

/* ---- plugin:hook ---- */

static struct plugin *check_plugin(lua_State *L, const char *method)
{
	struct plugin **box = luaL_testudata(L, 1, metatable);

	if (!box) {
		luaL_error(L, "write plugin:%s(...), with a colon", method);
		return NULL;                      /* never reached: the error unwinds */
	}
	return *box;
}

static int unknown_hook(lua_State *L, const char *name)
{
	struct script_near n = { .word = slice_from(name) };
	const struct hook_row *row;

	for (unsigned i = 0; (row = hook_row_at(i)) != NULL; i++)
		script_near_offer(&n, slice_from(row->name));
	if (n.best.len == 0)
		return luaL_error(L, "there is no hook \"%s\"", name);
	lua_pushlstring(L, n.best.ptr, n.best.len);
	return luaL_error(L, "there is no hook \"%s\"; did you mean \"%s\"?", name, lua_tostring(L, -1));
}

/* "plugins/one.lua:12" of the function at index; heap. */
static char *place_of(lua_State *L, int index)
{
	lua_Debug ar;

	lua_pushvalue(L, index);
	lua_getinfo(L, ">S", &ar);
	return mem_printf("%s:%d", ar.short_src, ar.linedefined);
}

static int add_listener(lua_State *L, struct plugin *p, struct list *list, const char *hook)
{
	struct listener *l, read = { .hook = hook, .home = list, .plugin = p, .services = ~0u, .tls = -1,
	                             .signed_in = -1 };

	luaL_checktype(L, 3, LUA_TFUNCTION);
	filters_read(L, 4, &read);
	lua_pushvalue(L, 3);
	read.fn = luaL_ref(L, LUA_REGISTRYINDEX);
	l = MEM_NEW(struct listener);
	*l = read;
	l->listeners = filters_names(L, 4);
	l->place = place_of(L, 3);
	list_init(&l->link);
	list_append(&p->listeners, &l->link);
	(void)stats_of(p, hook);              /* status shows hooks that were never called, too */
	return 0;
}

static int add_backend(lua_State *L, struct plugin *p)
{
	static const char *const known[] = { "open", "list", "read", "append", "delete", "close",
	                                     "uidl", "lock" };
	struct backend *b;

	luaL_checktype(L, 3, LUA_TTABLE);
	for (lua_pushnil(L); lua_next(L, 3); lua_pop(L, 1)) {
		struct script_near n = { .word = SLICE("") };
		bool found = false;

		if (lua_type(L, -2) == LUA_TSTRING)
			n.word = slice_from(lua_tostring(L, -2));
		for (size_t i = 0; i < COUNT_OF(known); i++) {
			found = found || slice_eq(n.word, slice_from(known[i]));
			script_near_offer(&n, slice_from(known[i]));
		}
		if (!found)
			return luaL_error(L, "a mailbox backend has no function \"%s\"%s%s%s", n.word.ptr,
			                  n.best.len ? "; did you mean \"" : "", n.best.len ? n.best.ptr : "",
			                  n.best.len ? "\"?" : "");
		if (!lua_isfunction(L, -1))
			return luaL_error(L, "mailbox backend: %s is a %s, not a function", n.word.ptr,
			                  luaL_typename(L, -1));
	}
	if (lua_getfield(L, 3, "open") == LUA_TNIL)
		return luaL_error(L, "a mailbox backend needs a function open(session, name)");
	b = MEM_NEW(struct backend);
	list_init(&b->link);
	b->plugin = p;
	b->appends = lua_getfield(L, 3, "append") == LUA_TFUNCTION;
	b->locks = lua_getfield(L, 3, "lock") == LUA_TFUNCTION;
	lua_pushvalue(L, 3);
	b->table = luaL_ref(L, LUA_REGISTRYINDEX);
	(void)stats_of(p, "mailbox");
	list_append(&p->backends, &b->link);
	return 0;
}

/* plugin:hook(name, fn or backend, filters) */
static int l_hook(lua_State *L)
{
	struct plugin *p = check_plugin(L, "hook");
	const char *name = luaL_checkstring(L, 2), *known;
	struct list *list;

	if (!p->loading)
		return luaL_error(L, "plugin:hook: hooks are registered while the plugin loads, not later");
	lua_settop(L, 4);
	for (unsigned i = 0; i < HOOK__COUNT; i++)
		if (strcmp(hook_name(i), name) == 0)
			return add_listener(L, p, &p->script->listeners[i], hook_name(i));
	for (unsigned i = 0; i < OBSERVER__COUNT; i++)
		if (strcmp(hook_row_of_observer(i)->name, name) == 0)
			return add_listener(L, p, &p->script->observers, hook_row_of_observer(i)->name);
	known = lifecycle_hook(p->script, name, &list);
	if (known)
		return add_listener(L, p, list, known);
	if (strcmp(name, "mailbox") == 0)
		return add_backend(L, p);
	return unknown_hook(L, name);
}

/* plugin:state(name, default) -> a table that the plugin keeps; the same one for each name */
static int l_state(lua_State *L)
{
	struct plugin *p = check_plugin(L, "state");

	(void)luaL_checkstring(L, 2);
	lua_settop(L, 3);
	lua_rawgeti(L, LUA_REGISTRYINDEX, p->state);
	lua_pushvalue(L, 2);
	if (lua_gettable(L, 4) != LUA_TNIL)
		return 1;
	lua_pop(L, 1);
	if (lua_isnil(L, 3)) {
		lua_newtable(L);
		lua_replace(L, 3);
	}
	lua_pushvalue(L, 2);
	lua_pushvalue(L, 3);
	lua_settable(L, 4);
	lua_pushvalue(L, 3);
	return 1;
}

static int l_options(lua_State *L)
{
	return options_read(L, check_plugin(L, "options"));
}

/* plugin:every(seconds, fn, { on =, jitter =, now = }) */
static int l_every(lua_State *L)
{
	return every_push(L, check_plugin(L, "every"), 2);
}

static int l_index(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "hook", l_hook }, { "options", l_options }, { "state", l_state },
		{ "every", l_every },
	};
	struct plugin *p = check_plugin(L, "?");
	const char *key = luaL_checkstring(L, 2);

	if (strcmp(key, "name") == 0) {
		lua_pushstring(L, p->name);
		return 1;
	}
	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		if (strcmp(key, methods[i].name) == 0) {
			lua_pushcfunction(L, methods[i].func);
			return 1;
		}
	}
	return luaL_error(L, "plugin has no \"%s\"; there are hook, options, state, every and name", key);
}

static void push_object(lua_State *L, struct plugin *p)
{
	struct plugin **box = lua_newuserdatauv(L, sizeof(*box), 0);

	*box = p;
	if (luaL_newmetatable(L, metatable)) {
		lua_pushcfunction(L, l_index);
		lua_setfield(L, -2, "__index");
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
	}
	lua_setmetatable(L, -2);
}

/* ---- loading ---- */

static int l_load(lua_State *L)
{
	struct plugin *p = lua_touserdata(L, 1);

	if (p->state == LUA_NOREF) {
		lua_newtable(L);
		p->state = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	lua_newtable(L);
	p->modules = luaL_ref(L, LUA_REGISTRYINDEX);
	sandbox_push(L, p);
	lua_pushvalue(L, -1);
	p->environment = luaL_ref(L, LUA_REGISTRYINDEX);
	if (luaL_loadfilex(L, p->config->file, "t") != LUA_OK)
		return lua_error(L);
	lua_insert(L, -2);
	lua_setupvalue(L, -2, 1);
	push_object(L, p);
	lua_call(L, 1, 0);
	return 0;
}

static char *directory_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash ? mem_slice_dup(slice_of(file, (size_t)(slash - file))) : mem_strdup(".");
}

/* "plugins/antispam.lua" is known as antispam, "plugins/archive/init.lua" as archive. */
static char *name_of(const struct config_plugin *config)
{
	struct slice name = slice_from(config->name);
	size_t slash = slice_rfind(name, '/');

	if (slash < name.len)
		name = slice_skip(name, slash + 1);
	if (name.len > 4 && memcmp(name.ptr + name.len - 4, ".lua", 4) == 0)
		name.len -= 4;
	return mem_slice_dup(name);
}

struct plugin *plugin_new(struct script *s, const struct config_plugin *config, unsigned index)
{
	struct plugin *p = MEM_NEW(struct plugin);
	struct list *lists[] = { &p->link, &p->paths, &p->timers, &p->stats, &p->listeners,
	                         &p->backends };

	p->script = s;
	p->config = config;
	p->index = index;
	p->name = name_of(config);
	p->directory = directory_of(config->file);
	p->trusted = config->trusted;
	p->environment = p->modules = p->state = LUA_NOREF;
	for (size_t i = 0; i < COUNT_OF(lists); i++)
		list_init(lists[i]);
	return p;
}

bool plugin_run(struct plugin *p, char **error)
{
	struct script *s = p->script;
	char *why = NULL;

	p->loading = true;
	s->loading = p;
	bool loaded = script_protect(s, l_load, p, LOAD_MS, &why);

	s->loading = NULL;
	p->loading = false;
	if (loaded)
		return true;
	*error = mem_printf("plugin %s (%s): %s", p->name, p->config->where, why);
	free(why);
	return false;
}

bool plugin_load(struct script *s, unsigned i, char **error)
{
	struct plugin *p = plugin_new(s, &s->setup.config->plugins[i], i);

	list_append(&s->plugins, &p->link);
	if (!plugin_run(p, error))
		return false;
	ledger_publish(p);
	return true;
}

void plugin_free(struct plugin *p)
{
	stats_free(p);
	for (struct list *link; (link = list_shift(&p->paths)) != NULL;) {
		struct plugin_path *path = CONTAINER_OF(link, struct plugin_path, link);

		free(path->path);
		free(path);
	}
	list_remove(&p->link);
	free(p->name);
	free(p->directory);
	free(p);
}
