/* mail.users: the built-in user table.  mail.crypt: crypt(3) hashes.  Hashing runs on the thread
 * pool; unknown users cost as much as known ones. */
#include "script/lib.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "mail/saslprep.h"
#include "script/job.h"
#include "script/state.h"
#include "script/users.h"

enum { PASSWORD_MAX = 512 };

struct hashing {
	struct job job;
	char      *hash;                  /* the setting; NULL: make a new one */
	char      *password;
	char      *result;                /* what crypt_r made, or NULL */
	bool       known;                 /* false: an unknown user; the result is always no */
	/* mail.users.verify */
	char      *user, *mailbox;
	uint64_t   quota_octets, quota_messages;
};

/* What an unknown user's password is hashed with: the method of new accounts. */
static const char nobody[] = "$y$j9T$XlhVGXTZLmVHgpXPxLqDo1$";

/* What crypt_r makes of a password, on the heap, or NULL. */
static char *make(const char *password, const char *hash)
{
	struct crypt_data *data = mem_alloc(sizeof(*data));
	const char *setting = hash ? hash : crypt_gensalt_rn("$y$", 0, NULL, 0, data->output,
	                                                     sizeof(data->output));
	char copy[CRYPT_OUTPUT_SIZE], *result = NULL;

	if (setting && strlen(setting) < sizeof(copy)) {
		strcpy(copy, setting);
		const char *made = crypt_rn(password, copy, data, sizeof(*data));

		if (made)
			result = mem_strdup(made);
	}
	mem_wipe(data, sizeof(*data));
	free(data);
	return result;
}

static bool matches(const struct hashing *h)
{
	return h->known && h->result &&
	       slice_eq_constant_time(slice_from(h->result), slice_from(h->hash));
}

/* As it came first, for hashes of other systems; then as SASLprep has it, in which form ours are
 * made (RFC 4616, 2): the same letters may be typed as different octets. */
static void run(struct job *j)
{
	struct hashing *h = (struct hashing *)j;
	struct slice typed = slice_from(h->password);
	struct buf prepared;

	buf_init(&prepared, 0);
	bool differs = saslprep(typed, &prepared) == ST_OK && !slice_eq(typed, buf_slice(&prepared));

	if (h->hash || !differs)
		h->result = make(h->password, h->hash);
	if (differs && !(h->hash && matches(h))) {
		free(h->result);
		h->result = make(buf_cstr(&prepared), h->hash);
	}
	buf_wipe(&prepared);
}

static void clear(struct job *j)
{
	struct hashing *h = (struct hashing *)j;

	if (h->password)
		mem_wipe(h->password, strlen(h->password));
	free(h->hash);
	free(h->password);
	free(h->result);
	free(h->user);
	free(h->mailbox);
}

static bool can_be_password(const char *text, size_t len)
{
	return len <= PASSWORD_MAX && strlen(text) == len;
}

static const char *check_password(lua_State *L, int index)
{
	size_t len;
	const char *password = luaL_checklstring(L, index, &len);

	luaL_argcheck(L, can_be_password(password, len), index,
	              "a password has at most 512 octets and no zero octet");
	return password;
}

/* What a client offers: anything.  What cannot be a password is a wrong one, NULL. */
static const char *offered_password(lua_State *L, int index)
{
	size_t len;
	const char *password = luaL_checklstring(L, index, &len);

	return can_be_password(password, len) ? password : NULL;
}

/* ---- mail.crypt ---- */

static int when_verified(lua_State *L, int status, lua_KContext context)
{
	struct hashing *h = job_result(L);
	bool yes = matches(h);

	(void)status, (void)context;
	if (yes)
		users_remember(script_of(L), slice_from(h->hash), slice_from(h->password));
	lua_pushboolean(L, yes);
	return 1;
}

/* crypt.verify(hash or nil, password) -> whether it fits; nil takes the same time and is never right */
static int l_verify(lua_State *L)
{
	const char *hash = luaL_optstring(L, 1, NULL), *password = offered_password(L, 2);
	struct hashing *h;

	if (hash && password && users_verified(script_of(L), slice_from(hash), slice_from(password))) {
		lua_pushboolean(L, 1);
		return 1;
	}
	h = job_new(L, sizeof(*h), run, clear, "mail.crypt.verify");
	h->hash = mem_strdup(hash ? hash : nobody);
	h->known = hash && password;
	h->password = mem_strdup(password ? password : "");
	return job_submit(L, &h->job, when_verified);
}

static int when_hashed(lua_State *L, int status, lua_KContext context)
{
	struct hashing *h = job_result(L);

	(void)status, (void)context;
	if (!h->result)
		return lib_fail(L, "crypt(3) cannot make a hash");
	lua_pushstring(L, h->result);
	return 1;
}

/* crypt.hash(password) -> a yescrypt hash */
static int l_hash(lua_State *L)
{
	const char *password = check_password(L, 1);
	struct hashing *h = job_new(L, sizeof(*h), run, clear, "mail.crypt.hash");

	h->password = mem_strdup(password);
	return job_submit(L, &h->job, when_hashed);
}

/* ---- mail.users ---- */

static int fail_lookup(lua_State *L, enum status st)
{
	if (st == ST_NOTFOUND) {
		lua_pushnil(L);
		return 1;
	}
	if (st == ST_UNSUPPORTED) {
		(void)lib_fail(L, "there is no store here, so only users of the configuration are known");
		lua_pushliteral(L, "notfound");
		return 3;
	}
	return lib_fail(L, "the user table cannot be read: %s", status_text(st));
}

/* The arena lives in a userdata, so that an error of Lua frees it. */
static int l_arena_gc(lua_State *L)
{
	arena_reset(lua_touserdata(L, 1));
	return 0;
}

static struct arena *push_arena(lua_State *L)
{
	struct arena *a = lua_newuserdatauv(L, sizeof(*a), 0);

	arena_init(a);
	if (luaL_newmetatable(L, "moonpost.Arena")) {
		lua_pushcfunction(L, l_arena_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return a;
}

static void set_number(lua_State *L, const char *name, uint64_t n)
{
	lua_pushinteger(L, (lua_Integer)n);
	lua_setfield(L, -2, name);
}

static void set_quota(lua_State *L, uint64_t octets, uint64_t messages)
{
	lua_createtable(L, 0, 2);
	set_number(L, "octets", octets);
	set_number(L, "messages", messages);
	lua_setfield(L, -2, "quota");
}

static struct slice check_name(lua_State *L)
{
	struct slice name;

	name.ptr = luaL_checklstring(L, 1, &name.len);
	return name;
}

/* users.get(name) -> { name, mailbox, disabled, quota }, or nil; nil and why */
static int l_get(lua_State *L)
{
	struct slice name = check_name(L);
	struct arena *a = push_arena(L);
	struct store_user u;
	const char *mailbox;
	enum status st = users_get(script_of(L), name, a, &u, &mailbox);

	if (st != ST_OK)
		return fail_lookup(L, st);
	lua_createtable(L, 0, 4);
	lua_pushstring(L, u.name);
	lua_setfield(L, -2, "name");
	lua_pushstring(L, mailbox);
	lua_setfield(L, -2, "mailbox");
	lua_pushboolean(L, u.disabled);
	lua_setfield(L, -2, "disabled");
	set_quota(L, u.quota_octets, u.quota_messages);
	return 1;
}

/* users.secret(name) -> { plain } and/or { salt, stored_key, server_key, iterations }, or nil */
static int l_secret(lua_State *L)
{
	struct slice name = check_name(L);
	struct arena *a = push_arena(L);
	struct store_user u;
	const char *mailbox;
	enum status st = users_get(script_of(L), name, a, &u, &mailbox);

	if (st != ST_OK)
		return fail_lookup(L, st);
	if (u.disabled || (!u.plain && !u.scram_iterations))
		return fail_lookup(L, ST_NOTFOUND);
	lua_createtable(L, 0, 5);
	if (u.plain) {
		lua_pushstring(L, u.plain);
		lua_setfield(L, -2, "plain");
	}
	if (u.scram_iterations) {
		lib_push_slice(L, u.scram_salt);
		lua_setfield(L, -2, "salt");
		lib_push_slice(L, u.scram_stored_key);
		lua_setfield(L, -2, "stored_key");
		lib_push_slice(L, u.scram_server_key);
		lua_setfield(L, -2, "server_key");
		set_number(L, "iterations", u.scram_iterations);
	}
	return 1;
}

static int push_identity(lua_State *L, const char *user, const char *mailbox, uint64_t octets,
                         uint64_t messages)
{
	lua_createtable(L, 0, 3);
	lua_pushstring(L, user);
	lua_setfield(L, -2, "user");
	lua_pushstring(L, mailbox);
	lua_setfield(L, -2, "mailbox");
	set_quota(L, octets, messages);
	return 1;
}

static int when_user_verified(lua_State *L, int status, lua_KContext context)
{
	struct hashing *h = job_result(L);

	(void)status, (void)context;
	if (!matches(h)) {
		lua_pushboolean(L, 0);
		return 1;
	}
	users_remember(script_of(L), slice_from(h->hash), slice_from(h->password));
	return push_identity(L, h->user, h->mailbox, h->quota_octets, h->quota_messages);
}

/* users.verify(name, password) -> the identity, or false; nil and why when it cannot be told */
static int l_verify_user(lua_State *L)
{
	struct slice name = check_name(L);
	const char *password = offered_password(L, 2), *mailbox = NULL;
	struct arena *a = push_arena(L);
	struct store_user u = { 0 };
	enum status st = users_get(script_of(L), name, a, &u, &mailbox);
	bool known = st == ST_OK && u.password && !u.disabled && password;
	struct hashing *h;

	if (st != ST_OK && st != ST_NOTFOUND && st != ST_UNSUPPORTED)
		return fail_lookup(L, st);
	if (st == ST_UNSUPPORTED && script_of(L)->setup.config->user_count == 0)
		return fail_lookup(L, st);
	if (known && users_verified(script_of(L), slice_from(u.password), slice_from(password)))
		return push_identity(L, u.name, mailbox, u.quota_octets, u.quota_messages);
	h = job_new(L, sizeof(*h), run, clear, "mail.users.verify");
	h->known = known;
	h->hash = mem_strdup(known ? u.password : nobody);
	h->password = mem_strdup(password ? password : "");
	h->user = mem_strdup(u.name);
	h->mailbox = mem_strdup(mailbox);
	h->quota_octets = u.quota_octets;
	h->quota_messages = u.quota_messages;
	return job_submit(L, &h->job, when_user_verified);
}

void lib_users_register(lua_State *L)
{
	static const luaL_Reg users[] = {
		{ "get", l_get }, { "secret", l_secret }, { "verify", l_verify_user }, { NULL, NULL },
	};
	static const luaL_Reg crypt_functions[] = {
		{ "verify", l_verify }, { "hash", l_hash }, { NULL, NULL },
	};

	luaL_newlib(L, users);
	lua_setfield(L, -2, "users");
	luaL_newlib(L, crypt_functions);
	lua_setfield(L, -2, "crypt");
}
