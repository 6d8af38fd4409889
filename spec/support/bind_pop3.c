/* core/pop3 for specs: a session without sockets, its policy a Lua function, its maildrop a Lua
 * table that can be slow, busy or broken.  spec/support/pop3.lua documents the options. */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "pop3/session.h"

int luaopen_bind_pop3(lua_State *L);

#define SESSION "pop3.session"

enum pending { NOTHING, QUESTION, OPEN, READ, COMMIT };

struct spec_session {
	struct machine         *m;
	struct pop3_settings    settings;
	struct policy           policy;
	struct mailbox_provider provider;
	struct observer         observer;
	struct buf              inbox;
	lua_State              *L;            /* of the call that runs */
	int                     options;      /* registry reference: the options table */
	int                     events;       /* registry reference: list of events */
	int                     changes;      /* host_changed so far */
	enum pending            pending;
	struct question        *question;
	void                   *owner;
	maildrop_opened_fn     *opened;
	maildrop_read_fn       *read;
	maildrop_done_fn       *done;
	unsigned                index;        /* READ: what was asked */
	uint64_t                offset;
	size_t                  max;
	unsigned                open_count, close_count, cancel_count;
};

struct spec_maildrop {
	struct maildrop      drop;
	struct spec_session *session;
};

/* ---- reading the options ---- */

static int push_option(struct spec_session *s, const char *name)
{
	lua_rawgeti(s->L, LUA_REGISTRYINDEX, s->options);
	int type = lua_getfield(s->L, -1, name);

	lua_remove(s->L, -2);
	return type;
}

static lua_Integer option_integer(struct spec_session *s, const char *name, lua_Integer fallback)
{
	lua_Integer n = push_option(s, name) == LUA_TNUMBER ? lua_tointeger(s->L, -1) : fallback;

	lua_pop(s->L, 1);
	return n;
}

static bool option_true(struct spec_session *s, const char *name)
{
	push_option(s, name);
	bool yes = lua_toboolean(s->L, -1);

	lua_pop(s->L, 1);
	return yes;
}

static enum status status_of(const char *name)
{
	for (int st = 0; st < ST__COUNT; st++)
		if (name && strcmp(name, status_name((enum status)st)) == 0)
			return (enum status)st;
	return ST_OK;
}

static enum status option_status(struct spec_session *s, const char *name)
{
	push_option(s, name);
	enum status st = status_of(lua_type(s->L, -1) == LUA_TSTRING ? lua_tostring(s->L, -1) : NULL);

	lua_pop(s->L, 1);
	return st;
}

/* A note in the list options[name]. */
static void note(struct spec_session *s, const char *name, lua_Integer n)
{
	if (push_option(s, name) == LUA_TTABLE) {
		lua_pushinteger(s->L, n);
		lua_rawseti(s->L, -2, (lua_Integer)lua_rawlen(s->L, -2) + 1);
	}
	lua_pop(s->L, 1);
}

/* ---- the maildrop ---- */

/* Push field of message index (from 0), or the message itself for "octets" of a plain string. */
static int push_message_field(struct spec_session *s, unsigned index, const char *field)
{
	push_option(s, "mailbox");
	int type = lua_rawgeti(s->L, -1, (lua_Integer)index + 1);

	lua_remove(s->L, -2);
	if (type == LUA_TSTRING) {
		if (strcmp(field, "octets") == 0)
			return type;
		lua_pop(s->L, 1);
		lua_pushnil(s->L);
		return LUA_TNIL;
	}
	type = lua_getfield(s->L, -1, field);
	lua_remove(s->L, -2);
	return type;
}

static void answer_read(struct spec_session *s, enum status st)
{
	maildrop_read_fn *read = s->read;
	lua_Integer slice = option_integer(s, "slice", 1 << 30);
	lua_Integer fail_at = option_integer(s, "read_fail_at", -1);
	size_t len;

	s->pending = NOTHING;
	push_message_field(s, s->index, "octets");
	const char *octets = lua_tolstring(s->L, -1, &len);
	size_t at = s->offset < len ? (size_t)s->offset : len;
	size_t n = len - at < s->max ? len - at : s->max;

	n = n < (size_t)slice ? n : (size_t)slice;
	if (fail_at >= 0 && s->offset >= (uint64_t)fail_at)
		st = ST_IO;
	/* A copy that ends with its octets, so that sanitizers see who reads too far. */
	char *copy = mem_alloc(n ? n : 1);

	memcpy(copy, octets + at, n);
	lua_pop(s->L, 1);
	read(s->owner, st, st == ST_OK ? slice_of(copy, n) : SLICE_NONE);
	free(copy);
}

static void drop_read(struct maildrop *m, unsigned index, uint64_t offset, size_t max,
                      maildrop_read_fn *done, void *owner)
{
	struct spec_session *s = ((struct spec_maildrop *)m)->session;

	note(s, "reads", (lua_Integer)max);
	s->index = index;
	s->offset = offset;
	s->max = max;
	s->read = done;
	s->owner = owner;
	s->pending = READ;
	if (!option_true(s, "read_later"))
		answer_read(s, ST_OK);
}

static void drop_commit(struct maildrop *m, const unsigned *indexes, unsigned count,
                        maildrop_done_fn *done, void *owner)
{
	struct spec_session *s = ((struct spec_maildrop *)m)->session;

	for (unsigned i = 0; i < count; i++)
		note(s, "committed", (lua_Integer)indexes[i] + 1);
	s->done = done;
	s->owner = owner;
	if (option_true(s, "commit_later"))
		s->pending = COMMIT;
	else
		done(owner, option_status(s, "commit"));
}

static void drop_close(struct maildrop *m)
{
	struct spec_session *s = ((struct spec_maildrop *)m)->session;

	if (s->pending == READ || s->pending == COMMIT) {
		s->pending = NOTHING;
		s->cancel_count++;
	}
	s->close_count++;
	for (unsigned i = 0; i < m->count; i++)
		free((char *)m->entries[i].uidl);
	free(m->entries);
	free(m);
}

static const struct maildrop_ops drop_ops = { drop_read, drop_commit, drop_close };

static void fill_entry(struct spec_session *s, unsigned i, struct maildrop_entry *e)
{
	size_t len;

	push_message_field(s, i, "octets");
	lua_tolstring(s->L, -1, &len);
	e->uid = i + 1;
	e->octets = push_message_field(s, i, "size") == LUA_TNUMBER ? (uint64_t)lua_tointeger(s->L, -1)
	                                                            : len;
	e->uidl = push_message_field(s, i, "uidl") == LUA_TSTRING ? mem_strdup(lua_tostring(s->L, -1))
	                                                          : NULL;
	push_message_field(s, i, "dots");
	e->flags = lua_toboolean(s->L, -1) ? MESSAGE_DOT_LINES : 0;
	e->stuff_unknown = lua_isnil(s->L, -1);
	lua_pop(s->L, 4);
}

static struct maildrop *make_drop(struct spec_session *s)
{
	struct spec_maildrop *m = MEM_NEW(struct spec_maildrop);

	m->session = s;
	m->drop.ops = &drop_ops;
	m->drop.uidvalidity = 0x5eed;
	m->drop.last_login = option_integer(s, "last_login", 0);
	if (push_option(s, "mailbox") == LUA_TTABLE)
		m->drop.count = (unsigned)lua_rawlen(s->L, -1);
	lua_pop(s->L, 1);
	m->drop.entries = mem_array(m->drop.count + 1, sizeof(*m->drop.entries));
	for (unsigned i = 0; i < m->drop.count; i++) {
		fill_entry(s, i, &m->drop.entries[i]);
		m->drop.octets += m->drop.entries[i].octets;
	}
	return &m->drop;
}

static void answer_open(struct spec_session *s, enum status st)
{
	s->pending = NOTHING;
	s->opened(s->owner, st, st == ST_OK ? make_drop(s) : NULL);
}

static void provider_open(struct mailbox_provider *p, const struct facts *f, struct slice mailbox,
                          maildrop_opened_fn *done, void *owner)
{
	struct spec_session *s = CONTAINER_OF(p, struct spec_session, provider);

	(void)f;
	s->open_count++;
	s->opened = done;
	s->owner = owner;
	if (push_option(s, "opened") == LUA_TTABLE) {
		lua_pushlstring(s->L, mailbox.ptr, mailbox.len);
		lua_rawseti(s->L, -2, (lua_Integer)lua_rawlen(s->L, -2) + 1);
	}
	lua_pop(s->L, 1);
	s->pending = OPEN;
	if (!option_true(s, "open_later"))
		answer_open(s, option_status(s, "open"));
}

static void provider_cancel_open(struct mailbox_provider *p, void *owner)
{
	struct spec_session *s = CONTAINER_OF(p, struct spec_session, provider);

	(void)owner;
	s->pending = NOTHING;
	s->cancel_count++;
}

static const struct mailbox_ops provider_ops = {
	.open = provider_open,
	.cancel_open = provider_cancel_open,
};

/* ---- policy ---- */

static void set_field(lua_State *L, const char *name, struct slice v)
{
	lua_pushlstring(L, v.len ? v.ptr : "", v.len);
	lua_setfield(L, -2, name);
}

static void push_question(lua_State *L, const struct question *q)
{
	lua_newtable(L);
	set_field(L, "hook", slice_from(hook_name(q->hook)));
	switch (q->hook) {
	case HOOK_AUTH:
	case HOOK_SECRET:
	case HOOK_TOKEN:
		set_field(L, "mechanism", q->login.mechanism);
		set_field(L, "user", q->login.user);
		set_field(L, "password", q->login.password);
		set_field(L, "authzid", q->login.authzid);
		set_field(L, "token", q->login.token);
		break;
	case HOOK_ON_DELETE:
		set_field(L, "mailbox", q->deletion.mailbox);
		set_field(L, "uidl", q->deletion.uidl);
		lua_pushinteger(L, q->deletion.number);
		lua_setfield(L, -2, "number");
		lua_pushinteger(L, (lua_Integer)q->deletion.octets);
		lua_setfield(L, -2, "octets");
		break;
	default:
		break;
	}
}

static struct slice field(lua_State *L, const char *name)
{
	size_t len = 0;
	const char *text = lua_getfield(L, -1, name) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;

	lua_pop(L, 1);               /* the table still holds the string */
	return slice_of(text, len);
}

static enum verdict_kind kind_of(struct slice name)
{
	for (int k = 0; k <= VERDICT_KEEP; k++)
		if (slice_eq(name, slice_from(verdict_name((enum verdict_kind)k))))
			return (enum verdict_kind)k;
	return VERDICT_NONE;
}

/* The answer on top of the stack: nil or a table {kind, status, text, delay, user, mailbox ...}. */
static void answer_question(struct spec_session *s, struct question *q)
{
	lua_State *L = s->L;

	s->pending = NOTHING;
	if (lua_istable(L, -1)) {
		struct slice user = field(L, "user"), plain = field(L, "plain");

		verdict_set(&q->verdict, kind_of(field(L, "kind")), field(L, "status").ptr, "%.*s",
		            SLICE_ARG(field(L, "text")));
		lua_getfield(L, -1, "delay");
		q->verdict.delay_ms = (uint32_t)lua_tointeger(L, -1);
		lua_pop(L, 1);
		if (user.ptr)
			identity_set(&q->identity, user, field(L, "mailbox").ptr ? field(L, "mailbox") : user);
		if (plain.ptr)
			q->secret.plain = arena_copy(&q->arena, plain);
	}
	question_answer(q);
}

static void on_cancel(struct question *q)
{
	struct spec_session *s = q->work;

	s->pending = NOTHING;
	s->cancel_count++;
}

static void policy_ask(struct policy *p, struct question *q)
{
	struct spec_session *s = CONTAINER_OF(p, struct spec_session, policy);
	lua_State *L = s->L;

	if (push_option(s, "policy") != LUA_TFUNCTION) {
		lua_pop(L, 1);
		lua_pushnil(L);
	} else {
		push_question(L, q);
		if (lua_pcall(L, 1, 1, 0) != LUA_OK)
			die("policy of the spec: %s", lua_tostring(L, -1));
	}
	if (lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "later") == 0) {
		s->pending = QUESTION;
		s->question = q;
		q->work = s;
		q->cancel = on_cancel;
	} else {
		answer_question(s, q);
	}
	lua_pop(L, 1);
}

/* ---- observer and host ---- */

static const char *const event_names[] = {
	"connect", "command", "reply", "data", "tls", "login", "accepted", "retrieved", "deleted",
	"disconnect",
};

static void on_event(struct observer *o, const struct event *e)
{
	struct spec_session *s = CONTAINER_OF(o, struct spec_session, observer);
	lua_State *L = s->L;

	lua_rawgeti(L, LUA_REGISTRYINDEX, s->events);
	lua_newtable(L);
	set_field(L, "kind", slice_from(event_names[e->kind]));
	set_field(L, "line", e->line);
	set_field(L, "state", slice_from(e->state ? e->state : ""));
	if (e->verdict)
		set_field(L, "verdict", slice_from(verdict_name(e->verdict->kind)));
	lua_pushinteger(L, (lua_Integer)e->octets);
	lua_setfield(L, -2, "octets");
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	lua_pop(L, 1);
}

static void on_changed(void *host)
{
	((struct spec_session *)host)->changes++;
}

static enum status on_binding(void *host, const char *type, unsigned char out[64], size_t *len)
{
	if (!option_true(host, "channel_binding") || strcmp(type, "tls-exporter") != 0)
		return ST_UNSUPPORTED;
	memset(out, 'b', 32);
	*len = 32;
	return ST_OK;
}

/* ---- making a session ---- */

static void read_number(lua_State *L, const char *name, uint32_t *to)
{
	if (lua_getfield(L, -1, name) == LUA_TNUMBER)
		*to = (uint32_t)lua_tointeger(L, -1);
	lua_pop(L, 1);
}

static void read_flag(lua_State *L, const char *name, bool *to)
{
	if (lua_getfield(L, -1, name) == LUA_TBOOLEAN)
		*to = lua_toboolean(L, -1);
	lua_pop(L, 1);
}

static void read_text(lua_State *L, const char *name, const char **to)
{
	if (field(L, name).ptr)
		*to = field(L, name).ptr;
}

static void read_language(lua_State *L, struct pop3_settings *set)
{
	if (slice_eq(field(L, "language"), SLICE("ru")))
		set->language = POP3_LANGUAGE_RU;
}

/* The settings table is on top of the stack. */
static void read_settings(lua_State *L, struct pop3_settings *set)
{
	uint32_t expire = (uint32_t)set->expire_days;

	read_text(L, "hostname", &set->hostname);
	read_text(L, "banner", &set->banner);
	read_text(L, "default_domain", &set->default_domain);
	read_language(L, set);
	read_number(L, "max_command_octets", &set->max_command_octets);
	read_number(L, "max_auth_line_octets", &set->max_auth_line_octets);
	read_number(L, "max_errors", &set->max_errors);
	read_number(L, "max_auth_failures", &set->max_auth_failures);
	read_number(L, "auth_failure_delay_ms", &set->auth_failure_delay_ms);
	read_number(L, "idle_timeout_ms", &set->idle_timeout_ms);
	read_number(L, "login_timeout_ms", &set->login_timeout_ms);
	read_number(L, "login_delay_s", &set->login_delay_s);
	read_number(L, "expire_days", &expire);
	set->expire_days = (int32_t)expire;
	read_flag(L, "apop", &set->apop);
	read_flag(L, "auth_without_tls", &set->auth_without_tls);
	read_flag(L, "auth_without_tls_on_loopback", &set->auth_without_tls_on_loopback);
	if (lua_getfield(L, -1, "auth_mechanisms") == LUA_TTABLE) {
		set->auth_mechanisms = 0;
		for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
			set->auth_mechanisms |= login_mechanism(slice_from(lua_tostring(L, -1)));
			lua_pop(L, 1);
		}
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

static uint32_t read_hooks(struct spec_session *s)
{
	uint32_t bits = 0;
	int top = lua_gettop(s->L);

	if (push_option(s, "hooks") == LUA_TTABLE)
		for (lua_Integer i = 1; lua_rawgeti(s->L, -1, i) == LUA_TSTRING; i++, lua_pop(s->L, 1))
			for (int h = 0; h < HOOK__COUNT; h++)
				if (strcmp(lua_tostring(s->L, -1), hook_name((enum hook)h)) == 0)
					bits |= 1u << h;
	lua_settop(s->L, top);
	return bits;
}

/* new(options) -> session, its greeting already made */
static int l_new(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	struct spec_session *s = lua_newuserdatauv(L, sizeof(*s), 0);

	memset(s, 0, sizeof(*s));
	buf_init(&s->inbox, 0);
	s->L = L;
	lua_pushvalue(L, 1);
	s->options = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_newtable(L);
	s->events = luaL_ref(L, LUA_REGISTRYINDEX);
	pop3_settings_default(&s->settings);
	if (push_option(s, "settings") == LUA_TTABLE)
		read_settings(L, &s->settings);
	lua_pop(L, 1);
	s->policy = (struct policy){ .ask = policy_ask, .hooks = read_hooks(s) };
	s->provider.ops = &provider_ops;
	s->observer = (struct observer){ on_event, true };
	struct machine_setup setup = {
		.policy = &s->policy, .mailboxes = &s->provider, .observer = &s->observer, .host = s,
		.host_changed = on_changed, .channel_binding = on_binding,
		.tls_available = option_true(s, "tls_available"),
	};

	facts_init(&setup.facts);
	setup.facts.protocol = PROTOCOL_POP3;
	setup.facts.service = SERVICE_POP3;
	setup.facts.loopback = option_true(s, "loopback");
	if (option_true(s, "tls"))
		setup.facts.tls = (struct tls_facts){ .active = true, .version = "TLSv1.3", .cipher = "spec" };
	s->m = pop3_session_new(&s->settings, &setup);
	luaL_setmetatable(L, SESSION);
	s->m->ops->start(s->m);
	return 1;
}

static struct spec_session *check(lua_State *L)
{
	struct spec_session *s = luaL_checkudata(L, 1, SESSION);

	luaL_argcheck(L, s->m != NULL, 1, "session is closed");
	s->L = L;
	return s;
}

/* ---- methods ---- */

static void feed_inbox(struct spec_session *s)
{
	/* As the host does: in a copy of just that size, fed again while something is taken. */
	while (s->m->wants == MACHINE_READ && buf_len(&s->inbox)) {
		size_t len = buf_len(&s->inbox);
		char *copy = mem_slice_dup(buf_slice(&s->inbox));
		struct slice in = { copy, len };

		s->m->ops->feed(s->m, &in);
		buf_consume(&s->inbox, len - in.len);
		mem_wipe(copy, len);
		free(copy);
		if (in.len == len)
			break;
	}
	if (s->m->wants == MACHINE_TLS)
		buf_reset(&s->inbox);
}

/* feed(octets): what the machine does not take stays for the next time */
static int l_feed(lua_State *L)
{
	struct spec_session *s = check(L);
	size_t len;
	const char *octets = luaL_optlstring(L, 2, "", &len);

	buf_append(&s->inbox, slice_of(octets, len));
	feed_inbox(s);
	lua_settop(L, 1);
	return 1;
}

/* take([max]) -> octets the machine wants to send */
static int l_take(lua_State *L)
{
	struct spec_session *s = check(L);
	struct slice out = slice_head(buf_slice(&s->m->out), (size_t)luaL_optinteger(L, 2, 1 << 30));

	lua_pushlstring(L, out.len ? out.ptr : "", out.len);
	buf_consume(&s->m->out, out.len);
	return 1;
}

/* unread() -> octets fed and not taken yet; waiting() -> octets not yet written */
static int l_unread(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)buf_len(&check(L)->inbox));
	return 1;
}

static int l_unwritten(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)buf_len(&check(L)->m->out));
	return 1;
}

static int l_wants(lua_State *L)
{
	static const char *const names[] = { "read", "wait", "drain", "tls", "close" };

	lua_pushstring(L, names[check(L)->m->wants]);
	return 1;
}

static int l_timeout(lua_State *L)
{
	lua_pushinteger(L, check(L)->m->timeout_ms);
	return 1;
}

static int l_delay(lua_State *L)
{
	lua_pushinteger(L, check(L)->m->delay_ms);
	return 1;
}

/* pending() -> "auth", "on_delete" ..., "open", "read", "commit", or nil */
static int l_pending(lua_State *L)
{
	static const char *const names[] = { NULL, NULL, "open", "read", "commit" };
	struct spec_session *s = check(L);

	lua_pushstring(L, s->pending == QUESTION ? hook_name(s->question->hook) : names[s->pending]);
	return 1;
}

/* answer(verdict table, or status name, or nil): complete what is pending */
static int l_answer(lua_State *L)
{
	struct spec_session *s = check(L);
	enum status st = status_of(lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL);

	lua_settop(L, 2);
	switch (s->pending) {
	case QUESTION: answer_question(s, s->question); break;
	case OPEN:     answer_open(s, st); break;
	case READ:     answer_read(s, st); break;
	case COMMIT:
		s->pending = NOTHING;
		s->done(s->owner, st);
		break;
	case NOTHING:  return luaL_error(L, "nothing is pending");
	}
	feed_inbox(s);
	lua_settop(L, 1);
	return 1;
}

static int l_drained(lua_State *L)
{
	struct spec_session *s = check(L);

	s->m->ops->drained(s->m);
	feed_inbox(s);
	lua_settop(L, 1);
	return 1;
}

static int l_delayed(lua_State *L)
{
	struct spec_session *s = check(L);

	s->m->ops->delayed(s->m);
	feed_inbox(s);
	lua_settop(L, 1);
	return 1;
}

static int l_tls_started(lua_State *L)
{
	struct spec_session *s = check(L);

	s->m->facts.tls = (struct tls_facts){ .active = true, .version = "TLSv1.3", .cipher = "spec" };
	s->m->ops->tls_started(s->m);
	lua_settop(L, 1);
	return 1;
}

static int l_timed_out(lua_State *L)
{
	struct spec_session *s = check(L);

	s->m->ops->timed_out(s->m);
	lua_settop(L, 1);
	return 1;
}

static int l_stop(lua_State *L)
{
	struct spec_session *s = check(L);

	s->m->ops->end(s->m);
	lua_settop(L, 1);
	return 1;
}

/* numbers() -> {opened, closed, canceled, changes} */
static int l_numbers(lua_State *L)
{
	struct spec_session *s = luaL_checkudata(L, 1, SESSION);

	lua_newtable(L);
	lua_pushinteger(L, s->open_count);
	lua_setfield(L, -2, "opened");
	lua_pushinteger(L, s->close_count);
	lua_setfield(L, -2, "closed");
	lua_pushinteger(L, s->cancel_count);
	lua_setfield(L, -2, "canceled");
	lua_pushinteger(L, s->changes);
	lua_setfield(L, -2, "changes");
	return 1;
}

static int l_events(lua_State *L)
{
	struct spec_session *s = luaL_checkudata(L, 1, SESSION);

	lua_rawgeti(L, LUA_REGISTRYINDEX, s->events);
	return 1;
}

static int l_user(lua_State *L)
{
	lua_pushstring(L, check(L)->m->facts.identity.user);
	return 1;
}

/* close(): the connection is gone */
static int l_close(lua_State *L)
{
	struct spec_session *s = luaL_checkudata(L, 1, SESSION);

	s->L = L;
	if (s->m)
		s->m->ops->free(s->m);
	s->m = NULL;
	buf_free(&s->inbox);
	return 0;
}

static int l_gc(lua_State *L)
{
	struct spec_session *s = luaL_checkudata(L, 1, SESSION);

	l_close(L);
	luaL_unref(L, LUA_REGISTRYINDEX, s->options);
	luaL_unref(L, LUA_REGISTRYINDEX, s->events);
	return 0;
}

int luaopen_bind_pop3(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "feed", l_feed }, { "take", l_take }, { "unread", l_unread },
		{ "unwritten", l_unwritten }, { "wants", l_wants }, { "timeout", l_timeout },
		{ "delay", l_delay }, { "pending", l_pending }, { "answer", l_answer },
		{ "drained", l_drained }, { "delayed", l_delayed }, { "tls_started", l_tls_started },
		{ "timed_out", l_timed_out }, { "stop", l_stop }, { "numbers", l_numbers },
		{ "events", l_events }, { "user", l_user }, { "close", l_close }, { NULL, NULL },
	};
	static const luaL_Reg functions[] = { { "new", l_new }, { NULL, NULL } };

	if (luaL_newmetatable(L, SESSION)) {
		luaL_newlib(L, methods);
		lua_setfield(L, -2, "__index");
		lua_pushcfunction(L, l_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
	luaL_newlib(L, functions);
	return 1;
}
