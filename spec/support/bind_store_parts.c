/* core/store for specs: its inner parts, and ways to damage a store so that check has something to
 * find. */
#include "bind_store.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/body.h"
#include "store/env.h"
#include "store/mailbox.h"
#include "store/refs.h"
#include "store/schema.h"
#include "store/wire.h"

/* refs({id, ...}) -> {count of the first, ...}, count of an id that is not there */
static int l_refs(lua_State *L)
{
	lua_Integer n = luaL_len(L, 1);
	struct refs r;

	refs_init(&r);
	for (lua_Integer i = 1; i <= n; i++) {
		lua_rawgeti(L, 1, i);
		refs_add(&r, (uint64_t)lua_tointeger(L, -1));
		lua_pop(L, 1);
	}
	lua_newtable(L);
	for (lua_Integer i = 1; i <= n; i++) {
		lua_rawgeti(L, 1, i);
		uint32_t count = refs_count(&r, (uint64_t)lua_tointeger(L, -1));

		lua_pop(L, 1);
		lua_pushinteger(L, count);
		lua_rawseti(L, -2, i);
	}
	lua_pushinteger(L, refs_count(&r, UINT64_MAX));
	refs_clear(&r);
	return 2;
}

/* wire(text) -> how many cuts of an encoded message frame were refused, and whether the whole came
 * back */
static int l_wire(lua_State *L)
{
	struct wire_message m = {
		.octets = 1, .lines = 2, .header_octets = 3, .received = -4, .flags = 5, .crc = 6,
	}, back;
	struct buf b;
	lua_Integer refused = 0;

	m.sender.ptr = luaL_checklstring(L, 1, &m.sender.len);
	buf_init(&b, 0);
	wire_put_message(&b, &m);
	for (size_t n = 0; n < buf_len(&b); n++) {
		struct slice in = slice_head(buf_slice(&b), n);

		refused += !wire_get_message(&in, &back);
	}
	lua_pushboolean(L, refused == (lua_Integer)buf_len(&b));
	struct slice in = buf_slice(&b);
	bool whole = wire_get_message(&in, &back) && in.len == 0 && slice_eq(back.sender, m.sender) &&
	             back.received == -4 && back.crc == 6;

	lua_pushboolean(L, whole);
	buf_free(&b);
	return 2;
}

/* schema() -> every record decodes to what was encoded, and refuses any other size or version */
static int l_schema(lua_State *L)
{
	unsigned char octets[MSG_SIZE + SENDER_MAX];
	struct mbox_value mbox = { 1, 2, 3, 4, 5, 6, 7 }, mbox2;
	struct row_value row = { 1, 2, -3, 4 }, row2;
	struct msg_value msg = { 1, 2, 3, 4, 5, 6, -7, SLICE("sender") }, msg2;
	struct slice s = schema_mbox_encode(&mbox, octets);
	bool good = s.len == MBOX_SIZE && schema_mbox_decode(s, &mbox2) == ST_OK &&
	            memcmp(&mbox, &mbox2, sizeof(mbox)) == 0 &&
	            schema_mbox_decode(slice_head(s, s.len - 1), &mbox2) == ST_CORRUPT;

	octets[0] = VALUE_VERSION + 1;
	good = good && schema_mbox_decode(s, &mbox2) == ST_CORRUPT;
	s = schema_row_encode(&row, octets);
	good = good && s.len == ROW_SIZE && schema_row_decode(s, &row2) == ST_OK &&
	       row2.msgid == 1 && row2.octets == 2 && row2.received == -3 && row2.flags == 4 &&
	       schema_row_decode(slice_head(s, s.len - 1), &row2) == ST_CORRUPT;
	s = schema_msg_encode(&msg, octets);
	good = good && schema_msg_decode(s, &msg2) == ST_OK && msg2.refs == 1 && msg2.crc == 3 &&
	       msg2.lines == 6 && msg2.received == -7 && slice_eq(msg2.sender, msg.sender) &&
	       schema_msg_decode(slice_head(s, MSG_SIZE - 1), &msg2) == ST_CORRUPT;
	lua_pushboolean(L, good);
	return 1;
}

/* raw(settings, octets) -> true when the store process closes the connection; returns early when a
 * reply came behind the greeting */
static int l_raw(lua_State *L)
{
	struct store_settings s = store_settings_at(L, 1);
	struct slice octets;
	int fd = store_connect(&s);
	bool closed = false;
	size_t received = 0;
	char in[4096];

	octets.ptr = luaL_checklstring(L, 2, &octets.len);
	if (fd < 0)
		return luaL_error(L, "connect: %s", strerror(errno));
	(void)!send(fd, octets.ptr, octets.len, MSG_NOSIGNAL);
	for (int i = 0; i < 20 && !closed && received < 2 * sizeof(struct wire_header); i++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, 10) <= 0)
			continue;
		ssize_t n = recv(fd, in, sizeof(in), MSG_DONTWAIT);

		closed = n <= 0;
		received += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	lua_pushboolean(L, closed);
	return 1;
}

/* frame(type name, payload) -> octets for raw */
static int l_frame(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	struct slice payload;
	struct buf b;
	int type = 0;

	payload.ptr = luaL_checklstring(L, 2, &payload.len);
	while (type < WIRE__COUNT && strcmp(wire_type_name((enum wire_type)type), name) != 0)
		type++;
	buf_init(&b, 0);
	wire_begin(&b, (enum wire_type)type);
	(void)buf_append(&b, payload);
	wire_finish(&b, 1, 0, 0);
	lua_pushlstring(L, buf_slice(&b).ptr, buf_len(&b));
	buf_free(&b);
	return 1;
}

/* lock_files(settings) -> descriptor: as a backup does */
static int l_lock_files(lua_State *L)
{
	struct store_settings s = store_settings_at(L, 1);
	int fd = store_lock_open(s.path);

	if (store_lock_set(fd, STORE_LOCK_FILES, F_RDLCK, true) != ST_OK)
		return luaL_error(L, "lock: %s", strerror(errno));
	lua_pushinteger(L, fd);
	return 1;
}

/* ---- damage; the store process must not run and no client be open ---- */

static int first_key(struct store_tx *t, enum store_db db, unsigned char *key, size_t *len)
{
	struct slice k = SLICE(""), v;
	MDB_cursor *c;
	int rc = store_tx_cursor(t, db, &c);

	if (rc != 0)
		return rc;
	rc = store_tx_move(c, MDB_FIRST, &k, &v);
	if (rc == 0) {
		memcpy(key, k.ptr, k.len);
		*len = k.len;
	}
	mdb_cursor_close(c);
	return rc;
}

static int damage_count(struct store_tx *t, const unsigned char *key)
{
	struct mbox_value v;
	int rc = store_mailbox_load(t, schema_get64(key), &v);

	v.count++;
	return rc ? rc : store_mailbox_save(t, schema_get64(key), &v);
}

static int damage_uidnext(struct store_tx *t, const unsigned char *key)
{
	struct mbox_value v;
	int rc = store_mailbox_load(t, schema_get64(key), &v);

	v.uidnext = 1;
	return rc ? rc : store_mailbox_save(t, schema_get64(key), &v);
}

static int damage_refs(struct store_tx *t, const unsigned char *key)
{
	struct msg_value v;
	int rc = store_body_load(t, schema_get64(key), &v);

	v.refs++;
	v.sender = SLICE_NONE;
	return rc ? rc : store_body_save(t, schema_get64(key), &v);
}

static int damage_body(struct store_tx *t, const unsigned char *key)
{
	char octets[BODY_CHUNK];
	struct slice v;
	int rc = store_tx_get(t, DB_BODY, slice_of(key, 12), &v);

	if (rc != 0)
		return rc;
	memcpy(octets, v.ptr, v.len);
	octets[v.len / 2] ^= 1;
	return store_tx_put(t, DB_BODY, slice_of(key, 12), slice_of(octets, v.len));
}

/* damage(settings, what): "count", "uidnext", "refs", "body", "version", "version 1" (as that one
 * was), or "-name" to delete the first
 * record of a database */
static int l_damage(lua_State *L)
{
	static const char *const db_names[] = {
#define X(symbol, name) name,
		STORE_DB_LIST(X)
#undef X
	};
	static const struct {
		const char *name;
		enum store_db db;
		int (*fn)(struct store_tx *, const unsigned char *);
	} kinds[] = {
		{"count", DB_MBOX, damage_count},
		{"uidnext", DB_MBOX, damage_uidnext},
		{"refs", DB_MSG, damage_refs},
		{"body", DB_BODY, damage_body},
	};
	struct store_settings s = store_settings_at(L, 1);
	const char *what = luaL_checkstring(L, 2);
	unsigned char key[512];
	struct store_tx t = { 0 };
	size_t len = 0;
	char *error;
	int rc = -1;

	if (store_env_open(&s, STORE_ENV_WRITE, &t.env, &error) != ST_OK)
		return store_push_failure(L, error);
	mdb_txn_begin(t.env->env, NULL, 0, &t.txn);
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (strcmp(kinds[i].name, what) == 0 && (rc = first_key(&t, kinds[i].db, key, &len)) == 0)
			rc = kinds[i].fn(&t, key);
	for (int i = 0; i < DB__COUNT; i++)
		if (what[0] == '-' && strcmp(db_names[i], what + 1) == 0 &&
		    (rc = first_key(&t, (enum store_db)i, key, &len)) == 0)
			rc = store_tx_del(&t, (enum store_db)i, slice_of(key, len));
	if (strcmp(what, "version") == 0)
		rc = store_schema_meta_put(&t, "version", 99);
	if (strcmp(what, "version 1") == 0) {
		rc = store_schema_meta_put(&t, "version", 1);
		for (int i = DB__SINCE_2; i < DB__COUNT; i++)
			mdb_drop(t.txn, t.env->dbi[i], 1);
	}
	if (rc == 0)
		rc = mdb_txn_commit(t.txn);
	else
		mdb_txn_abort(t.txn);
	store_env_close(&t.env);
	if (rc != 0)
		return luaL_error(L, "damage: %s", mdb_strerror(rc));
	lua_pushboolean(L, true);
	return 1;
}

/* map_octets(settings): what a reader's map got */
static int l_map_octets(lua_State *L)
{
	struct store_settings s = store_settings_at(L, 1);
	struct store_env *e;
	char *error;

	if (store_env_open(&s, STORE_ENV_READ, &e, &error) != ST_OK)
		return store_push_failure(L, error);
	lua_pushinteger(L, (lua_Integer)e->map_octets);
	store_env_close(&e);
	return 1;
}

/* schema_version(settings) -> number */
static int l_schema_version(lua_State *L)
{
	struct store_settings s = store_settings_at(L, 1);
	struct store_view v;
	struct store_env *e;
	uint64_t version = 0;
	char *error;

	if (store_env_open(&s, STORE_ENV_READ, &e, &error) != ST_OK)
		return store_push_failure(L, error);
	store_view_init(&v, e);
	if (store_view_begin(&v) == ST_OK)
		(void)store_schema_meta_get(&v.tx, "version", &version);
	store_view_clear(&v);
	store_env_close(&e);
	lua_pushinteger(L, (lua_Integer)version);
	return 1;
}

const luaL_Reg store_parts_functions[] = {
	{ "refs", l_refs }, { "wire", l_wire }, { "schema", l_schema },
	{ "raw", l_raw }, { "frame", l_frame }, { "lock_files", l_lock_files },
	{ "damage", l_damage }, { "map_octets", l_map_octets },
	{ "schema_version", l_schema_version }, { NULL, NULL },
};
