/* core/pop3 for specs: a session without sockets, its policy a Lua function, its maildrop a Lua
 * table.  spec/support/pop3.lua documents the options. */
#include "bind_pop3.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "pop3/lang.h"

int luaopen_bind_pop3(lua_State *L);

#define SESSION "pop3.session"

/* ---- reading the options ---- */

int bind_pop3_option(struct spec_session *s, const char *name)
{
	lua_rawgeti(s->L, LUA_REGISTRYINDEX, s->options);
	int type = lua_getfield(s->L, -1, name);

	lua_remove(s->L, -2);
	return type;
}

lua_Integer bind_pop3_integer(struct spec_session *s, const char *name, lua_Integer fallback)
{
	lua_Integer n = bind_pop3_option(s, name) == LUA_TNUMBER ? lua_tointeger(s->L, -1) : fallback;

	lua_pop(s->L, 1);
	return n;
}

bool bind_pop3_true(struct spec_session *s, const char *name)
{
	bind_pop3_option(s, name);
	bool yes = lua_toboolean(s->L, -1);

	lua_pop(s->L, 1);
	return yes;
}

enum status bind_pop3_status(const char *name)
{
	for (int st = 0; st < ST__COUNT; st++)
		if (name && strcmp(name, status_name((enum status)st)) == 0)
			return (enum status)st;
	return ST_OK;
}

struct slice bind_pop3_field(lua_State *L, const char *name)
{
	size_t len = 0;
	const char *text = lua_getfield(L, -1, name) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;

	lua_pop(L, 1);               /* the table still holds the string */
	return slice_of(text, len);
}

void bind_pop3_set_field(lua_State *L, const char *name, struct slice v)
{
	lua_pushlstring(L, v.len ? v.ptr : "", v.len);
	lua_setfield(L, -2, name);
}

/* ---- observer and host ---- */

static const char *const event_names[] = {
	"connect", "command", "reply", "data", "tls", "login", "accepted", "retrieved", "deleted",
	"disconnect", "stored", "error",
};

static void on_event(struct observer *o, const struct event *e)
{
	struct spec_session *s = CONTAINER_OF(o, struct spec_session, observer);
	lua_State *L = s->L;

	lua_rawgeti(L, LUA_REGISTRYINDEX, s->events);
	lua_newtable(L);
	bind_pop3_set_field(L, "kind", slice_from(event_names[e->kind]));
	bind_pop3_set_field(L, "line", e->line);
	bind_pop3_set_field(L, "state", slice_from(e->state ? e->state : ""));
	if (e->verdict)
		bind_pop3_set_field(L, "verdict", slice_from(verdict_name(e->verdict->kind)));
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
	if (!bind_pop3_true(host, "channel_binding") || strcmp(type, "tls-exporter") != 0)
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
	if (bind_pop3_field(L, name).ptr)
		*to = bind_pop3_field(L, name).ptr;
}

static void read_language(lua_State *L, struct pop3_settings *set)
{
	if (slice_eq(bind_pop3_field(L, "language"), SLICE("ru")))
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

	if (bind_pop3_option(s, "hooks") == LUA_TTABLE)
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
	s->settings.auth_without_tls_on_loopback = true;   /* most specs sign in in clear */
	if (bind_pop3_option(s, "settings") == LUA_TTABLE)
		read_settings(L, &s->settings);
	lua_pop(L, 1);
	s->policy = (struct policy){ .ask = bind_pop3_ask, .hooks = read_hooks(s) };
	s->provider.ops = &bind_pop3_mailboxes;
	s->observer = (struct observer){ .event = on_event, .wants_lines = true };
	struct machine_setup setup = {
		.policy = &s->policy, .mailboxes = &s->provider, .observer = &s->observer, .host = s,
		.host_changed = on_changed, .channel_binding = on_binding,
		.tls_available = bind_pop3_true(s, "tls_available"),
		.sends_files = bind_pop3_true(s, "sends_files"),
	};

	facts_init(&setup.facts);
	setup.facts.protocol = PROTOCOL_POP3;
	setup.facts.service = SERVICE_POP3;
	setup.facts.loopback = bind_pop3_true(s, "loopback");
	if (bind_pop3_true(s, "tls"))
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
	machine_rest(s->m);
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
	static const char *const names[] = { "read", "wait", "drain", "file", "tls", "close" };

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
	enum status st = bind_pop3_status(lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL);

	lua_settop(L, 2);
	switch (s->pending) {
	case QUESTION: bind_pop3_answer_question(s, s->question); break;
	case OPEN:     bind_pop3_answer_open(s, st); break;
	case READ:     bind_pop3_answer_read(s, st); break;
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

/* send_file([max]) -> what the host would send of the file; -1: as if the file did not give it */
static int l_send_file(lua_State *L)
{
	struct spec_session *s = check(L);
	lua_Integer max = luaL_optinteger(L, 2, 1 << 30);
	const struct file_range *f = &s->m->file;
	size_t n = max < 0 ? 0 : f->octets < (size_t)max ? f->octets : (size_t)max;
	char *octets = mem_alloc(n ? n : 1);
	ssize_t got = pread(f->fd, octets, n, (off_t)f->offset);

	lua_pushlstring(L, octets, got > 0 ? (size_t)got : 0);
	free(octets);
	s->m->ops->file_sent(s->m, max < 0 ? -1 : (long)got);
	feed_inbox(s);
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

/* numbers() -> {opened, closed, canceled, login_time, changes} */
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
	lua_pushinteger(L, s->login_time);
	lua_setfield(L, -2, "login_time");
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

/* ---- the texts ---- */

static const struct { const char *symbol, *sign, *en, *ru; } texts[] = {
#define OK   "+OK"
#define ERR  "-ERR"
#define X(symbol, sign, en, ru) { #symbol, sign, en, ru },
	POP3_TEXT_LIST(X)
#undef X
#undef OK
#undef ERR
};

/* texts() -> { {symbol, sign, en, ru} ... } */
static int l_texts(lua_State *L)
{
	lua_newtable(L);
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		lua_newtable(L);
		bind_pop3_set_field(L, "symbol", slice_from(texts[i].symbol));
		bind_pop3_set_field(L, "sign", slice_from(texts[i].sign));
		bind_pop3_set_field(L, "en", slice_from(texts[i].en));
		bind_pop3_set_field(L, "ru", slice_from(texts[i].ru));
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

static uint64_t number_field(lua_State *L, const char *name)
{
	lua_getfield(L, 3, name);
	uint64_t n = (uint64_t)lua_tointeger(L, -1);

	lua_pop(L, 1);
	return n;
}

/* format(symbol, "en" or "ru", {u, m, o}) -> the line */
static int l_format(lua_State *L)
{
	const char *symbol = luaL_checkstring(L, 1);
	enum pop3_language language = *luaL_checkstring(L, 2) == 'r' ? POP3_LANGUAGE_RU : POP3_LANGUAGE_EN;
	struct pop3_values values = { .u = number_field(L, "u"), .m = number_field(L, "m"),
	                              .o = number_field(L, "o") };
	struct buf out;
	size_t i = 0;

	while (i < COUNT_OF(texts) && strcmp(texts[i].symbol, symbol) != 0)
		i++;
	luaL_argcheck(L, i < COUNT_OF(texts), 1, "no such text");
	buf_init(&out, 0);
	pop3_lang_format(&out, language, (enum pop3_text)i, &values, NULL);
	lua_pushlstring(L, buf_slice(&out).ptr, buf_len(&out));
	buf_free(&out);
	return 1;
}

int luaopen_bind_pop3(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "feed", l_feed }, { "take", l_take }, { "unread", l_unread },
		{ "unwritten", l_unwritten }, { "wants", l_wants }, { "timeout", l_timeout },
		{ "delay", l_delay }, { "pending", l_pending }, { "answer", l_answer },
		{ "drained", l_drained }, { "send_file", l_send_file }, { "delayed", l_delayed },
		{ "tls_started", l_tls_started },
		{ "timed_out", l_timed_out }, { "stop", l_stop }, { "numbers", l_numbers },
		{ "events", l_events }, { "user", l_user }, { "close", l_close }, { NULL, NULL },
	};
	static const luaL_Reg functions[] = {
		{ "new", l_new }, { "texts", l_texts }, { "format", l_format }, { NULL, NULL },
	};

	log_set_level(LOG_LEVEL_ERROR + 1);       /* specs refuse and break a lot; that is no news */
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
