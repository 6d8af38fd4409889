/* core/store for specs: check, backup, compact. */
#include "bind_store.h"

#include <stdlib.h>

#include "store/maintain.h"

static void on_problem(void *owner, const char *text)
{
	lua_State *L = owner;

	lua_pushstring(L, text);
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

/* check(settings) -> {problem, ...}, report; or nil and the error */
static int l_check(lua_State *L)
{
	struct store_settings s = store_settings_at(L, 1);
	struct maintain_report report;
	char *error;

	lua_newtable(L);
	if (maintain_check(&s, NULL, on_problem, L, &report, &error) != ST_OK)
		return store_push_failure(L, error);
	lua_newtable(L);
#define FIELD(name) (lua_pushinteger(L, (lua_Integer)report.name), lua_setfield(L, -2, #name))
	FIELD(mailboxes);
	FIELD(rows);
	FIELD(messages);
	FIELD(octets);
	FIELD(files);
	FIELD(entries);
	FIELD(problems);
#undef FIELD
	return 2;
}

static void count_progress(void *owner, const char *what, uint64_t done, uint64_t total)
{
	(void)what, (void)done, (void)total;
	++*(lua_Integer *)owner;
}

/* backup(settings, to) -> number of progress calls; or nil and the error */
static int l_backup(lua_State *L)
{
	struct store_settings s = store_settings_at(L, 1);
	lua_Integer calls = 0;
	char *error;

	if (maintain_backup(&s, luaL_checkstring(L, 2), count_progress, &calls, &error) != ST_OK)
		return store_push_failure(L, error);
	lua_pushinteger(L, calls);
	return 1;
}

/* compact(settings) -> octets before, octets after; or nil, the error, the status */
static int l_compact(lua_State *L)
{
	struct store_settings s = store_settings_at(L, 1);
	uint64_t before, after;
	char *error;
	enum status st = maintain_compact(&s, NULL, NULL, &before, &after, &error);

	if (st != ST_OK) {
		store_push_failure(L, error);
		lua_pushstring(L, status_name(st));
		return 3;
	}
	lua_pushinteger(L, (lua_Integer)before);
	lua_pushinteger(L, (lua_Integer)after);
	return 2;
}

const luaL_Reg store_maintain_functions[] = {
	{ "check", l_check }, { "backup", l_backup }, { "compact", l_compact }, { NULL, NULL },
};
