/* core/mail/sasl and saslprep for specs: scram() is a server exchange to be fed message by
 * message.  Functions that can fail answer nil and the status name. */
#include <lauxlib.h>
#include <lua.h>

#include "mail/sasl.h"
#include "mail/saslprep.h"

int luaopen_bind_mail_sasl(lua_State *L);

#define SCRAM "moonpost.spec.scram"

static struct slice check_slice(lua_State *L, int index)
{
	struct slice s;

	s.ptr = luaL_checklstring(L, index, &s.len);
	return s;
}

static int push_status(lua_State *L, enum status st)
{
	lua_pushnil(L);
	lua_pushstring(L, status_name(st));
	return 2;
}

static void push_slice(lua_State *L, struct slice s)
{
	lua_pushlstring(L, s.len ? s.ptr : "", s.len);
}

static int push_buf(lua_State *L, enum status st, struct buf *b)
{
	if (st == ST_OK)
		push_slice(L, buf_slice(b));
	buf_free(b);
	return st == ST_OK ? 1 : push_status(L, st);
}

/* plain(message) -> authzid, user, password */
static int l_plain(lua_State *L)
{
	struct slice authzid, user, password;
	enum status st = sasl_plain_parse(check_slice(L, 1), &authzid, &user, &password);

	if (st != ST_OK)
		return push_status(L, st);
	push_slice(L, authzid);
	push_slice(L, user);
	push_slice(L, password);
	return 3;
}

typedef enum status bearer_parse_fn(struct slice in, struct buf *user, struct slice *token);

static int bearer(lua_State *L, bearer_parse_fn *parse)
{
	struct buf user;
	struct slice token = SLICE_NONE;

	buf_init(&user, 0);
	enum status st = parse(check_slice(L, 1), &user, &token);
	int n = push_buf(L, st, &user);

	if (st == ST_OK)
		push_slice(L, token);
	return st == ST_OK ? n + 1 : n;
}

static int l_oauthbearer(lua_State *L)
{
	return bearer(L, sasl_oauthbearer_parse);
}

static int l_xoauth2(lua_State *L)
{
	return bearer(L, sasl_xoauth2_parse);
}

static int l_cram_md5(lua_State *L)
{
	struct slice user, digest;
	enum status st = sasl_cram_md5_parse(check_slice(L, 1), &user, &digest);

	if (st != ST_OK)
		return push_status(L, st);
	push_slice(L, user);
	push_slice(L, digest);
	return 2;
}

/* cram_md5_verify(challenge, password, digest) */
static int l_cram_md5_verify(lua_State *L)
{
	lua_pushboolean(L, sasl_cram_md5_verify(check_slice(L, 1), check_slice(L, 2), check_slice(L, 3)));
	return 1;
}

static int l_name_decode(lua_State *L)
{
	struct buf out;

	buf_init(&out, 0);
	enum status st = sasl_name_decode(check_slice(L, 1), &out);

	return push_buf(L, st, &out);
}

static int l_saslprep(lua_State *L)
{
	struct buf out;

	buf_init(&out, 0);
	enum status st = saslprep(check_slice(L, 1), &out);

	return push_buf(L, st, &out);
}

/* derive(password, salt, iterations) -> stored key, server key */
static int l_derive(lua_State *L)
{
	unsigned char stored[32], server[32];

	sasl_scram_derive(check_slice(L, 1), check_slice(L, 2), (unsigned)luaL_checkinteger(L, 3), stored,
	                  server);
	lua_pushlstring(L, (char *)stored, sizeof(stored));
	lua_pushlstring(L, (char *)server, sizeof(server));
	return 2;
}

static int l_fake_salt(lua_State *L)
{
	unsigned char salt[SASL_SCRAM_SALT_SIZE];

	sasl_scram_fake_salt(check_slice(L, 1), check_slice(L, 2), salt);
	lua_pushlstring(L, (char *)salt, sizeof(salt));
	return 1;
}

/* scram(plus, plus_offered, server nonce or nil) */
static int l_scram(lua_State *L)
{
	lua_settop(L, 3);
	struct sasl_scram *s = lua_newuserdatauv(L, sizeof(*s), 0);

	sasl_scram_init(s, lua_toboolean(L, 1), lua_toboolean(L, 2));
	if (!lua_isnoneornil(L, 3)) {
		struct slice nonce = check_slice(L, 3);

		luaL_argcheck(L, nonce.len < sizeof(s->server_nonce), 3, "too long");
		memcpy(s->server_nonce, nonce.ptr, nonce.len + 1);
	}
	luaL_setmetatable(L, SCRAM);
	return 1;
}

/* scram:client_first(message) -> user, authzid, binding type; or nil, status, error */
static int l_client_first(lua_State *L)
{
	struct sasl_scram *s = luaL_checkudata(L, 1, SCRAM);
	enum status st = sasl_scram_client_first(s, check_slice(L, 2));

	if (st != ST_OK) {
		int n = push_status(L, st);

		lua_pushstring(L, s->error);
		return n + 1;
	}
	push_slice(L, buf_slice(&s->user));
	push_slice(L, buf_slice(&s->authzid));
	lua_pushstring(L, s->binding_type);
	return 3;
}

/* scram:server_first(salt, iterations, stored key, server key) -> message */
static int l_server_first(lua_State *L)
{
	struct sasl_scram *s = luaL_checkudata(L, 1, SCRAM);
	struct sasl_scram_keys keys = {
		.salt = check_slice(L, 2), .iterations = (unsigned)luaL_checkinteger(L, 3),
		.stored_key = check_slice(L, 4), .server_key = check_slice(L, 5),
	};
	struct buf out;

	buf_init(&out, 0);
	enum status st = sasl_scram_server_first(s, &keys, &out);

	return push_buf(L, st, &out);
}

/* scram:client_final(message, binding) -> message; or nil, status, error */
static int l_client_final(lua_State *L)
{
	struct sasl_scram *s = luaL_checkudata(L, 1, SCRAM);
	struct buf out;

	buf_init(&out, 0);
	enum status st = sasl_scram_client_final(s, check_slice(L, 2), check_slice(L, 3), &out);
	int n = push_buf(L, st, &out);

	if (st != ST_OK)
		lua_pushstring(L, s->error);
	return st == ST_OK ? n : n + 1;
}

static int l_scram_clear(lua_State *L)
{
	sasl_scram_clear(luaL_checkudata(L, 1, SCRAM));
	return 0;
}

int luaopen_bind_mail_sasl(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "client_first", l_client_first },
		{ "server_first", l_server_first },
		{ "client_final", l_client_final },
		{ "__gc", l_scram_clear },
		{ NULL, NULL },
	};
	static const luaL_Reg functions[] = {
		{ "plain", l_plain },
		{ "oauthbearer", l_oauthbearer },
		{ "xoauth2", l_xoauth2 },
		{ "cram_md5", l_cram_md5 },
		{ "cram_md5_verify", l_cram_md5_verify },
		{ "name_decode", l_name_decode },
		{ "saslprep", l_saslprep },
		{ "derive", l_derive },
		{ "fake_salt", l_fake_salt },
		{ "scram", l_scram },
		{ NULL, NULL },
	};

	if (luaL_newmetatable(L, SCRAM)) {
		luaL_setfuncs(L, methods, 0);
		lua_pushvalue(L, -1);
		lua_setfield(L, -2, "__index");
	}
	luaL_newlib(L, functions);
	return 1;
}
