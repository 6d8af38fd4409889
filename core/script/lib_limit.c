/* mail.limit: token buckets of the store process, so that all workers take from the same one. */
#include "script/lib.h"

#include <math.h>

#include <lauxlib.h>

#include "base/digest.h"
#include "script/dicts.h"
#include "script/state.h"

static const char metatable[] = "moonpost.Limit";

/* Rates between one token in a month and a million a second; a bucket fills within a year. */
static const double rate_min = 1.0 / (31 * 86400), rate_max = 1e6, fill_max_s = 366 * 86400;

struct limit {
	struct dicts_name name;
	int64_t           interval_ns;    /* one token */
	int64_t           capacity_ns;    /* the whole bucket */
};

static int64_t wanted_ns(lua_State *L, const struct limit *l)
{
	double n = luaL_optnumber(L, 3, 1);

	luaL_argcheck(L, n >= 0, 3, "tokens: 0 (only look) or more");
	double ns = ceil(n * (double)l->interval_ns);

	return ns > (double)l->capacity_ns ? -1 : (int64_t)ns;
}

/* Addresses and names that clients choose may be longer than a key: then their digest stands for
 * them, so that length is no way around a limit. */
static struct slice short_key(lua_State *L, unsigned char digest[SHA256_SIZE])
{
	struct slice key;

	key.ptr = luaL_checklstring(L, 2, &key.len);
	if (key.len <= script_of(L)->setup.config->store.dict.max_key_octets)
		return key;
	digest_sha256(key, digest);
	/* Keys may be as short as 16 octets: as much of it as fits. */
	return slice_head(slice_of(digest, SHA256_SIZE),
	                  script_of(L)->setup.config->store.dict.max_key_octets);
}

static int when_taken(lua_State *L, int status, lua_KContext context)
{
	struct dicts_question *a = (struct dicts_question *)context;
	struct limit *l = lua_touserdata(L, 1);

	(void)status;
	if (a->status != ST_OK)
		return dicts_fail(L, a);
	lua_pushboolean(L, a->answer.done);
	if (a->answer.done) {
		lua_pushinteger(L, a->answer.ns / l->interval_ns);
		return 2;
	}
	lua_pushinteger(L, (a->answer.ns + 999999999) / 1000000000);
	lua_pushnumber(L, (double)a->answer.ns / 1e9);
	return 3;
}

/* limit:take(key, n) -> true, tokens left; or false, whole seconds to wait, the same exactly */
static int l_take(lua_State *L)
{
	struct limit *l = luaL_testudata(L, 1, metatable);
	unsigned char digest[SHA256_SIZE];
	char key[DICT_KEY_MAX];

	if (!l)
		return luaL_error(L, "write limit:take(...), with a colon");
	lua_settop(L, 3);
	struct slice text = short_key(L, digest);
	struct dict_query q = {
		.op = DICT_TAKE, .owner = slice_from(l->name.owner), .amount = wanted_ns(L, l),
		.ceiling = l->capacity_ns,
	};

	if (q.amount < 0) {
		(void)lib_fail(L, "%g tokens are more than the burst: they never come together",
		               lua_tonumber(L, 3));
		lua_pushliteral(L, "limit");
		return 3;
	}
	q.key = slice_of(key, dicts_key(L, &l->name, text, key));
	return dicts_ask(L, &q, when_taken, "limit:take");
}

/* ---- mail.limit ---- */

static double check_field(lua_State *L, const char *field)
{
	if (lua_getfield(L, 1, field) != LUA_TNUMBER)
		luaL_error(L, "mail.limit: %s is a number, not a %s", field, luaL_typename(L, -1));
	double n = lua_tonumber(L, -1);

	lua_pop(L, 1);
	return n;
}

static void read_rate(lua_State *L, struct limit *l)
{
	double rate = check_field(L, "rate"), burst = check_field(L, "burst");

	if (!(rate >= rate_min && rate <= rate_max))
		luaL_error(L, "mail.limit: rate is tokens per second, from one in 31 days (1 / 2678400) to "
		           "1000000");
	if (!(burst >= 1 && burst / rate <= fill_max_s))
		luaL_error(L, "mail.limit: burst is at least 1, and the bucket fills within a year: burst / "
		           "rate is at most %d seconds", (int)fill_max_s);
	/* Rounded up: never more tokens than the rate says. */
	l->interval_ns = (int64_t)ceil(1e9 / rate);
	l->capacity_ns = (int64_t)floor(burst * (double)l->interval_ns);
}

/* limit{ name =, rate =, burst =, shared = } -> buckets, one for each key; while the plugin loads */
static int l_limit(lua_State *L)
{
	static const char *const known[] = { "name", "rate", "burst", "shared", NULL };
	struct limit read = { .interval_ns = 0 }, *l;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	dicts_check_options(L, 1, known, "mail.limit");
	read_rate(L, &read);
	lua_getfield(L, 1, "shared");
	if (lua_getfield(L, 1, "name") != LUA_TSTRING)
		return luaL_error(L, "mail.limit: name is a string that tells this limit from others, such as "
		                  "name = \"messages\"");
	dicts_declare(L, &read.name, DICTS_LIMIT, lua_tostring(L, -1), lua_toboolean(L, -2),
	              "mail.limit");
	l = lua_newuserdatauv(L, sizeof(*l), 0);
	*l = read;
	luaL_setmetatable(L, metatable);
	return 1;
}

void lib_limit_register(lua_State *L)
{
	static const luaL_Reg methods[] = { { "take", l_take }, { NULL, NULL } };

	if (luaL_newmetatable(L, metatable)) {
		luaL_newlib(L, methods);
		lua_setfield(L, -2, "__index");
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
	}
	lua_pop(L, 1);
	lua_pushcfunction(L, l_limit);
	lua_setfield(L, -2, "limit");
}
