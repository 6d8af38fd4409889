/* One reader per kind of hook.  "Truthy means accept" is nowhere: what is not understood is the
 * plugin's error. */
#include "script/answer.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "base/buf.h"
#include "base/log.h"
#include "mail/address.h"
#include "mail/utf8.h"
#include "script/lib_hooks.h"
#include "script/values.h"

enum { NAME_MAX_OCTETS = 320 };       /* local part, @ and domain (RFC 5321, 4.5.3.1) */

static bool about_login(enum hook h)
{
	return h == HOOK_AUTH || h == HOOK_SECRET || h == HOOK_TOKEN || h == HOOK_ACCEPT_LOGIN;
}

void answer_failed(struct question *q)
{
	if (hook_row_of(q->hook)->kind == HOOK_KIND_CHANGE)
		return;                           /* what cannot be changed stays as it is */
	verdict_set(&q->verdict, VERDICT_TEMPFAIL, about_login(q->hook) ? "4.7.0" : "4.3.0",
	            "A local policy failed, try again later");
	identity_clear(&q->identity);
	q->targets = NULL;
}

static int wrong(lua_State *L, const struct question *q, const char *what)
{
	return luaL_error(L, "%s must return %s, not %s", hook_name(q->hook),
	                  hook_row_of(q->hook)->answers, what);
}

/* Canonical mailbox name of what a plugin wrote; in the question's arena. */
static struct slice canonical(struct question *q, struct slice name, const char *default_domain)
{
	struct address_parts parts;

	if (slice_find(name, '@') == name.len && default_domain && *default_domain)
		name = slice_from(arena_printf(&q->arena, "%.*s@%s", SLICE_ARG(name), default_domain));
	if (address_parse_mailbox(name, ADDRESS_UTF8, &q->arena, &parts) == ST_OK)
		return address_canonical(&parts, &q->arena);
	return arena_copy(&q->arena, name);
}

/* ---- fields of the table at index ---- */

static struct slice field(lua_State *L, int index, const char *name, bool required)
{
	struct slice s = SLICE_NONE;
	int type = lua_getfield(L, index, name);

	if (type == LUA_TSTRING)
		s.ptr = lua_tolstring(L, -1, &s.len);
	else if (type != LUA_TNIL || required)
		luaL_error(L, "%s must be a string, not %s", name,
		           type == LUA_TNIL ? "missing" : luaL_typename(L, -1));
	lua_pop(L, 1);                        /* the table still holds it */
	if (s.ptr && strlen(s.ptr) != s.len)
		luaL_error(L, "%s contains a zero octet", name);
	return s;
}

/* A name goes into the store, the log and replies. */
static struct slice name_field(lua_State *L, int index, const char *name, bool required)
{
	struct slice s = field(L, index, name, required);

	if (s.len > NAME_MAX_OCTETS)
		luaL_error(L, "%s has more than %d octets", name, NAME_MAX_OCTETS);
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
			luaL_error(L, "%s contains a control character", name);
	return s;
}

static uint64_t number(lua_State *L, int index, const char *name)
{
	uint64_t n = 0;
	int type = lua_getfield(L, index, name);

	if (type != LUA_TNIL && (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 0))
		luaL_error(L, "%s must be a whole number of 0 or more", name);
	if (type != LUA_TNIL)
		n = (uint64_t)lua_tointeger(L, -1);
	lua_pop(L, 1);
	return n;
}

/* quota = octets, or { octets =, messages = } */
static void read_quota(lua_State *L, int index, struct identity *i)
{
	if (lua_getfield(L, index, "quota") == LUA_TTABLE) {
		int quota = lua_gettop(L);

		i->quota_octets = number(L, quota, "octets");
		i->quota_messages = number(L, quota, "messages");
		lua_pop(L, 1);
		return;
	}
	lua_pop(L, 1);
	i->quota_octets = number(L, index, "quota");
}

static void read_identity(lua_State *L, int index, struct question *q, const char *default_domain)
{
	struct slice user = name_field(L, index, "user", true);
	struct slice mailbox = name_field(L, index, "mailbox", false);

	if (user.len == 0)
		luaL_error(L, "user may not be empty");
	mailbox = canonical(q, mailbox.len ? mailbox : user, default_domain);
	identity_set(&q->identity, user, mailbox);
	read_quota(L, index, &q->identity);
}

static void read_secret(lua_State *L, int index, struct question *q)
{
	struct slice plain = field(L, index, "plain", false);

	q->secret.plain = plain.ptr ? arena_copy(&q->arena, plain) : SLICE_NONE;
	if (lua_getfield(L, index, "iterations") != LUA_TNIL) {
		static const char *const names[] = { "salt", "stored_key", "server_key" };
		struct slice *to[] = { &q->secret.salt, &q->secret.stored_key, &q->secret.server_key };

		for (unsigned i = 0; i < 3; i++) {
			size_t len;

			if (lua_getfield(L, index, names[i]) != LUA_TSTRING)
				luaL_error(L, "SCRAM keys need salt, stored_key, server_key and iterations");
			const char *octets = lua_tolstring(L, -1, &len);

			if (i > 0 && len != 32)
				luaL_error(L, "%s must have 32 octets (not hexadecimal, not base64)", names[i]);
			*to[i] = arena_copy(&q->arena, slice_of(octets, len));
			lua_pop(L, 1);
		}
		q->secret.iterations = (unsigned)number(L, index, "iterations");
	}
	lua_pop(L, 1);
	if (!plain.ptr && !q->secret.iterations)
		luaL_error(L, "a secret needs plain, or SCRAM keys");
}

/* ---- verdicts ---- */

static void add_target(struct question *q, struct recipient_target ***tail, char *mailbox, char *address)
{
	struct recipient_target *t = arena_alloc(&q->arena, sizeof(*t));

	*t = (struct recipient_target){ NULL, mailbox, address };
	**tail = t;
	*tail = &t->next;
}

/* The list of addresses at index. */
static void read_addresses(lua_State *L, int index, struct question *q, struct recipient_target ***tail,
                           const char *default_domain)
{
	for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, index); i++) {
		struct slice address;

		if (lua_rawgeti(L, index, i) != LUA_TSTRING)
			luaL_error(L, "%s: address %d is a %s, not a text", hook_name(q->hook), (int)i,
			           luaL_typename(L, -1));
		address.ptr = lua_tolstring(L, -1, &address.len);
		add_target(q, tail, NULL, arena_strdup(&q->arena, canonical(q, address, default_domain)));
		lua_pop(L, 1);
	}
}

/* mail.accept{ mailbox = ... } or { redirect = { ... } }: the options are on top. */
static void read_targets(lua_State *L, struct question *q, const char *default_domain)
{
	struct recipient_target **tail = &q->targets;
	int options = lua_gettop(L);
	struct slice mailbox = name_field(L, options, "mailbox", false);

	q->targets = NULL;
	if (mailbox.len)
		add_target(q, &tail, arena_strdup(&q->arena, canonical(q, mailbox, default_domain)),
		           arena_strdup(&q->arena, q->recipient.address));
	if (lua_getfield(L, options, "redirect") == LUA_TTABLE)
		read_addresses(L, lua_gettop(L), q, &tail, default_domain);
	lua_pop(L, 1);
}

/* mail.accept{ mailbox = ... } for one recipient: the options are on top. */
static void read_filing(lua_State *L, struct question *q, const char *default_domain)
{
	struct recipient_target **tail = &q->targets;
	int options = lua_gettop(L);
	struct slice mailbox = name_field(L, options, "mailbox", false);

	q->targets = NULL;
	if (lua_getfield(L, options, "redirect") != LUA_TNIL)
		wrong(L, q, "mail.accept{ redirect = ... }; redirect in accept_recipient");
	lua_pop(L, 1);
	if (mailbox.len)
		add_target(q, &tail, arena_strdup(&q->arena, canonical(q, mailbox, default_domain)), NULL);
}

/* mail.accept{ address = ... } of a sender: the options are on top. */
static void read_sender(lua_State *L, struct question *q)
{
	struct slice address = name_field(L, lua_gettop(L), "address", false), path;
	struct address_parts parts;

	if (!address.ptr)
		return;
	path = slice_from(arena_printf(&q->arena, "<%.*s>", SLICE_ARG(address)));
	if (address_parse_path(&path, ADDRESS_EMPTY_OK | ADDRESS_UTF8, &q->arena, &parts) != ST_OK || path.len)
		luaL_error(L, "\"%s\" is no address for a sender; \"\" is the null reverse-path", address.ptr);
	if (parts.utf8 && !q->sender.smtputf8)
		luaL_error(L, "the sender \"%s\" is not ASCII, and this mail came without SMTPUTF8",
		           address.ptr);
	q->address = parts.whole.len ? parts.whole : SLICE("");
}

/* "a@b.test" or { "a@b.test", ... } at index: what an alias stands for. */
static void read_alias(lua_State *L, int index, struct question *q, const char *default_domain)
{
	struct recipient_target **tail = &q->targets;

	if (lua_type(L, index) == LUA_TSTRING) {
		lua_createtable(L, 1, 0);
		lua_pushvalue(L, index);
		lua_rawseti(L, -2, 1);
		lua_replace(L, index);
	}
	if (lua_rawlen(L, index) == 0)
		wrong(L, q, "an empty list");
	read_addresses(L, index, q, &tail, default_domain);
}

/* accept{...} of the hooks that want more than a yes; the answer is at index. */
static void read_accept(lua_State *L, int index, struct question *q, const char *default_domain)
{
	bool options = lua_getiuservalue(L, index, 1) == LUA_TTABLE;
	struct slice user = options ? name_field(L, lua_gettop(L), "user", false) : SLICE_NONE;

	if (q->hook == HOOK_ACCEPT_RECIPIENT && options)
		read_targets(L, q, default_domain);
	else if (q->hook == HOOK_ACCEPT_DELIVERY && options)
		read_filing(L, q, default_domain);
	else if (q->hook == HOOK_ACCEPT_SENDER && options)
		read_sender(L, q);
	else if (q->hook == HOOK_SECRET)
		wrong(L, q, "mail.accept()");
	else if ((q->hook == HOOK_AUTH || q->hook == HOOK_TOKEN) && user.ptr)
		read_identity(L, lua_gettop(L), q, default_domain);
	else if (q->hook == HOOK_AUTH || q->hook == HOOK_TOKEN)
		identity_set(&q->identity, q->login.user, canonical(q, q->login.user, default_domain));
	lua_pop(L, 1);
}

static void read_verdict(lua_State *L, int index, const struct verdict *v, struct question *q,
                         const char *default_domain)
{
	if (!(hook_row_of(q->hook)->verdicts & 1u << v->kind)) {
		lua_pushfstring(L, "mail.%s()", verdict_name(v->kind));
		wrong(L, q, lua_tostring(L, -1));
	}
	if (v->kind == VERDICT_ACCEPT)
		read_accept(L, index, q, default_domain);
	q->verdict.kind = v->kind;
	memcpy(q->verdict.status, v->status, sizeof(v->status));
	memcpy(q->verdict.text, v->text, sizeof(v->text));
	memcpy(q->verdict.where, v->where, sizeof(v->where));
	q->verdict.delay_ms += v->delay_ms;
}

/* nil, "why": the plugin could not find out.  What it says is for the log, not for the peer. */
static void read_nothing(lua_State *L, int second, struct question *q)
{
	if (lua_isnil(L, second))
		return;
	log_warn("plugin has no answer for now", "hook", hook_name(q->hook), "session", q->facts->id,
	         "error", luaL_tolstring(L, second, NULL), NULL);
	answer_failed(q);
	lua_pop(L, 1);
}

/* ---- what is changed ---- */

enum { REWRITE_MAX = 400 };          /* octets of a line, so that it fits into every reply */

/* One line of the text at index. */
static struct slice line_of(lua_State *L, int index, const struct question *q)
{
	struct slice s;

	s.ptr = lua_tolstring(L, index, &s.len);
	if (s.len > REWRITE_MAX || !utf8_valid(s))
		luaL_error(L, "%s: a line is UTF-8 of at most %d octets", hook_name(q->hook), REWRITE_MAX);
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
			luaL_error(L, "%s: a line has no CR, LF or other controls", hook_name(q->hook));
	return s;
}

/* The words of a capability are among those of the one that the core has of that name; SIZE may be
 * less than it bears (RFC 1870, 4). */
static bool capable(struct slice line, struct slice known)
{
	struct slice word, has, rest;
	uint64_t less, most;

	if (slice_cut(&line, ' ', &word) != ST_OK || slice_cut(&known, ' ', &has) != ST_OK ||
	    !slice_ieq(word, has))
		return false;
	if (slice_ieq(word, SLICE("SIZE")))
		return slice_to_u64(line, &less) == ST_OK && slice_to_u64(known, &most) == ST_OK && less > 0 &&
		       less <= most;
	while (slice_cut(&line, ' ', &word) == ST_OK) {
		bool found = false;

		for (rest = known; !found && slice_cut(&rest, ' ', &has) == ST_OK;)
			found = slice_ieq(word, has);
		if (!found)
			return false;
	}
	return true;
}

static void check_capability(lua_State *L, const struct question *q, struct slice line)
{
	struct slice rest = q->rewrite.known, known;

	while (slice_cut(&rest, '\n', &known) == ST_OK)
		if (capable(line, known))
			return;
	lua_pushlstring(L, line.ptr, line.len);
	luaL_error(L, "%s: \"%s\" is nothing that the server can do in this session; it may be left out, "
	           "not invented", hook_name(q->hook), lua_tostring(L, -1));
}

static void read_list(lua_State *L, int index, struct question *q)
{
	struct buf text;
	lua_Integer count = (lua_Integer)lua_rawlen(L, index);

	/* Checked first, so that nothing is lost to an error. */
	for (lua_Integer i = 1; i <= count; i++) {
		if (lua_rawgeti(L, index, i) != LUA_TSTRING)
			luaL_error(L, "%s: line %d is a %s", hook_name(q->hook), (int)i, luaL_typename(L, -1));
		check_capability(L, q, line_of(L, -1, q));
		lua_pop(L, 1);
	}
	buf_init(&text, 0);
	for (lua_Integer i = 1; i <= count; i++) {
		struct slice line;

		lua_rawgeti(L, index, i);
		line.ptr = lua_tolstring(L, -1, &line.len);
		(void)buf_append(&text, line);
		(void)buf_append_byte(&text, '\n');
		lua_pop(L, 1);
	}
	q->rewrite.text = arena_copy(&q->arena, buf_slice(&text));
	buf_free(&text);
}

static void read_change(lua_State *L, int index, struct question *q)
{
	if (q->hook == HOOK_REWRITE_CAPABILITIES && lua_istable(L, index)) {
		read_list(L, index, q);
	} else if (q->hook != HOOK_REWRITE_CAPABILITIES && lua_type(L, index) == LUA_TSTRING) {
		q->rewrite.text = arena_copy(&q->arena, line_of(L, index, q));
	} else {
		lua_pushfstring(L, "a %s", luaL_typename(L, index));
		wrong(L, q, lua_tostring(L, -1));
	}
}

void answer_read(lua_State *L, struct question *q, const char *default_domain)
{
	int first = lua_gettop(L) - 1;
	const struct verdict *v = values_verdict(L, first);

	if (lua_isnil(L, first)) {
		read_nothing(L, first + 1, q);
	} else if (v) {
		read_verdict(L, first, v, q, default_domain);
	} else if (hook_row_of(q->hook)->kind == HOOK_KIND_CHANGE) {
		read_change(L, first, q);
	} else if (lua_istable(L, first) && (q->hook == HOOK_AUTH || q->hook == HOOK_TOKEN)) {
		read_identity(L, first, q, default_domain);
		q->verdict.kind = VERDICT_ACCEPT;
	} else if (lua_istable(L, first) && q->hook == HOOK_SECRET) {
		read_secret(L, first, q);
		q->verdict.kind = VERDICT_ACCEPT;
	} else if (lua_istable(L, first) && q->hook == HOOK_CERTIFICATE) {
		q->certificate.chain = arena_copy(&q->arena, field(L, first, "chain", true));
		q->certificate.key = arena_copy(&q->arena, field(L, first, "key", true));
		q->verdict.kind = VERDICT_ACCEPT;
	} else if (q->hook == HOOK_ALIAS && (lua_istable(L, first) || lua_type(L, first) == LUA_TSTRING)) {
		read_alias(L, first, q, default_domain);
		q->verdict.kind = VERDICT_ACCEPT;
	} else {
		lua_pushfstring(L, "a %s", luaL_typename(L, first));
		wrong(L, q, lua_tostring(L, -1));
	}
}
