/* core/base for specs: slices, clock, random, digests, status, log.  Buffers, arenas and maps are
 * in bind_base_memory.c. */
#include "bind_base.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/histogram.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/place.h"
#include "base/random.h"

int luaopen_bind_base(lua_State *L);

int bind_base_status(lua_State *L, enum status st)
{
	if (st == ST_OK) {
		lua_pushboolean(L, 1);
		return 1;
	}
	lua_pushnil(L);
	lua_pushstring(L, status_name(st));
	return 2;
}

struct slice bind_base_slice(lua_State *L, int arg)
{
	struct slice s;

	s.ptr = luaL_checklstring(L, arg, &s.len);
	return s;
}

/* ---- slices ---- */

static int l_to_u64(lua_State *L)
{
	uint64_t n;
	enum status st = slice_to_u64(bind_base_slice(L, 1), &n);

	if (st != ST_OK)
		return bind_base_status(L, st);
	lua_pushinteger(L, (lua_Integer)n);
	return 1;
}

static int l_slice_test(lua_State *L)
{
	static const struct { const char *name; bool (*fn)(struct slice, struct slice); } tests[] = {
		{ "eq", slice_eq }, { "ieq", slice_ieq }, { "starts", slice_starts },
		{ "istarts", slice_istarts }, { "eq_constant_time", slice_eq_constant_time },
	};
	const char *name = luaL_checkstring(L, 1);

	for (size_t i = 0; i < COUNT_OF(tests); i++) {
		if (strcmp(tests[i].name, name) == 0) {
			lua_pushboolean(L, tests[i].fn(bind_base_slice(L, 2), bind_base_slice(L, 3)));
			return 1;
		}
	}
	return luaL_error(L, "no test %s", name);
}

static int l_slice_cmp(lua_State *L)
{
	int order = slice_cmp(bind_base_slice(L, 1), bind_base_slice(L, 2));

	lua_pushinteger(L, order < 0 ? -1 : order > 0);
	return 1;
}

static int l_slice_find(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)slice_find(bind_base_slice(L, 1), *luaL_checkstring(L, 2)));
	lua_pushinteger(L, (lua_Integer)slice_rfind(bind_base_slice(L, 1), *luaL_checkstring(L, 2)));
	return 2;
}

static int push_slice(lua_State *L, struct slice s)
{
	lua_pushlstring(L, s.len ? s.ptr : "", s.len);
	return 1;
}

static int l_slice_trim(lua_State *L)
{
	return push_slice(L, slice_trim(bind_base_slice(L, 1)));
}

/* slice_part(text, n) -> what head and what skip leave */
static int l_slice_part(lua_State *L)
{
	size_t n = (size_t)luaL_checkinteger(L, 2);

	push_slice(L, slice_head(bind_base_slice(L, 1), n));
	push_slice(L, slice_skip(bind_base_slice(L, 1), n));
	return 2;
}

/* slice_words(text, separator) -> table of all words that slice_cut gives */
static int l_slice_words(lua_State *L)
{
	struct slice rest = bind_base_slice(L, 1), word;
	char separator = *luaL_checkstring(L, 2);

	lua_newtable(L);
	for (lua_Integer i = 1; slice_cut(&rest, separator, &word) == ST_OK; i++) {
		push_slice(L, word);
		lua_rawseti(L, -2, i);
	}
	return 1;
}

/* ---- clock, random, digests, status, place ---- */

/* clock_fake(microseconds since 1970; 0: the real clock) */
static int l_clock_fake(lua_State *L)
{
	clock_fake(luaL_checkinteger(L, 1));
	return 0;
}

static int l_clock_read(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)clock_us());
	lua_pushinteger(L, (lua_Integer)clock_ms());
	lua_pushinteger(L, clock_wall_us());
	lua_pushinteger(L, clock_wall());
	return 4;
}

static int l_random_bytes(lua_State *L)
{
	luaL_Buffer b;
	size_t len = (size_t)luaL_checkinteger(L, 1);

	random_bytes(luaL_buffinitsize(L, &b, len), len);
	luaL_pushresultsize(&b, len);
	return 1;
}

static int l_random_id(lua_State *L)
{
	luaL_Buffer b;
	size_t len = (size_t)luaL_checkinteger(L, 1);

	random_id(luaL_buffinitsize(L, &b, len + 1), len);
	luaL_pushresultsize(&b, len);
	return 1;
}

static int push_hex(lua_State *L, const unsigned char *octets, size_t len)
{
	char text[2 * SHA256_SIZE + 1];

	digest_hex(octets, len, text);
	lua_pushstring(L, text);
	return 1;
}

static int l_sha256(lua_State *L)
{
	unsigned char out[SHA256_SIZE];

	digest_sha256(bind_base_slice(L, 1), out);
	return push_hex(L, out, sizeof(out));
}

static int l_md5(lua_State *L)
{
	unsigned char out[MD5_SIZE];

	digest_md5(bind_base_slice(L, 1), out);
	return push_hex(L, out, sizeof(out));
}

static int l_hmac_sha256(lua_State *L)
{
	unsigned char out[SHA256_SIZE];

	digest_hmac_sha256(bind_base_slice(L, 1), bind_base_slice(L, 2), out);
	return push_hex(L, out, sizeof(out));
}

static int l_hmac_md5(lua_State *L)
{
	unsigned char out[MD5_SIZE];

	digest_hmac_md5(bind_base_slice(L, 1), bind_base_slice(L, 2), out);
	return push_hex(L, out, sizeof(out));
}

static int l_pbkdf2_sha256(lua_State *L)
{
	unsigned char out[SHA256_SIZE];

	digest_pbkdf2_sha256(bind_base_slice(L, 1), bind_base_slice(L, 2),
	                     (unsigned)luaL_checkinteger(L, 3), out);
	return push_hex(L, out, sizeof(out));
}

/* status_list() -> { NAME = text, ... } and how many there are */
static int l_status_list(lua_State *L)
{
	lua_newtable(L);
	for (int st = 0; st < ST__COUNT; st++) {
		lua_pushstring(L, status_text((enum status)st));
		lua_setfield(L, -2, status_name((enum status)st));
	}
	lua_pushinteger(L, ST__COUNT);
	return 2;
}

static int l_place_data(lua_State *L)
{
	lua_pushstring(L, place_data());
	return 1;
}

/* ---- log and memory ---- */

/* log_to(path or nil for stderr, "json" or nil, level number, process name) */
static int l_log_to(lua_State *L)
{
	const char *path = luaL_optstring(L, 1, NULL);
	enum status st = log_open(path ? LOG_TO_FILE : LOG_TO_STDERR, path);

	log_set_format(lua_isnoneornil(L, 2) ? LOG_KEY_VALUE : LOG_JSON);
	log_set_level((enum log_level)luaL_optinteger(L, 3, LOG_LEVEL_INFO));
	log_set_process(luaL_optstring(L, 4, "moonpost"));
	return bind_base_status(L, st);
}

static int l_log_reopen(lua_State *L)
{
	return bind_base_status(L, log_reopen());
}

/* log(level number, event, key, value, key2, value2): values may be nil */
static int l_log(lua_State *L)
{
	enum log_level level = (enum log_level)luaL_checkinteger(L, 1);

	log_event(level, luaL_checkstring(L, 2), luaL_optstring(L, 3, NULL), luaL_optstring(L, 4, NULL),
	          luaL_optstring(L, 5, NULL), luaL_optstring(L, 6, NULL), NULL);
	return 0;
}

static int l_log_u64(lua_State *L)
{
	lua_pushstring(L, log_u64((uint64_t)luaL_checkinteger(L, 1)));
	return 1;
}

/* die(text): for a child process of a spec */
static int l_die(lua_State *L)
{
	die("%s", luaL_checkstring(L, 1));
}

/* mem_copies(text) -> the copies that mem_strdup, mem_slice_dup and mem_printf make */
static int l_mem_copies(lua_State *L)
{
	struct slice s = bind_base_slice(L, 1);
	char *a = mem_strdup(s.ptr), *b = mem_slice_dup(s), *c = mem_printf("<%s>", s.ptr);

	lua_pushstring(L, a);
	lua_pushstring(L, b);
	lua_pushstring(L, c);
	lua_pushboolean(L, mem_strdup(NULL) == NULL);
	free(a);
	free(b);
	free(c);
	return 4;
}

/* mem_array(count, size): dies on overflow and when memory is out */
static int l_mem_array(lua_State *L)
{
	free(mem_array((size_t)luaL_checkinteger(L, 1), (size_t)luaL_checkinteger(L, 2)));
	return 0;
}

/* histogram({value, ...}, percent, {value, ...}) -> number; the second list merged from another one */
static int l_histogram(lua_State *L)
{
	struct histogram h = { 0 }, other = { 0 };

	for (lua_Integer i = 1; i <= luaL_len(L, 1); i++) {
		lua_rawgeti(L, 1, i);
		histogram_add(&h, (uint64_t)lua_tointeger(L, -1));
		lua_pop(L, 1);
	}
	for (lua_Integer i = 1; lua_istable(L, 3) && i <= luaL_len(L, 3); i++) {
		lua_rawgeti(L, 3, i);
		histogram_add(&other, (uint64_t)lua_tointeger(L, -1));
		lua_pop(L, 1);
	}
	histogram_merge(&h, &other);
	lua_pushinteger(L, (lua_Integer)histogram_percentile(&h, (unsigned)luaL_checkinteger(L, 2)));
	return 1;
}

int luaopen_bind_base(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "to_u64", l_to_u64 },
		{ "slice_test", l_slice_test },
		{ "slice_cmp", l_slice_cmp },
		{ "slice_find", l_slice_find },
		{ "slice_trim", l_slice_trim },
		{ "slice_part", l_slice_part },
		{ "slice_words", l_slice_words },
		{ "clock_fake", l_clock_fake },
		{ "clock_read", l_clock_read },
		{ "random_bytes", l_random_bytes },
		{ "random_id", l_random_id },
		{ "sha256", l_sha256 },
		{ "md5", l_md5 },
		{ "hmac_sha256", l_hmac_sha256 },
		{ "hmac_md5", l_hmac_md5 },
		{ "pbkdf2_sha256", l_pbkdf2_sha256 },
		{ "status_list", l_status_list },
		{ "place_data", l_place_data },
		{ "log_to", l_log_to },
		{ "log_reopen", l_log_reopen },
		{ "log", l_log },
		{ "log_u64", l_log_u64 },
		{ "die", l_die },
		{ "mem_copies", l_mem_copies },
		{ "mem_array", l_mem_array },
		{ "histogram", l_histogram },
		{ NULL, NULL },
	};

	luaL_newlib(L, functions);
	bind_base_memory(L);
	return 1;
}
