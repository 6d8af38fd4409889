/* Processes for specs: start, watch and kill what a spec started; environment; directories. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int luaopen_bind_process(lua_State *L);

enum { ARGUMENTS_MAX = 64 };

static int fail(lua_State *L)
{
	lua_pushnil(L);
	lua_pushstring(L, strerror(errno));
	return 2;
}

static void redirect(const char *path, int flags, int to)
{
	int fd = open(path, flags, 0600);

	if (fd < 0 || dup2(fd, to) < 0)
		_exit(127);
}

/* spawn(argv, input or nil, output or nil) -> pid.  A process group of its own, which dies with
 * the spec runner.  Standard output and error both go to the file `output`. */
static int l_spawn(lua_State *L)
{
	const char *argv[ARGUMENTS_MAX + 1];
	const char *input = luaL_optstring(L, 2, "/dev/null"), *output = luaL_optstring(L, 3, NULL);
	int n = (int)luaL_len(L, 1);
	pid_t parent = getpid();

	luaL_argcheck(L, n > 0 && n <= ARGUMENTS_MAX, 1, "1 to 64 words");
	for (int i = 0; i < n; i++) {
		lua_rawgeti(L, 1, i + 1);
		argv[i] = luaL_checkstring(L, -1);          /* stays on the stack */
	}
	argv[n] = NULL;
	pid_t pid = fork();

	if (pid < 0)
		return fail(L);
	if (pid == 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(127);
		redirect(input, O_RDONLY, STDIN_FILENO);
		if (output) {
			redirect(output, O_WRONLY | O_CREAT | O_APPEND, STDOUT_FILENO);
			dup2(STDOUT_FILENO, STDERR_FILENO);
		}
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	setpgid(pid, pid);
	lua_pushinteger(L, pid);
	return 1;
}

/* child(function) -> "exited" or "killed", code: run in a fork of this process. */
static int l_child(lua_State *L)
{
	int st;
	pid_t pid = fork();

	if (pid == 0) {
		lua_settop(L, 1);
		_exit(lua_pcall(L, 0, 0, 0) == LUA_OK ? 0 : 99);
	}
	if (pid < 0 || waitpid(pid, &st, 0) < 0)
		return fail(L);
	lua_pushstring(L, WIFEXITED(st) ? "exited" : "killed");
	lua_pushinteger(L, WIFEXITED(st) ? WEXITSTATUS(st) : WTERMSIG(st));
	return 2;
}

/* reap(pid) -> nil while it runs, else "exited" or "killed", code */
static int l_reap(lua_State *L)
{
	int st;
	pid_t pid = waitpid((pid_t)luaL_checkinteger(L, 1), &st, WNOHANG);

	if (pid == 0)
		return 0;
	if (pid < 0)
		return luaL_error(L, "waitpid: %s", strerror(errno));
	lua_pushstring(L, WIFEXITED(st) ? "exited" : "killed");
	lua_pushinteger(L, WIFEXITED(st) ? WEXITSTATUS(st) : WTERMSIG(st));
	return 2;
}

/* kill(pid, "TERM"): a negative pid is a process group */
static int l_kill(lua_State *L)
{
	static const struct { const char *name; int number; } signals[] = {
		{ "KILL", SIGKILL }, { "TERM", SIGTERM }, { "INT", SIGINT }, { "HUP", SIGHUP },
		{ "STOP", SIGSTOP }, { "CONT", SIGCONT }, { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 },
		{ "NONE", 0 },
	};
	pid_t pid = (pid_t)luaL_checkinteger(L, 1);
	const char *name = luaL_checkstring(L, 2);

	luaL_argcheck(L, pid > 1 || pid < -1, 1, "a process that the spec started");
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (strcmp(signals[i].name, name) == 0) {
			lua_pushboolean(L, kill(pid, signals[i].number) == 0);
			return 1;
		}
	}
	return luaL_argerror(L, 2, "unknown signal");
}

/* setenv(name, value or nil) */
static int l_setenv(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1), *value = luaL_optstring(L, 2, NULL);

	lua_pushboolean(L, (value ? setenv(name, value, 1) : unsetenv(name)) == 0);
	return 1;
}

/* directory() -> a new directory, mode 0700 */
static int l_directory(lua_State *L)
{
	const char *tmp = getenv("TMPDIR");
	char path[256];

	snprintf(path, sizeof(path), "%s/moonpost-spec-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(path))
		return fail(L);
	lua_pushstring(L, path);
	return 1;
}

/* chmod(path, mode) */
static int l_chmod(lua_State *L)
{
	lua_pushboolean(L, chmod(luaL_checkstring(L, 1), (mode_t)luaL_checkinteger(L, 2)) == 0);
	return 1;
}

static int l_getpid(lua_State *L)
{
	lua_pushinteger(L, getpid());
	return 1;
}

static int l_getuid(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)getuid());
	return 1;
}

int luaopen_bind_process(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "spawn", l_spawn }, { "child", l_child }, { "reap", l_reap }, { "kill", l_kill },
		{ "setenv", l_setenv }, { "directory", l_directory }, { "chmod", l_chmod },
		{ "getpid", l_getpid }, { "getuid", l_getuid },
		{ NULL, NULL },
	};

	luaL_newlib(L, functions);
	return 1;
}
