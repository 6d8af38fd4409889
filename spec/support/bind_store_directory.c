/* core/store for specs: users, domains, aliases. */
#include "bind_store.h"

#include <stdlib.h>

#include "base/mem.h"

static const char *text_field(lua_State *L, int t, const char *key)
{
	lua_getfield(L, t, key);
	const char *text = lua_tostring(L, -1);

	lua_pop(L, 1);                        /* the table keeps it */
	return text;
}

static struct slice bytes_field(lua_State *L, int t, const char *key)
{
	struct slice s = SLICE_NONE;

	lua_getfield(L, t, key);
	if (lua_isstring(L, -1))
		s.ptr = lua_tolstring(L, -1, &s.len);
	lua_pop(L, 1);
	return s;
}

static lua_Integer integer_field(lua_State *L, int t, const char *key)
{
	lua_getfield(L, t, key);
	lua_Integer n = lua_tointeger(L, -1);

	lua_pop(L, 1);
	return n;
}

/* client:user_put({name=..., password=...}, create) -> op */
static int l_user_put(lua_State *L)
{
	struct client *c = store_check_client(L);
	struct store_user u = {
		.name = (char *)(uintptr_t)text_field(L, 2, "name"),
		.password = (char *)(uintptr_t)text_field(L, 2, "password"),
		.plain = (char *)(uintptr_t)text_field(L, 2, "plain"),
		.scram_salt = bytes_field(L, 2, "scram_salt"),
		.scram_stored_key = bytes_field(L, 2, "scram_stored_key"),
		.scram_server_key = bytes_field(L, 2, "scram_server_key"),
		.scram_iterations = (unsigned)integer_field(L, 2, "scram_iterations"),
		.quota_octets = (uint64_t)integer_field(L, 2, "quota_octets"),
		.quota_messages = (uint64_t)integer_field(L, 2, "quota_messages"),
		.created = integer_field(L, 2, "created"),
		.disabled = integer_field(L, 2, "disabled") != 0,
	};

	store_user_put(c->client, &u, lua_toboolean(L, 3), store_op_done, store_new_op(c, L));
	return 1;
}

static void set_text(lua_State *L, const char *key, const char *text)
{
	lua_pushstring(L, text);
	lua_setfield(L, -2, key);
}

static void set_bytes(lua_State *L, const char *key, struct slice s)
{
	lua_pushlstring(L, s.len ? s.ptr : "", s.len);
	lua_setfield(L, -2, key);
}

static void set_integer(lua_State *L, const char *key, uint64_t n)
{
	lua_pushinteger(L, (lua_Integer)n);
	lua_setfield(L, -2, key);
}

static void push_user(lua_State *L, const struct store_user *u)
{
	lua_newtable(L);
	set_text(L, "name", u->name);
	set_text(L, "password", u->password);
	set_text(L, "plain", u->plain);
	set_bytes(L, "scram_salt", u->scram_salt);
	set_bytes(L, "scram_stored_key", u->scram_stored_key);
	set_bytes(L, "scram_server_key", u->scram_server_key);
	set_integer(L, "scram_iterations", u->scram_iterations);
	set_integer(L, "quota_octets", u->quota_octets);
	set_integer(L, "quota_messages", u->quota_messages);
	set_integer(L, "created", (uint64_t)u->created);
	set_integer(L, "disabled", u->disabled);
}

static int l_user_get(lua_State *L)
{
	struct client *c = store_check_client(L);
	struct store_user u;
	struct arena a;

	arena_init(&a);
	enum status st = store_user_get(c->client, slice_from(luaL_checkstring(L, 2)), &a, &u);

	if (st == ST_OK)
		push_user(L, &u);
	arena_reset(&a);
	return st == ST_OK ? 1 : store_push_status(L, st);
}

static int l_user_names(lua_State *L)
{
	struct client *c = store_check_client(L);
	struct store_user u;
	struct arena a;
	char *cursor = NULL;

	arena_init(&a);
	lua_newtable(L);
	for (lua_Integer i = 1; store_user_next(c->client, &cursor, &a, &u) == ST_OK; i++) {
		lua_pushstring(L, u.name);
		lua_rawseti(L, -2, i);
	}
	arena_reset(&a);
	return 1;
}

/* client:domain_put(name, catch-all or nil) -> op */
static int l_domain_put(lua_State *L)
{
	struct client *c = store_check_client(L);
	struct store_domain d = {
		.name = (char *)(uintptr_t)luaL_checkstring(L, 2),
		.catch_all = (char *)(uintptr_t)luaL_optstring(L, 3, NULL),
	};

	store_domain_put(c->client, &d, store_op_done, store_new_op(c, L));
	return 1;
}

/* client:domain(name) -> name, catch-all */
static int l_domain_get(lua_State *L)
{
	struct client *c = store_check_client(L);
	struct store_domain d;
	struct arena a;

	arena_init(&a);
	enum status st = store_domain_get(c->client, slice_from(luaL_checkstring(L, 2)), &a, &d);

	if (st == ST_OK) {
		lua_pushstring(L, d.name);
		lua_pushstring(L, d.catch_all);
	}
	arena_reset(&a);
	return st == ST_OK ? 2 : store_push_status(L, st);
}

static int l_domain_names(lua_State *L)
{
	struct client *c = store_check_client(L);
	struct store_domain d;
	struct arena a;
	char *cursor = NULL;

	arena_init(&a);
	lua_newtable(L);
	for (lua_Integer i = 1; store_domain_next(c->client, &cursor, &a, &d) == ST_OK; i++) {
		lua_pushstring(L, d.name);
		lua_rawseti(L, -2, i);
	}
	arena_reset(&a);
	return 1;
}

/* client:alias_put(address, {target, ...}) -> op */
static int l_alias_put(lua_State *L)
{
	struct client *c = store_check_client(L);
	struct store_alias alias = { .address = (char *)(uintptr_t)luaL_checkstring(L, 2) };

	alias.target_count = (unsigned)luaL_len(L, 3);
	alias.targets = mem_array(alias.target_count, sizeof(char *));
	for (unsigned i = 0; i < alias.target_count; i++) {
		lua_rawgeti(L, 3, (lua_Integer)i + 1);
		alias.targets[i] = (char *)(uintptr_t)lua_tostring(L, -1);
		lua_pop(L, 1);
	}
	store_alias_put(c->client, &alias, store_op_done, store_new_op(c, L));
	free(alias.targets);
	return 1;
}

static void push_targets(lua_State *L, const struct store_alias *alias)
{
	lua_newtable(L);
	for (unsigned i = 0; i < alias->target_count; i++) {
		lua_pushstring(L, alias->targets[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

static int l_alias_get(lua_State *L)
{
	struct client *c = store_check_client(L);
	struct store_alias alias;
	struct arena a;

	arena_init(&a);
	enum status st = store_alias_get(c->client, slice_from(luaL_checkstring(L, 2)), &a, &alias);

	if (st == ST_OK)
		push_targets(L, &alias);
	arena_reset(&a);
	return st == ST_OK ? 1 : store_push_status(L, st);
}

static int l_alias_names(lua_State *L)
{
	struct client *c = store_check_client(L);
	struct store_alias alias;
	struct arena a;
	char *cursor = NULL;

	arena_init(&a);
	lua_newtable(L);
	for (lua_Integer i = 1; store_alias_next(c->client, &cursor, &a, &alias) == ST_OK; i++) {
		lua_pushstring(L, alias.address);
		lua_rawseti(L, -2, i);
	}
	arena_reset(&a);
	return 1;
}

const luaL_Reg store_directory_methods[] = {
	{ "user_put", l_user_put }, { "user", l_user_get }, { "user_names", l_user_names },
	{ "domain_put", l_domain_put }, { "domain", l_domain_get }, { "domain_names", l_domain_names },
	{ "alias_put", l_alias_put }, { "alias", l_alias_get }, { "alias_names", l_alias_names },
	{ NULL, NULL },
};
