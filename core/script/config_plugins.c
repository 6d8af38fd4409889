/* The list of plugins: which file, which options. */
#include "script/config_parts.h"
#include "script/config_options.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "base/place.h"
#include "script/near.h"

/* ---- finding the file ---- */

static const char *first_readable(struct config_reader *r, const char *base)
{
	static const char *const tails[] = { ".lua", "/init.lua" };
	size_t len = strlen(base);

	if (len > 4 && strcmp(base + len - 4, ".lua") == 0)
		return access(base, R_OK) == 0 ? base : NULL;
	for (unsigned i = 0; i < COUNT_OF(tails); i++) {
		char *file = arena_printf(&r->config->arena, "%s%s", base, tails[i]);

		if (access(file, R_OK) == 0)
			return file;
	}
	return NULL;
}

static void offer_directory(struct script_near *n, struct arena *a, const char *directory)
{
	DIR *d = opendir(directory);
	struct dirent *e;

	while (d && (e = readdir(d)) != NULL) {
		struct slice name = slice_from(e->d_name);

		if (name.len > 4 && strcmp(e->d_name + name.len - 4, ".lua") == 0)
			name.len -= 4;
		if (e->d_name[0] != '.')
			script_near_offer(n, arena_copy(a, name));
	}
	if (d)
		closedir(d);
}

/* The directories are named in the message, for nobody remembers what paths are relative to. */
static void not_found(struct config_reader *r, const struct config_plugin *p)
{
	struct script_near n = { .word = slice_from(p->name) };
	struct buf where;

	buf_init(&where, 0);
	for (const char **d = r->config->plugin_path; *d; d++) {
		offer_directory(&n, &r->config->arena, *d);
		(void)buf_printf(&where, "%s%s", buf_len(&where) ? ", " : "", *d);
	}
	if (n.best.len)
		config_read_problem(r, "no plugin \"%s\" in %s; did you mean %.*s?", p->name,
		                    buf_cstr(&where), SLICE_ARG(n.best));
	else
		config_read_problem(r, "no plugin \"%s\" in %s", p->name, buf_cstr(&where));
	buf_free(&where);
}

static void find_file(struct config_reader *r, struct config_plugin *p)
{
	if (strchr(p->name, '/')) {
		const char *path = config_read_path(r, p->name);

		p->file = first_readable(r, path);
		if (!p->file)
			config_read_problem(r, "there is no plugin file %s", path);
		return;
	}
	for (const char **d = r->config->plugin_path; *d && !p->file; d++)
		p->file = first_readable(r, arena_printf(&r->config->arena, "%s/%s", *d, p->name));
	if (!p->file)
		not_found(r, p);
}

/* ---- reading ---- */

struct plugins { struct config_plugin *list; struct buf options; };

/* Called through the key table, after the name and before the file are known. */
void config_parts_options(struct config_reader *r, const struct config_key *key, void *to)
{
	(void)to;
	if (!lua_istable(r->L, -1))
		config_read_problem(r, "must be a %s, not a %s", key->shape, luaL_typename(r->L, -1));
}

/* { "name", options = {...} }: the name stands at 1, which a key table does not know.  A copy
 * without it goes through the usual reader. */
static void read_plugin_table(struct config_reader *r, struct config_plugin *p)
{
	lua_State *L = r->L;

	lua_rawgeti(L, -1, 1);
	if (lua_type(L, -1) == LUA_TSTRING)
		p->name = config_read_string(r);
	lua_pop(L, 1);
	if (!p->name)
		config_read_problem(r, "the plugin's name comes first: { \"name\", options = { ... } }");
	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, -3);) {
		if (lua_isinteger(L, -2) && lua_tointeger(L, -2) == 1) {
			lua_pop(L, 1);
			continue;
		}
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, -4);
	}
	config_read_table(r, &config_keys_plugin, p);
	lua_pop(L, 1);
}

static void read_plugin(struct config_reader *r, unsigned index, void *arg)
{
	struct plugins *all = arg;
	struct config_plugin *p = &all->list[index];
	size_t len = buf_len(&r->path);

	*p = (struct config_plugin){ .where = config_read_where(r), .options = (int)index + 1 };
	if (lua_type(r->L, -1) == LUA_TSTRING) {
		p->name = config_read_string(r);
	} else if (lua_istable(r->L, -1)) {
		read_plugin_table(r, p);
		lua_getfield(r->L, -1, "options");
		if (lua_istable(r->L, -1)) {
			config_lines_key(&r->path, SLICE("options"));
			config_options_write(r, &all->options, index + 1);
			buf_truncate(&r->path, len);
		}
		lua_pop(r->L, 1);
	} else {
		config_read_problem(r, "must be a plugin's name or { \"name\", options = { ... } }");
	}
	if (!p->name)
		p->name = "";
}

void config_parts_plugins(struct config_reader *r, const struct config_key *key, void *to)
{
	size_t room = lua_istable(r->L, -1) ? lua_rawlen(r->L, -1) : 0;
	struct plugins all = { .list = arena_alloc(&r->config->arena, (room + 1) * sizeof(*all.list)) };

	buf_init(&all.options, 0);
	(void)buf_append(&all.options, SLICE("return {\n"));
	r->config->plugin_count = config_read_list(r, false, key->shape, read_plugin, &all);
	(void)buf_append(&all.options, SLICE("}\n"));
	r->config->lua_options = arena_copy(&r->config->arena, buf_slice(&all.options));
	buf_free(&all.options);
	*(struct config_plugin **)to = all.list;
}

/* The plugins that come with moonpost are found last, whatever the path says. */
static void add_bundled(struct config *c)
{
	size_t count = 0;

	while (c->plugin_path[count])
		count++;
	const char **path = arena_alloc(&c->arena, (count + 2) * sizeof(*path));

	memcpy(path, c->plugin_path, count * sizeof(*path));
	path[count] = arena_printf(&c->arena, "%s/plugins", place_data());
	c->plugin_path = path;
}

/* A configuration that names no plugins still lets its users sign in. */
static void set_default(struct config *c)
{
	struct config_plugin *p = arena_alloc(&c->arena, 2 * sizeof(*p));

	*p = (struct config_plugin){ .name = "auth_users", .options = 1, .where = c->file };
	c->plugins = p;
	c->plugin_count = 1;
	c->lua_options = SLICE("return {}\n");
}

/* The search path may stand behind the list in the file, so files are looked for at the end. */
void config_parts_find_plugins(struct config_reader *r)
{
	size_t len = buf_len(&r->path);

	add_bundled(r->config);
	if (!r->config->plugins)
		set_default(r->config);
	for (unsigned i = 0; i < r->config->plugin_count; i++) {
		struct config_plugin *p = &r->config->plugins[i];

		config_lines_key(&r->path, SLICE("plugins"));
		config_lines_index(&r->path, i + 1);
		if (*p->name)
			find_file(r, p);
		buf_truncate(&r->path, len);
	}
}
