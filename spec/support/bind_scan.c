/* core/mail/scan for specs.  Every text is put in front of a page that cannot be touched, or at a
 * chosen distance from the start of a page: `shift`, the last argument of all functions. */
#include <lauxlib.h>
#include <lua.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "mail/scan.h"

int luaopen_bind_scan(lua_State *L);

enum { ROOM = 1 << 20 };

static char *room(void)
{
	static char *start;

	if (!start) {
		char *at = mmap(NULL, ROOM + (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
		                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (at == MAP_FAILED || mprotect(at + ROOM, 1, PROT_NONE) != 0)
			die("no room for the texts of specs");
		start = at;
	}
	return start;
}

/* What stands around a text must not matter: dots and line ends. */
static struct slice place(lua_State *L, int text, int shift)
{
	size_t len;
	const char *octets = luaL_checklstring(L, text, &len);
	size_t at = (size_t)luaL_optinteger(L, shift, (lua_Integer)(ROOM - len));

	luaL_argcheck(L, at + len <= ROOM, text, "too long");
	for (size_t i = at > 80 ? at - 80 : 0; i < at + len + 80 && i < ROOM; i++)
		room()[i] = "\r\n."[i % 3];
	memcpy(room() + at, octets, len);
	return slice_of(room() + at, len);
}

static bool flag(lua_State *L, int table, const char *name)
{
	lua_getfield(L, table, name);
	bool set = lua_toboolean(L, -1);

	lua_pop(L, 1);
	return set;
}

static lua_Integer number(lua_State *L, int table, const char *name)
{
	lua_getfield(L, table, name);
	lua_Integer n = lua_tointeger(L, -1);

	lua_pop(L, 1);
	return n;
}

static void set_flag(lua_State *L, const char *name, bool set)
{
	lua_pushboolean(L, set);
	lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, lua_Integer n)
{
	lua_pushinteger(L, n);
	lua_setfield(L, -2, name);
}

/* lines(text, where it is, shift) -> position, where it is then */
static int l_lines(lua_State *L)
{
	struct slice s = place(L, 1, 3);
	struct scan_lines l = {
		.at_start = flag(L, 2, "at_start"), .after_cr = flag(L, 2, "after_cr"),
		.bare = flag(L, 2, "bare"), .octets = (uint32_t)number(L, 2, "octets"),
		.longest = (uint32_t)number(L, 2, "longest"),
	};

	lua_pushinteger(L, (lua_Integer)scan_lines(s, &l));
	lua_newtable(L);
	set_flag(L, "at_start", l.at_start);
	set_flag(L, "after_cr", l.after_cr);
	set_flag(L, "bare", l.bare);
	set_number(L, "octets", l.octets);
	set_number(L, "longest", l.longest);
	return 2;
}

/* dot_line(text, shift) -> position */
static int l_dot_line(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)scan_dot_line(place(L, 1, 2)));
	return 1;
}

/* facts(text, facts so far, shift) -> facts */
static int l_facts(lua_State *L)
{
	struct slice s = place(L, 1, 3);
	struct scan_facts f = {
		.before = (char)number(L, 2, "before"), .dot_line = flag(L, 2, "dot_line"),
		.eight_bit = flag(L, 2, "eight_bit"), .lines = (uint64_t)number(L, 2, "lines"),
	};

	scan_facts(s, &f);
	lua_newtable(L);
	set_number(L, "before", (unsigned char)f.before);
	set_flag(L, "dot_line", f.dot_line);
	set_flag(L, "eight_bit", f.eight_bit);
	set_number(L, "lines", (lua_Integer)f.lines);
	return 1;
}

/* variants() -> the names of those that run here, the best one first */
static int l_variants(lua_State *L)
{
	lua_newtable(L);
	for (unsigned i = 0; scan_variant(i); i++) {
		lua_pushstring(L, scan_variant(i));
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

static int l_use(lua_State *L)
{
	lua_pushboolean(L, scan_use(luaL_checkstring(L, 1)));
	return 1;
}

int luaopen_bind_scan(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "lines", l_lines }, { "dot_line", l_dot_line }, { "facts", l_facts },
		{ "variants", l_variants }, { "use", l_use }, { NULL, NULL },
	};

	luaL_newlib(L, functions);
	return 1;
}
