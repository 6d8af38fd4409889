/* core/script for specs: the configuration loader here, the hooks further down. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "script/near.h"
#include "script/pattern.h"
#include "bind_script.h"

int luaopen_bind_script(lua_State *L);

static void set_string(lua_State *L, const char *key, const char *value)
{
	lua_pushstring(L, value);
	lua_setfield(L, -2, key);
}

static void set_integer(lua_State *L, const char *key, uint64_t value)
{
	lua_pushinteger(L, (lua_Integer)value);
	lua_setfield(L, -2, key);
}

static void set_boolean(lua_State *L, const char *key, bool value)
{
	lua_pushboolean(L, value);
	lua_setfield(L, -2, key);
}

static void set_strings(lua_State *L, const char *key, const char **values)
{
	lua_newtable(L);
	for (lua_Integer i = 0; values && values[i]; i++) {
		lua_pushstring(L, values[i]);
		lua_rawseti(L, -2, i + 1);
	}
	lua_setfield(L, -2, key);
}

static void push_listener(lua_State *L, const struct config_listener *l)
{
	lua_newtable(L);
	set_string(L, "name", l->name);
	set_string(L, "service", service_name(l->service));
	set_boolean(L, "tls", l->tls);
	set_boolean(L, "proxy", l->proxy);
	set_string(L, "where", l->where);
	lua_newtable(L);
	for (unsigned i = 0; i < l->address_count; i++) {
		lua_pushfstring(L, "%s %d", l->parsed[i].ip, l->parsed[i].port);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "addresses");
}

static void push_lists(lua_State *L, const struct config *c)
{
	lua_newtable(L);
	for (unsigned i = 0; i < c->listener_count; i++) {
		push_listener(L, &c->listeners[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "listeners");
	lua_newtable(L);
	for (unsigned i = 0; i < c->plugin_count; i++) {
		lua_newtable(L);
		set_string(L, "name", c->plugins[i].name);
		set_string(L, "file", c->plugins[i].file);
		set_string(L, "where", c->plugins[i].where);
		set_boolean(L, "trusted", c->plugins[i].trusted);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "plugins");
	lua_newtable(L);
	for (unsigned i = 0; i < c->alias_count; i++)
		set_strings(L, c->aliases[i].address, c->aliases[i].targets);
	lua_setfield(L, -2, "aliases");
	lua_newtable(L);
	for (unsigned i = 0; i < c->catch_all_count; i++)
		set_string(L, c->catch_all[i].domain, c->catch_all[i].target);
	lua_setfield(L, -2, "catch_all");
	lua_newtable(L);
	for (unsigned i = 0; i < c->user_count; i++) {
		lua_newtable(L);
		set_string(L, "password", c->users[i].password);
		set_integer(L, "quota_octets", c->users[i].quota_octets);
		lua_setfield(L, -2, c->users[i].name);
	}
	lua_setfield(L, -2, "users");
}

static void push_config(lua_State *L, const struct config *c)
{
	lua_newtable(L);
	set_string(L, "hostname", c->hostname);
	set_string(L, "default_domain", c->default_domain);
	set_strings(L, "domains", c->domains);
	set_string(L, "runtime", c->runtime);
	set_string(L, "store_path", c->store.path);
	set_strings(L, "plugin_path", c->plugin_path);
	set_integer(L, "workers", c->workers);
	set_integer(L, "stop_grace_ms", c->stop_grace_ms);
	set_integer(L, "max_message_octets", c->smtp.max_message_octets);
	set_integer(L, "command_timeout_ms", c->smtp.command_timeout_ms);
	set_integer(L, "smtp_auth_mechanisms", c->smtp.auth_mechanisms);
	set_integer(L, "expire_days", (uint64_t)(int64_t)c->pop3.expire_days);
	set_string(L, "pop3_default_domain", c->pop3.default_domain);
	set_integer(L, "slice_ms", c->lua.slice_ms);
	set_integer(L, "log_level", c->log.level);
	set_integer(L, "log_format", c->log.format);
	set_string(L, "min_version", c->tls.min_version);
	set_integer(L, "certificates", c->tls.certificate_count);
	lua_pushlstring(L, &c->recipient_delimiter, c->recipient_delimiter != 0);
	lua_setfield(L, -2, "recipient_delimiter");
	lua_pushlstring(L, c->lua_options.ptr, c->lua_options.len);
	lua_setfield(L, -2, "lua_options");
	push_lists(L, c);
}

/* config(file) -> table, or nil and the problems as one text */
static int l_config(lua_State *L)
{
	char *errors = NULL;
	struct config *c = config_load(luaL_checkstring(L, 1), &errors);

	if (c) {
		push_config(L, c);
		config_free(c);
		return 1;
	}
	lua_pushnil(L);
	lua_pushstring(L, errors);
	free(errors);
	return 2;
}

/* config_keys() -> the listing */
static int l_config_keys(lua_State *L)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	config_keys_print(out);
	fclose(out);
	lua_pushlstring(L, text, len);
	free(text);
	return 1;
}

/* network_match({ "10.0.0.0/8" } as read by config_load from a file, ip) */
static int l_network_match(lua_State *L)
{
	char *errors = NULL;
	struct config *c = config_load(luaL_checkstring(L, 1), &errors);

	if (!c)
		return luaL_error(L, "%s", errors);
	lua_pushboolean(L, config_network_match(c->proxy_trusted, c->proxy_trusted_count,
	                                        luaL_checkstring(L, 2)));
	config_free(c);
	return 1;
}

/* ---- the stage ---- */

static const char stage_metatable[] = "spec.script.stage";

struct stage *stage_check(lua_State *L)
{
	struct stage **box = luaL_checkudata(L, 1, stage_metatable);

	luaL_argcheck(L, *box && (*box)->script, 1, "the stage is closed");
	return *box;
}

void stage_settled(struct stage *s)
{
	s->pending--;
	if (s->stop_when_idle && s->pending == 0)
		loop_stop(s->loop);
}

struct slice stage_field(lua_State *L, int index, const char *name)
{
	struct slice s = SLICE_NONE;

	if (lua_istable(L, index) && lua_getfield(L, index, name) == LUA_TSTRING)
		s.ptr = lua_tolstring(L, -1, &s.len);
	if (lua_istable(L, index))
		lua_pop(L, 1);
	return s;
}

void stage_push_status(lua_State *L, enum status st)
{
	lua_pushstring(L, status_name(st));
}

/* The directory knows alice and bob of example.test, and says yes to what a plugin accepted. */
static void directory_ask(struct policy *p, struct question *q)
{
	struct stage *s = CONTAINER_OF(p, struct stage, directory);
	struct slice a = q->recipient.address;
	bool accepted = q->verdict.kind == VERDICT_ACCEPT;

	s->asked_directory++;
	if (q->hook != HOOK_ACCEPT_RECIPIENT) {
		question_answer(q);
		return;
	}
	if (accepted || slice_eq(a, SLICE("alice@example.test")) || slice_eq(a, SLICE("bob@example.test"))) {
		q->targets = arena_alloc(&q->arena, sizeof(*q->targets));
		q->targets->mailbox = q->targets->address = arena_strdup(&q->arena, a);
		q->verdict.kind = VERDICT_ACCEPT;
	} else {
		verdict_set(&q->verdict, VERDICT_REJECT, "5.1.1", "No such user");
	}
	question_answer(q);
}

static void on_stop(void *owner)
{
	struct stage *s = owner;

	loop_stop(s->loop);
}

/* Questions and maildrops of the spec still point to the stage, so its memory stays until Lua
 * collects it, after them. */
static void end_stage(struct stage *s)
{
	timer_stop(&s->stop);
	script_free(s->script);
	s->script = NULL;
	store_client_free(s->store);
	s->store = NULL;
	if (s->work)
		work_pool_free(s->work);
	s->work = NULL;
	if (s->loop)
		loop_free(s->loop);
	s->loop = NULL;
	config_free(s->config);
	s->config = NULL;
}

/* new(configuration file, with the store of its store.path) -> stage, or nil and what is wrong */
static int l_new(lua_State *L)
{
	const char *file = luaL_checkstring(L, 1);
	bool with_store = lua_toboolean(L, 2);
	struct stage **box = lua_newuserdatauv(L, sizeof(*box), 0), *s;
	struct script_setup setup;
	char *error = NULL;

	*box = NULL;
	luaL_setmetatable(L, stage_metatable);
	s = *box = MEM_NEW(struct stage);
	s->loop = loop_new();
	timer_init(&s->stop, s->loop, on_stop, s);
	s->directory = (struct policy){ .ask = directory_ask };
	s->config = config_load(file, &error);
	if (s->config) {
		s->work = work_pool_new(s->loop, 2, "spec");
		bind_script_mailbox_init(s);
		if (with_store)
			s->store = store_client_new(s->loop, s->work, &s->config->store, &error);
		setup = (struct script_setup){
			.loop = s->loop, .work = s->work, .config = s->config, .store = s->store,
			.next_policy = &s->directory, .next_mailboxes = &s->mailboxes,
		};
		if (s->store || !with_store)
			s->script = script_new(&setup, &error);
	}
	if (s->script)
		return 1;
	lua_pushnil(L);
	lua_pushstring(L, error);
	free(error);
	return 2;
}

static int l_close(lua_State *L)
{
	struct stage **box = luaL_checkudata(L, 1, stage_metatable);

	if (*box)
		end_stage(*box);
	return 0;
}

static int l_stage_gc(lua_State *L)
{
	struct stage **box = luaL_checkudata(L, 1, stage_metatable);

	(void)l_close(L);
	free(*box);
	*box = NULL;
	return 0;
}

/* stage:run(ms) until nothing is pending; stage:spin(ms) for the whole time */
static int run_for(lua_State *L, bool stop_when_idle)
{
	struct stage *s = stage_check(L);

	s->stop_when_idle = stop_when_idle;
	if (stop_when_idle && s->pending == 0)
		return 0;
	timer_start(&s->stop, (uint64_t)luaL_optinteger(L, 2, 2000));
	loop_run(s->loop);
	timer_stop(&s->stop);
	lua_pushinteger(L, s->pending);
	return 1;
}

static int l_run(lua_State *L)
{
	return run_for(L, true);
}

static int l_spin(lua_State *L)
{
	return run_for(L, false);
}

static void on_lifecycle(void *owner)
{
	stage_settled(owner);
}

/* stage:start(), stage:stop(): stage:run() waits for the hooks; stage:lead(yes) */
static int l_start(lua_State *L)
{
	struct stage *s = stage_check(L);

	s->pending++;
	script_start(s->script, on_lifecycle, s);
	return 0;
}

static int l_stop(lua_State *L)
{
	struct stage *s = stage_check(L);

	s->pending++;
	script_stop(s->script, on_lifecycle, s);
	return 0;
}

/* stage:reload(name or nil) -> true, or nil and what is wrong */
static int l_reload(lua_State *L)
{
	char *error = NULL;

	if (script_reload(stage_check(L)->script, luaL_optstring(L, 2, NULL), &error)) {
		lua_pushboolean(L, 1);
		return 1;
	}
	lua_pushnil(L);
	lua_pushstring(L, error);
	free(error);
	return 2;
}

static int l_lead(lua_State *L)
{
	script_lead(stage_check(L)->script, lua_toboolean(L, 2));
	return 0;
}

/* stage:numbers() -> calls, errors, running, memory, asked_directory */
static int l_numbers(lua_State *L)
{
	struct stage *s = stage_check(L);
	struct script_numbers n;

	script_numbers(s->script, &n);
	lua_newtable(L);
	set_integer(L, "calls", n.calls);
	set_integer(L, "errors", n.errors);
	set_integer(L, "running", n.running);
	set_integer(L, "memory", n.memory_octets);
	set_integer(L, "asked_directory", s->asked_directory);
	set_integer(L, "fallback_opens", s->fallback_opens);
	set_integer(L, "fallback_deliveries", s->fallback_deliveries);
	set_integer(L, "hooks", script_policy(s->script)->hooks);
	set_boolean(L, "wants_lines", script_observer(s->script)->wants_lines);
	return 1;
}

static void push_hook(void *owner, struct script_hook_numbers *n)
{
	lua_State *L = owner;

	lua_pushfstring(L, "%s %s", n->plugin, n->hook);
	lua_newtable(L);
#define X(name) set_integer(L, #name, n->name);
	SCRIPT_HOOK_NUMBERS(X)
#undef X
	set_integer(L, "p50_ns", histogram_percentile(&n->latency_ns, 50));
	set_integer(L, "p99_ns", histogram_percentile(&n->latency_ns, 99));
	lua_settable(L, -3);
}

/* stage:hooks() -> { ["plugin hook"] = { calls =, ... } } */
static int l_hooks(lua_State *L)
{
	struct stage *s = stage_check(L);

	lua_newtable(L);
	script_each_hook(s->script, push_hook, L);
	return 1;
}

/* log_to(file): where log lines of the specs go; debug level when asked */
static int l_log_to(lua_State *L)
{
	log_set_level(lua_toboolean(L, 2) ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	lua_pushboolean(L, log_open(LOG_TO_FILE, luaL_checkstring(L, 1)) == ST_OK);
	return 1;
}

/* patterns() -> a table with the bounded find, match, gmatch and gsub */
static int l_patterns(lua_State *L)
{
	lua_newtable(L);
	pattern_register(L);
	return 1;
}

/* near(word, { candidates }) -> the nearest or nil */
static int l_near(lua_State *L)
{
	struct script_near n = { .word = SLICE("") };

	n.word.ptr = luaL_checklstring(L, 1, &n.word.len);
	for (lua_Integer i = 1; lua_rawgeti(L, 2, i) == LUA_TSTRING; i++)
		script_near_offer(&n, slice_from(lua_tostring(L, -1)));
	if (!n.best.len)
		return 0;
	lua_pushlstring(L, n.best.ptr, n.best.len);
	return 1;
}

/* stand_still(ticks): the guard's signal as it comes after a pause of the machine */
static int l_stand_still(lua_State *L)
{
	siginfo_t info = { .si_signo = SIGVTALRM, .si_code = SI_TIMER };

	info.si_overrun = (int)luaL_checkinteger(L, 1) - 1;
	if (syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGVTALRM, &info) != 0)
		return luaL_error(L, "no signal: %s", strerror(errno));
	return 0;
}

int luaopen_bind_script(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "stand_still", l_stand_still },
		{ "config", l_config },
		{ "config_keys", l_config_keys },
		{ "network_match", l_network_match },
		{ "new", l_new },
		{ "log_to", l_log_to },
		{ "patterns", l_patterns },
		{ "near", l_near },
		{ NULL, NULL },
	};
	static const luaL_Reg methods[] = {
		{ "run", l_run }, { "spin", l_spin }, { "numbers", l_numbers }, { "hooks", l_hooks },
		{ "start", l_start }, { "stop", l_stop }, { "lead", l_lead },
		{ "reload", l_reload }, { "close", l_close },
		{ NULL, NULL },
	};

	if (luaL_newmetatable(L, stage_metatable)) {
		lua_newtable(L);
		luaL_setfuncs(L, methods, 0);
		bind_script_policy(L);
		bind_script_mailbox(L);
		lua_setfield(L, -2, "__index");
		lua_pushcfunction(L, l_stage_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
	/* The binary finds lua/ and plugins/ around itself; the interpreter of the specs does not. */
	setenv("MOONPOST_DATADIR", ".", 0);
	luaL_newlib(L, functions);
	return 1;
}
