/* core/store for specs: a store process is forked, clients run in this process.
 *
 *     store.prepare{path=...}; fd = store.listen{...}; pid = store.start({...}, fd)
 *     client = store.client{...}; op = client:deliver(...); client:wait(op) -> op.status
 *
 * An operation is a table that gets done = true and its answer. */
#include "bind_store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/lock.h"

int luaopen_bind_store(lua_State *L);

/* ---- settings ---- */

static uint64_t number(lua_State *L, int t, const char *key, uint64_t otherwise)
{
	lua_getfield(L, t, key);
	uint64_t n = lua_isnil(L, -1) ? otherwise : (uint64_t)luaL_checkinteger(L, -1);

	lua_pop(L, 1);
	return n;
}

struct store_settings store_settings_at(lua_State *L, int t)
{
	struct store_settings s;

	luaL_checktype(L, t, LUA_TTABLE);
	store_settings_default(&s);
	lua_getfield(L, t, "path");
	s.path = luaL_checkstring(L, -1);
	lua_pop(L, 1);
	s.map_octets = number(L, t, "map_octets", (uint64_t)1 << 30);
	s.min_free_octets = number(L, t, "min_free_octets", 1 << 20);
	s.ballast_octets = number(L, t, "ballast_octets", 0);
	s.max_batch_messages = (uint32_t)number(L, t, "max_batch_messages", s.max_batch_messages);
	s.max_queued_requests = (uint32_t)number(L, t, "max_queued_requests", s.max_queued_requests);
	s.max_queued_octets = number(L, t, "max_queued_octets", s.max_queued_octets);
	s.default_quota_octets = number(L, t, "default_quota_octets", 0);
	s.default_quota_messages = number(L, t, "default_quota_messages", 0);
	s.dict.durable_max_entries = number(L, t, "durable_max_entries", s.dict.durable_max_entries);
	s.dict.durable_max_octets = number(L, t, "durable_max_octets", s.dict.durable_max_octets);
	s.dict.durable_max_plugin_octets =
		number(L, t, "durable_max_plugin_octets", s.dict.durable_max_plugin_octets);
	return s;
}

int store_push_failure(lua_State *L, char *error)
{
	lua_pushnil(L);
	lua_pushstring(L, error);
	free(error);
	return 2;
}

static int l_prepare(lua_State *L)
{
	struct store_settings s = store_settings_at(L, 1);
	char *error;

	if (store_prepare(&s, &error) != ST_OK)
		return store_push_failure(L, error);
	lua_pushboolean(L, true);
	return 1;
}

static int l_listen(lua_State *L)
{
	struct store_settings s = store_settings_at(L, 1);
	char *error;
	int fd = store_listen(&s, &error);

	if (fd < 0)
		return store_push_failure(L, error);
	lua_pushinteger(L, fd);
	return 1;
}

static int l_running(lua_State *L)
{
	struct store_settings s = store_settings_at(L, 1);

	lua_pushboolean(L, store_running(&s));
	return 1;
}

/* start(settings, listening fd) -> pid.  The pipe ends the child when this process dies. */
static int l_start(lua_State *L)
{
	static int alive[2] = { -1, -1 };
	struct store_settings s = store_settings_at(L, 1);
	int fd = (int)luaL_checkinteger(L, 2);

	if (alive[0] < 0 && pipe2(alive, O_CLOEXEC) < 0)
		return luaL_error(L, "pipe: %s", strerror(errno));
	pid_t pid = fork();

	if (pid == 0) {
		log_open(LOG_TO_STDERR, NULL);
		/* Locks of this process' sessions live in their descriptors. */
		for (int i = 3; i < 1024; i++)
			if (i != fd && i != alive[0])
				close(i);
		log_set_process("store");
		log_set_level(getenv("STORE_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
		if (lua_toboolean(L, 3))
			log_open(LOG_TO_FILE, "/dev/null");
		_exit(store_run(&s, fd, alive[0]));
	}
	lua_pushinteger(L, pid);
	return 1;
}

/* hold(settings, mailbox) -> pid of a process that holds the maildrop lock */
static int l_hold(lua_State *L)
{
	struct store_settings s = store_settings_at(L, 1);
	struct slice name = slice_from(luaL_checkstring(L, 2));
	int ready[2], fd;
	char c;

	if (pipe(ready) < 0)
		return luaL_error(L, "pipe: %s", strerror(errno));
	pid_t pid = fork();

	if (pid == 0) {
		enum status st = lock_take(s.path, name, &fd, NULL);

		close(ready[0]);
		(void)!write(ready[1], st == ST_OK ? "y" : "n", 1);
		alarm(60);
		pause();
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1 || c != 'y')
		return luaL_error(L, "the lock was not taken");
	close(ready[0]);
	lua_pushinteger(L, pid);
	return 1;
}

static int l_kill(lua_State *L)
{
	lua_pushboolean(L, kill((pid_t)luaL_checkinteger(L, 1), (int)luaL_checkinteger(L, 2)) == 0);
	return 1;
}

/* wait(pid) -> "exit" or "signal", number */
static int l_wait(lua_State *L)
{
	int status;

	if (waitpid((pid_t)luaL_checkinteger(L, 1), &status, 0) < 0)
		return luaL_error(L, "waitpid: %s", strerror(errno));
	lua_pushstring(L, WIFEXITED(status) ? "exit" : "signal");
	lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return 2;
}

static int l_close_fd(lua_State *L)
{
	close((int)luaL_checkinteger(L, 1));
	return 0;
}

static int l_quiet(lua_State *L)
{
	log_open(LOG_TO_FILE, lua_toboolean(L, 1) ? "/dev/null" : "/dev/stderr");
	return 0;
}

/* ---- client ---- */

struct client *store_check_client(lua_State *L)
{
	struct client *c = luaL_checkudata(L, 1, CLIENT_MT);

	luaL_argcheck(L, c->client != NULL, 1, "the client is closed");
	return c;
}

static void on_timer(void *owner)
{
	struct client *c = owner;

	c->timed_out = true;
	loop_stop(c->loop);
}

static int l_client(lua_State *L)
{
	struct store_settings s = store_settings_at(L, 1);
	struct client *c = lua_newuserdatauv(L, sizeof(*c), 0);
	char *error;

	*c = (struct client){ .L = L };
	c->loop = loop_new();
	c->pool = work_pool_new(c->loop, 2, "files");
	timer_init(&c->timer, c->loop, on_timer, c);
	c->client = store_client_new(c->loop, c->pool, &s, &error);
	if (!c->client) {
		work_pool_free(c->pool);
		loop_free(c->loop);
		return store_push_failure(L, error);
	}
	luaL_setmetatable(L, CLIENT_MT);
	return 1;
}

static int l_client_close(lua_State *L)
{
	struct client *c = luaL_checkudata(L, 1, CLIENT_MT);

	if (!c->client)
		return 0;
	c->L = L;
	timer_stop(&c->timer);
	store_client_free(c->client);
	work_pool_free(c->pool);
	loop_free(c->loop);
	c->client = NULL;
	return 0;
}

void store_run_loop(struct client *c, lua_State *L, lua_Integer ms)
{
	c->L = L;
	c->timed_out = false;
	timer_start(&c->timer, (uint64_t)ms);
	loop_run(c->loop);
	timer_stop(&c->timer);
}

/* client:run(ms): let the loop turn that long. */
static int l_run(lua_State *L)
{
	struct client *c = store_check_client(L);

	store_run_loop(c, L, luaL_checkinteger(L, 2));
	return 0;
}

/* client:wait(op, ms or 10000) -> op; an error when it does not end */
static int l_wait_op(lua_State *L)
{
	struct client *c = store_check_client(L);
	lua_Integer ms = luaL_optinteger(L, 3, 10000);

	for (;;) {
		lua_getfield(L, 2, "done");
		bool done = lua_toboolean(L, -1);

		lua_pop(L, 1);
		if (done)
			break;
		store_run_loop(c, L, ms);
		if (c->timed_out)
			return luaL_error(L, "the operation did not end");
	}
	lua_pushvalue(L, 2);
	return 1;
}

/* client:drain(limit or 0, ms): until at most limit operations are under way */
static int l_drain(lua_State *L)
{
	struct client *c = store_check_client(L);
	unsigned limit = (unsigned)luaL_optinteger(L, 2, 0);
	lua_Integer ms = luaL_optinteger(L, 3, 20000);

	while (c->pending > limit) {
		store_run_loop(c, L, ms);
		if (c->timed_out)
			return luaL_error(L, "%d operations did not end", (int)c->pending);
	}
	return 0;
}

int luaopen_bind_store(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "run", l_run }, { "wait", l_wait_op }, { "drain", l_drain },
		{ "close", l_client_close }, { "__gc", l_client_close }, { NULL, NULL },
	};
	static const luaL_Reg functions[] = {
		{ "prepare", l_prepare }, { "listen", l_listen }, { "running", l_running },
		{ "start", l_start }, { "hold", l_hold }, { "kill", l_kill }, { "wait", l_wait },
		{ "close_fd", l_close_fd }, { "quiet", l_quiet }, { "client", l_client }, { NULL, NULL },
	};

	luaL_newmetatable(L, CLIENT_MT);
	luaL_setfuncs(L, methods, 0);
	luaL_setfuncs(L, store_delivery_methods, 0);
	luaL_setfuncs(L, store_maildrop_methods, 0);
	luaL_setfuncs(L, store_directory_methods, 0);
	luaL_setfuncs(L, store_dict_methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	store_maildrop_metatable(L);
	luaL_newlib(L, functions);
	luaL_setfuncs(L, store_maintain_functions, 0);
	luaL_setfuncs(L, store_parts_functions, 0);
	luaL_setfuncs(L, store_dict_functions, 0);
	return 1;
}
