/* mail.base64, mail.sha256, mail.hex: what credentials and names are made of. */
#include "script/lib.h"

#include <lauxlib.h>

#include "base/digest.h"
#include "base/random.h"
#include "mail/base64.h"

static struct slice check_slice(lua_State *L, int index)
{
	struct slice s;

	s.ptr = luaL_checklstring(L, index, &s.len);
	return s;
}

/* base64.encode(octets) -> text */
static int l_encode(lua_State *L)
{
	struct slice in = check_slice(L, 1);
	struct buf out;

	buf_init(&out, 0);
	(void)base64_encode(in, &out);
	lib_push_slice(L, buf_slice(&out));
	buf_free(&out);
	return 1;
}

/* base64.decode(text) -> octets, or nil and why */
static int l_decode(lua_State *L)
{
	struct slice in = check_slice(L, 1);
	struct buf out;
	enum status st;

	buf_init(&out, 0);
	st = base64_decode(in, &out);
	if (st == ST_OK)
		lib_push_slice(L, buf_slice(&out));
	buf_free(&out);
	return st == ST_OK ? 1 : lib_fail(L, "not base64");
}

/* sha256(octets) -> 32 octets */
static int l_sha256(lua_State *L)
{
	unsigned char out[SHA256_SIZE];

	digest_sha256(check_slice(L, 1), out);
	lua_pushlstring(L, (const char *)out, sizeof(out));
	return 1;
}

/* hmac_sha256(key, octets) -> 32 octets */
static int l_hmac_sha256(lua_State *L)
{
	unsigned char out[SHA256_SIZE];

	digest_hmac_sha256(check_slice(L, 1), check_slice(L, 2), out);
	lua_pushlstring(L, (const char *)out, sizeof(out));
	return 1;
}

/* hex(octets) -> lower-case hexadecimal digits */
static int l_hex(lua_State *L)
{
	struct slice in = check_slice(L, 1);
	luaL_Buffer b;
	char *room = luaL_buffinitsize(L, &b, 2 * in.len + 1);

	digest_hex((const unsigned char *)in.ptr, in.len, room);
	luaL_pushresultsize(&b, 2 * in.len);
	return 1;
}

/* random(n) -> n characters of 0-9 a-z, fit for names nobody can guess */
static int l_random(lua_State *L)
{
	lua_Integer n = luaL_optinteger(L, 1, 16);
	char out[129];

	luaL_argcheck(L, n >= 1 && n <= 128, 1, "1 to 128 characters");
	random_id(out, (size_t)n);
	lua_pushlstring(L, out, (size_t)n);
	return 1;
}

void lib_bytes_register(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "sha256", l_sha256 }, { "hmac_sha256", l_hmac_sha256 }, { "hex", l_hex },
		{ "random", l_random }, { NULL, NULL },
	};
	static const luaL_Reg base64[] = {
		{ "encode", l_encode }, { "decode", l_decode }, { NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
	luaL_newlib(L, base64);
	lua_setfield(L, -2, "base64");
}
