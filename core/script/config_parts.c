/* Defaults, and the values of the configuration that need more than a type: domains, networks,
 * mechanisms, aliases, users.  Listeners: config_listeners.c; plugins: config_plugins.c. */
#include "script/config_parts.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

#include "base/random.h"
#include "hook/login.h"
#include "mail/address.h"
#include "script/near.h"

enum { DEFAULT_MEMORY = 256 * 1024 * 1024 };

static const char *machine_name(struct arena *a)
{
	char name[256] = "";

	if (gethostname(name, sizeof(name) - 1) != 0 || !name[0])
		return "localhost";
	return arena_strdup(a, slice_from(name));
}

void config_parts_defaults(struct config *c)
{
	static const char *nothing[] = { NULL };
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	*c = (struct config){
		.runtime = "run", .workers = cores > 0 ? (unsigned)cores : 1, .stop_grace_ms = 10000,
		.heartbeat_ms = 5000,
		.handshake_timeout_ms = 30000, .max_session_ms = 4 * 3600 * 1000, .max_sessions = 10000,
		.max_sessions_per_ip = 1000, .password_cache_s = 60,
		.recipient_delimiter = '+',
		.domains = nothing, .plugin_path = nothing,
		.log = { LOG_LEVEL_INFO, LOG_KEY_VALUE, LOG_TO_STDERR, NULL },
		.tls = { .min_version = "1.2", .tickets = true, .ticket_lifetime_s = 7200 },
		.lua = { .slice_ms = 10, .cpu_ms = 50, .wall_ms = 30000, .memory_octets = DEFAULT_MEMORY,
		         .parallel_calls = 100, .background_calls = 100, .background_cpu_ms = 1000,
		         .background_wall_ms = 3600 * 1000, .timers = 100, .start_wall_ms = 10000,
		         .stop_wall_ms = 5000, .breaker_failures = 20, .breaker_window_ms = 60000,
		         .breaker_pause_ms = 30000, .reload_wall_ms = 60000 },
	};
	arena_init(&c->arena);
	c->hostname = machine_name(&c->arena);
	store_settings_default(&c->store);
	smtp_settings_default(&c->smtp);
	pop3_settings_default(&c->pop3);
	if (!c->store.path)
		c->store.path = "store";
	random_bytes(c->tls.ticket_key, sizeof(c->tls.ticket_key));
}

/* ---- single values ---- */

void config_parts_delimiter(struct config_reader *r, const struct config_key *key, void *to)
{
	size_t len = 0;
	const char *text = lua_type(r->L, -1) == LUA_TSTRING ? lua_tolstring(r->L, -1, &len) : NULL;

	(void)key;
	if (!text || len > 1 || (len == 1 && !strchr("+-_=#/.", *text)))
		config_read_problem(r, "must be one of the characters + - _ = # / . or \"\" for none");
	else
		*(char *)to = *text;
}

void config_parts_tls_version(struct config_reader *r, const struct config_key *key, void *to)
{
	const char *text = lua_type(r->L, -1) == LUA_TSTRING ? lua_tostring(r->L, -1) : "";

	if (strcmp(text, "1.2") != 0 && strcmp(text, "1.3") != 0)
		config_read_problem(r, "must be %s (a string)", key->shape);
	else
		*(const char **)to = config_read_string(r);
}

void config_parts_expire(struct config_reader *r, const struct config_key *key, void *to)
{
	(void)key;
	if (lua_type(r->L, -1) == LUA_TSTRING && strcmp(lua_tostring(r->L, -1), "never") == 0)
		*(int32_t *)to = -1;
	else if (lua_isinteger(r->L, -1) && lua_tointeger(r->L, -1) >= 0 &&
	         lua_tointeger(r->L, -1) <= 100000)
		*(int32_t *)to = (int32_t)lua_tointeger(r->L, -1);
	else
		config_read_problem(r, "must be \"never\" or a number of days");
}

static void unknown_mechanism(struct config_reader *r, struct slice name)
{
	struct script_near n = { .word = name };
	struct slice rest, word;
	struct buf names;

	buf_init(&names, 0);
	login_names(~0u, &names);
	rest = buf_slice(&names);
	while (slice_cut(&rest, ' ', &word) == ST_OK)
		script_near_offer(&n, word);
	if (n.best.len)
		config_read_problem(r, "unknown mechanism \"%.*s\"; did you mean %.*s?", SLICE_ARG(name),
		                    SLICE_ARG(n.best));
	else
		config_read_problem(r, "unknown mechanism \"%.*s\"; there are %s", SLICE_ARG(name),
		                    buf_cstr(&names));
	buf_free(&names);
}

static void read_mechanism(struct config_reader *r, unsigned index, void *arg)
{
	unsigned *bits = arg, bit;
	struct slice name;

	(void)index;
	if (lua_type(r->L, -1) != LUA_TSTRING) {
		config_read_problem(r, "must be a mechanism name, not a %s", luaL_typename(r->L, -1));
		return;
	}
	name.ptr = lua_tolstring(r->L, -1, &name.len);
	bit = login_mechanism(name);
	if (bit)
		*bits |= bit;
	else
		unknown_mechanism(r, name);
}

void config_parts_mechanisms(struct config_reader *r, const struct config_key *key, void *to)
{
	unsigned bits = 0;

	(void)config_read_list(r, false, key->shape, read_mechanism, &bits);
	*(unsigned *)to = bits;
}

/* ---- names of mail ---- */

/* The string on top in lower case, checked as a domain name; NULL with a problem noted. */
static const char *read_domain(struct config_reader *r)
{
	if (lua_type(r->L, -1) != LUA_TSTRING) {
		config_read_problem(r, "must be a domain name, not a %s", luaL_typename(r->L, -1));
		return NULL;
	}
	char *name = arena_strdup(&r->config->arena, slice_from(lua_tostring(r->L, -1)));

	for (char *c = name; *c; c++)
		*c = ascii_lower(*c);
	if (name[0] == '[' || address_check_domain(slice_from(name), true) != ST_OK) {
		config_read_problem(r, "\"%.80s\" is not a domain name", name);
		return NULL;
	}
	return name;
}

/* The same for an address; the canonical form. */
static const char *read_address(struct config_reader *r)
{
	struct address_parts parts;
	struct slice text;

	if (lua_type(r->L, -1) != LUA_TSTRING) {
		config_read_problem(r, "must be an address, not a %s", luaL_typename(r->L, -1));
		return NULL;
	}
	text.ptr = lua_tolstring(r->L, -1, &text.len);
	if (address_parse_mailbox(text, ADDRESS_UTF8, &r->config->arena, &parts) != ST_OK) {
		config_read_problem(r, "\"%.80s\" is not an address like user@example.test", text.ptr);
		return NULL;
	}
	struct slice canonical = address_canonical(&parts, &r->config->arena);

	return arena_strdup(&r->config->arena, canonical);
}

struct names { const char **out; unsigned count; };

static void read_domain_item(struct config_reader *r, unsigned index, void *arg)
{
	struct names *n = arg;
	const char *name = read_domain(r);

	(void)index;
	if (name)
		n->out[n->count++] = name;
}

static void read_address_item(struct config_reader *r, unsigned index, void *arg)
{
	struct names *n = arg;
	const char *name = read_address(r);

	(void)index;
	if (name)
		n->out[n->count++] = name;
}

static const char **read_names(struct config_reader *r, const char *what, config_item_fn *item)
{
	size_t room = lua_istable(r->L, -1) ? lua_rawlen(r->L, -1) : 1;
	struct names n = { arena_alloc(&r->config->arena, (room + 1) * sizeof(char *)), 0 };

	(void)config_read_list(r, true, what, item, &n);
	return n.out;
}

void config_parts_domains(struct config_reader *r, const struct config_key *key, void *to)
{
	*(const char ***)to = read_names(r, key->shape, read_domain_item);
}

/* Call item with key at -2 and value on top for each pair of a table of strings. */
static unsigned read_pairs(struct config_reader *r, const char *shape, size_t size, void **array,
                           void (*item)(struct config_reader *r, void *to))
{
	size_t len = buf_len(&r->path);
	unsigned count = 0, room = 0;

	if (!lua_istable(r->L, -1)) {
		config_read_problem(r, "must be a %s, not a %s", shape, luaL_typename(r->L, -1));
		return 0;
	}
	for (lua_pushnil(r->L); lua_next(r->L, -2); lua_pop(r->L, 1))
		room++;
	*array = arena_alloc(&r->config->arena, (room ? room : 1) * size);
	for (lua_pushnil(r->L); lua_next(r->L, -2); lua_pop(r->L, 1)) {
		if (lua_type(r->L, -2) == LUA_TSTRING) {
			config_lines_key(&r->path, slice_from(lua_tostring(r->L, -2)));
			item(r, (char *)*array + size * count++);
			buf_truncate(&r->path, len);
		} else {
			config_read_problem(r, "must be a %s: a value without a name has no place here", shape);
		}
	}
	return count;
}

static void read_alias(struct config_reader *r, void *to)
{
	struct config_alias *a = to;

	lua_pushvalue(r->L, -2);
	a->address = read_address(r);
	lua_pop(r->L, 1);
	a->targets = read_names(r, "a list of addresses", read_address_item);
	if (!a->targets[0])
		config_read_problem(r, "has no target");
	if (!a->address)
		a->address = "";
}

void config_parts_aliases(struct config_reader *r, const struct config_key *key, void *to)
{
	r->config->alias_count = read_pairs(r, key->shape, sizeof(struct config_alias), to, read_alias);
}

static void read_catch_all(struct config_reader *r, void *to)
{
	struct config_catch_all *c = to;

	lua_pushvalue(r->L, -2);
	c->domain = read_domain(r);
	lua_pop(r->L, 1);
	c->target = read_address(r);
	if (!c->domain)
		c->domain = "";
	if (!c->target)
		c->target = "";
}

void config_parts_catch_all(struct config_reader *r, const struct config_key *key, void *to)
{
	r->config->catch_all_count = read_pairs(r, key->shape, sizeof(struct config_catch_all), to,
	                                        read_catch_all);
}

static void read_user(struct config_reader *r, unsigned index, void *arg)
{
	struct config_user *users = arg, *u = &users[index];
	size_t len = buf_len(&r->path);

	config_read_table(r, &config_keys_user, u);
	if (!lua_istable(r->L, -1))
		return;
	config_lines_key(&r->path, SLICE("name"));
	lua_getfield(r->L, -1, "name");
	u->name = lua_isstring(r->L, -1) ? read_address(r) : NULL;
	lua_pop(r->L, 1);
	if (!u->name)
		u->name = "";
	if (*u->name && map_put(&r->config->user_names, slice_from(u->name), u))
		config_read_problem(r, "%s is there already", u->name);
	buf_truncate(&r->path, len);
}

void config_parts_users(struct config_reader *r, const struct config_key *key, void *to)
{
	size_t room = lua_istable(r->L, -1) ? lua_rawlen(r->L, -1) : 0;
	struct config_user *users = arena_alloc(&r->config->arena, (room + 1) * sizeof(*users));

	r->config->user_count = config_read_list(r, false, key->shape, read_user, users);
	*(struct config_user **)to = users;
}

/* ---- networks ---- */

static bool parse_ip(const char *text, struct config_network *n)
{
	n->ipv6 = strchr(text, ':') != NULL;
	return inet_pton(n->ipv6 ? AF_INET6 : AF_INET, text, n->bytes) == 1;
}

static bool parse_network(struct slice text, struct config_network *n)
{
	char ip[64];
	size_t slash = slice_find(text, '/');
	uint64_t bits;

	*n = (struct config_network){ 0 };
	if (slash >= sizeof(ip))
		return false;
	memcpy(ip, text.ptr, slash);
	ip[slash] = '\0';
	if (!parse_ip(ip, n))
		return false;
	bits = n->ipv6 ? 128 : 32;
	n->bits = (unsigned)bits;
	if (slash == text.len)
		return true;
	if (slice_to_u64(slice_skip(text, slash + 1), &bits) != ST_OK || bits > n->bits)
		return false;
	n->bits = (unsigned)bits;
	return true;
}

static void read_network(struct config_reader *r, unsigned index, void *arg)
{
	struct config_network *networks = arg;
	struct slice text = SLICE("");

	if (lua_type(r->L, -1) == LUA_TSTRING)
		text.ptr = lua_tolstring(r->L, -1, &text.len);
	if (!parse_network(text, &networks[index]))
		config_read_problem(r, "must be a network like \"10.0.0.0/8\" or \"2001:db8::/32\"");
}

static unsigned read_networks(struct config_reader *r, const struct config_key *key, void *to)
{
	size_t room = lua_istable(r->L, -1) ? lua_rawlen(r->L, -1) : 1;
	struct config_network *n = arena_alloc(&r->config->arena, (room + 1) * sizeof(*n));

	*(struct config_network **)to = n;
	return config_read_list(r, true, key->shape, read_network, n);
}

void config_parts_proxy_trusted(struct config_reader *r, const struct config_key *key, void *to)
{
	r->config->proxy_trusted_count = read_networks(r, key, to);
}

void config_parts_xclient_trusted(struct config_reader *r, const struct config_key *key, void *to)
{
	r->config->xclient_trusted_count = read_networks(r, key, to);
}

static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

bool config_network_match(const struct config_network *n, unsigned count, const char *ip)
{
	struct config_network peer = { 0 };

	if (strncmp(ip, "::ffff:", 7) == 0 && strchr(ip, '.'))
		ip += 7;                          /* IPv4 through an IPv6 socket */
	if (!parse_ip(ip, &peer))
		return false;
	for (unsigned i = 0; i < count; i++)
		if (n[i].ipv6 == peer.ipv6 && same_bits(n[i].bytes, peer.bytes, n[i].bits))
			return true;
	return false;
}
