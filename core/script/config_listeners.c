/* Listeners and TLS of the configuration, and what must fit together. */
#include "script/config_parts.h"

#include <string.h>

#include <lauxlib.h>

static const unsigned tls_from_start = SERVICE_SUBMISSIONS | SERVICE_POP3S;

/* ---- certificates ---- */

static void read_certificate(struct config_reader *r, unsigned index, void *arg)
{
	struct tls_certificate *certificates = arg;

	config_read_table(r, &config_keys_certificate, &certificates[index]);
}

void config_parts_certificates(struct config_reader *r, const struct config_key *key, void *to)
{
	size_t room = lua_istable(r->L, -1) ? lua_rawlen(r->L, -1) : 0;
	struct tls_certificate *c = arena_alloc(&r->config->arena, (room + 1) * sizeof(*c));

	r->config->tls.certificate_count = config_read_list(r, false, key->shape, read_certificate, c);
	*(struct tls_certificate **)to = c;
}

/* ---- listeners ---- */

static void parse_one(struct config_reader *r, struct config_listener *l, const char *text)
{
	struct address *to = &l->parsed[l->address_count];

	if (strncmp(text, "*:", 2) == 0 || text[0] == ':') {
		const char *port = strrchr(text, ':');

		if (address_parse(arena_printf(&r->config->arena, "0.0.0.0%s", port), &to[0]) == ST_OK &&
		    address_parse(arena_printf(&r->config->arena, "[::]%s", port), &to[1]) == ST_OK) {
			l->address_count += 2;
			return;
		}
	} else if (address_parse(text, to) == ST_OK) {
		l->address_count++;
		return;
	}
	config_read_problem(r, "\"%.80s\" is not an address to listen on; write \"127.0.0.1:2525\", "
	                    "\"[::1]:2525\" or \"*:25\"", text);
}

static void parse_addresses(struct config_reader *r, struct config_listener *l)
{
	size_t len = buf_len(&r->path);
	unsigned count = 0;

	while (l->addresses && l->addresses[count])
		count++;
	l->parsed = arena_alloc(&r->config->arena, (2 * count + 1) * sizeof(*l->parsed));
	config_lines_key(&r->path, SLICE("address"));
	for (unsigned i = 0; i < count; i++)
		if (l->addresses[i][0])
			parse_one(r, l, l->addresses[i]);
	if (l->addresses && count == 0)
		config_read_problem(r, "names no address");
	buf_truncate(&r->path, len);
}

/* Whether TLS was left out or set is known only now; certificates may follow the listeners in
 * the file, so config_parts_finish settles the default. */
static void read_listener(struct config_reader *r, unsigned index, void *arg)
{
	struct config_listener *l = (struct config_listener *)arg + index;

	l->where = config_read_where(r);
	config_read_table(r, &config_keys_listener, l);
	if (!lua_istable(r->L, -1))
		return;
	parse_addresses(r, l);
	if (!l->name && l->service && l->addresses && l->addresses[0])
		l->name = arena_printf(&r->config->arena, "%s@%s", service_name(l->service),
		                       l->addresses[0]);
	if (!l->name)
		l->name = "";
	lua_getfield(r->L, -1, "tls");
	if (lua_isboolean(r->L, -1) && !l->tls && l->service & tls_from_start)
		config_read_problem(r, "%s is TLS from the start; tls = false cannot be",
		                    service_name(l->service));
	lua_pop(r->L, 1);
}

void config_parts_listeners(struct config_reader *r, const struct config_key *key, void *to)
{
	size_t room = lua_istable(r->L, -1) ? lua_rawlen(r->L, -1) : 0;
	struct config_listener *l = arena_alloc(&r->config->arena, (room + 1) * sizeof(*l));

	r->config->listener_count = config_read_list(r, false, key->shape, read_listener, l);
	*(struct config_listener **)to = l;
	if (lua_istable(r->L, -1) && r->config->listener_count == 0)
		config_read_problem(r, "is empty: there is nothing to listen on");
}

/* ---- the whole; the configuration's table is on top of the stack ---- */

/* Push listeners[i].tls. */
static void push_listener_tls(lua_State *L, unsigned i)
{
	lua_getfield(L, -1, "listeners");
	lua_rawgeti(L, -1, (lua_Integer)i + 1);
	if (lua_istable(L, -1))
		lua_getfield(L, -1, "tls");
	else
		lua_pushnil(L);
	lua_replace(L, -3);
	lua_pop(L, 1);
}

static void finish_tls(struct config_reader *r, unsigned i)
{
	struct config_listener *l = &r->config->listeners[i];
	bool certificates = r->config->tls.certificate_count > 0;

	push_listener_tls(r->L, i);
	if (l->service & tls_from_start)
		l->tls = true;
	else if (lua_isnil(r->L, -1))
		l->tls = certificates;
	lua_pop(r->L, 1);
	if (l->tls && !certificates)
		config_read_problem(r, "TLS needs a certificate: set tls.certificates");
}

static bool same_address(const struct address *a, const struct address *b)
{
	return a->port == b->port && a->ipv6 == b->ipv6 && strcmp(a->ip, b->ip) == 0;
}

static void find_doubles(struct config_reader *r, unsigned i)
{
	const struct config_listener *all = r->config->listeners, *l = &all[i];

	for (unsigned j = 0; j < i; j++) {
		if (*l->name && strcmp(all[j].name, l->name) == 0)
			config_read_problem(r, "the name \"%s\" is taken by the listener at %s", l->name,
			                    all[j].where);
		for (unsigned a = 0; a < l->address_count; a++)
			for (unsigned b = 0; b < all[j].address_count; b++)
				if (same_address(&l->parsed[a], &all[j].parsed[b]))
					config_read_problem(r, "port %u of %s is taken by the listener at %s",
					                    l->parsed[a].port, l->parsed[a].ip, all[j].where);
	}
}

static void finish_listeners(struct config_reader *r)
{
	struct config *c = r->config;
	size_t len = buf_len(&r->path);

	for (unsigned i = 0; i < c->listener_count; i++) {
		if (!c->listeners[i].name)
			continue;                     /* it was no table, and said so */
		config_lines_key(&r->path, SLICE("listeners"));
		config_lines_index(&r->path, i + 1);
		finish_tls(r, i);
		find_doubles(r, i);
		if (c->listeners[i].proxy && c->proxy_trusted_count == 0)
			config_read_problem(r, "proxy = true needs proxy_trusted, the networks of the proxies");
		buf_truncate(&r->path, len);
	}
}

void config_parts_finish(struct config_reader *r)
{
	struct config *c = r->config;

	finish_listeners(r);
	if (!c->default_domain && c->domains[0])
		c->default_domain = c->domains[0];
	if (c->log.target == LOG_TO_FILE && !c->log.path) {
		config_lines_key(&r->path, SLICE("log"));
		config_read_problem(r, "target = \"file\" needs path");
		buf_reset(&r->path);
	}
	c->smtp.hostname = c->pop3.hostname = c->hostname;
	c->smtp.recipient_delimiter = c->recipient_delimiter;
	c->pop3.default_domain = c->default_domain;
}
