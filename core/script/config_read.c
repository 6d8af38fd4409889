/* The generic reader: walks tables by their key tables, converts values, words the messages. */
#include "script/config_read.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "script/near.h"

enum { PROBLEMS_MAX = 100 };

void config_read_problem(struct config_reader *r, const char *fmt, ...)
{
	const char *path = buf_cstr(&r->path);
	unsigned line = config_lines_find(r->lines, path);
	char text[1024];
	va_list ap;

	if (r->problem_count == PROBLEMS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->problems = mem_resize(r->problems, (r->problem_count + 1) * sizeof(*r->problems));
	r->problems[r->problem_count++] = (struct config_problem){
		line, mem_printf("%s:%u: %s%s%s", r->config->file, line, path, *path ? ": " : "", text),
	};
}

const char *config_read_where(struct config_reader *r)
{
	unsigned line = config_lines_find(r->lines, buf_cstr(&r->path));

	return arena_printf(&r->config->arena, "%s:%u", r->config->file, line);
}

const char *config_read_path(struct config_reader *r, const char *path)
{
	if (path[0] == '/')
		return arena_strdup(&r->config->arena, slice_from(path));
	return arena_printf(&r->config->arena, "%s%s", r->directory, path);
}

const char *config_read_string(struct config_reader *r)
{
	size_t len;
	const char *text = lua_tolstring(r->L, -1, &len);

	return arena_strdup(&r->config->arena, slice_of(text, len));
}

/* What the value is, for "must be ..., not ...": its type alone when the key is secret. */
static const char *shown(struct config_reader *r, const struct config_key *key)
{
	struct arena *a = &r->config->arena;
	int type = lua_type(r->L, -1);

	if (!key->secret && type == LUA_TSTRING)
		return arena_printf(a, "\"%.60s\"", lua_tostring(r->L, -1));
	if (!key->secret && type == LUA_TNUMBER)
		return arena_printf(a, "%.14g", lua_tonumber(r->L, -1));
	if (type == LUA_TBOOLEAN)
		return lua_toboolean(r->L, -1) ? "true" : "false";
	return arena_printf(a, "a %s", luaL_typename(r->L, -1));
}

/* ---- numbers ---- */

static const char *range_text(struct config_reader *r, const struct config_key *key)
{
	struct arena *a = &r->config->arena;
	const char *unit = key->unit ? arena_printf(a, " %s", key->unit) : "";

	if (key->max > 0)
		return arena_printf(a, "%.14g to %.14g%s", key->min, key->max, unit);
	return arena_printf(a, "at least %.14g%s", key->min, unit);
}

static bool read_number(struct config_reader *r, const struct config_key *key, bool whole, double *out)
{
	double n = lua_tonumber(r->L, -1);

	if (lua_type(r->L, -1) != LUA_TNUMBER || isnan(n)) {
		config_read_problem(r, "must be a number, not %s", shown(r, key));
	} else if (whole && n != floor(n)) {
		config_read_problem(r, "must be a whole number, not %s", shown(r, key));
	} else if (n < key->min || (key->max > 0 && n > key->max)) {
		config_read_problem(r, "must be %s, not %s", range_text(r, key), shown(r, key));
	} else {
		*out = n;
		return true;
	}
	return false;
}

static void read_u32(struct config_reader *r, const struct config_key *key, void *to)
{
	double n;

	if (!read_number(r, key, true, &n))
		return;
	if (n > UINT32_MAX)
		config_read_problem(r, "must be at most %u, not %s", UINT32_MAX, shown(r, key));
	else
		*(uint32_t *)to = (uint32_t)n;
}

static void read_u64(struct config_reader *r, const struct config_key *key, void *to)
{
	double n;

	if (!read_number(r, key, true, &n))
		return;
	if (n > (double)INT64_MAX / 2)
		config_read_problem(r, "is too large: %s", shown(r, key));
	else
		*(uint64_t *)to = (uint64_t)n;
}

static void read_ms(struct config_reader *r, const struct config_key *key, void *to)
{
	double n;

	if (!read_number(r, key, false, &n))
		return;
	if (n > UINT32_MAX / 1000)
		config_read_problem(r, "must be at most %u seconds, not %s", UINT32_MAX / 1000,
		                    shown(r, key));
	else
		*(uint32_t *)to = (uint32_t)(n * 1000 + 0.5);
}

/* ---- strings ---- */

static bool read_string(struct config_reader *r, const struct config_key *key, const char **out)
{
	size_t len;

	if (lua_type(r->L, -1) != LUA_TSTRING) {
		config_read_problem(r, "must be a string, not %s", shown(r, key));
		return false;
	}
	const char *text = lua_tolstring(r->L, -1, &len);

	if (strlen(text) != len || len == 0) {
		config_read_problem(r, len ? "may not contain a zero octet" : "may not be empty");
		return false;
	}
	*out = config_read_string(r);
	return true;
}

static void read_path(struct config_reader *r, const struct config_key *key, const char **out)
{
	const char *path;

	if (!read_string(r, key, &path))
		return;
	*out = config_read_path(r, path);
	if (key->type == CONFIG_FILE && access(*out, R_OK) != 0)
		config_read_problem(r, "cannot read %s: %s", *out, strerror(errno));
}

static void read_choice(struct config_reader *r, const struct config_key *key, void *to)
{
	const struct config_choice *c = key->choices;
	struct buf names;

	if (lua_type(r->L, -1) == LUA_TSTRING) {
		const char *text = lua_tostring(r->L, -1);

		for (; c->name; c++) {
			if (strcmp(c->name, text) == 0) {
				*(int *)to = c->value;
				return;
			}
		}
	}
	buf_init(&names, 0);
	for (c = key->choices; c->name; c++)
		(void)buf_printf(&names, "%s\"%s\"", c == key->choices ? "" : c[1].name ? ", " : " or ",
		                 c->name);
	config_read_problem(r, "must be %s, not %s", buf_cstr(&names), shown(r, key));
	buf_free(&names);
}

struct strings { const struct config_key *key; const char **out; };

static void read_strings_item(struct config_reader *r, unsigned index, void *arg)
{
	struct strings *s = arg;
	struct config_key key = *s->key;

	key.type = s->key->type == CONFIG_PATHS ? CONFIG_PATH : CONFIG_STRING;
	s->out[index] = "";
	config_read_value(r, &key, &s->out[index]);
}

static void read_strings(struct config_reader *r, const struct config_key *key, const char ***to)
{
	size_t room = lua_istable(r->L, -1) ? lua_rawlen(r->L, -1) : 1;
	struct strings s = { key, arena_alloc(&r->config->arena, (room + 1) * sizeof(char *)) };

	(void)config_read_list(r, true, "a list of strings", read_strings_item, &s);
	*to = s.out;
}

unsigned config_read_list(struct config_reader *r, bool single, const char *what,
                          config_item_fn *item, void *arg)
{
	size_t len = buf_len(&r->path);

	if (!lua_istable(r->L, -1)) {
		if (single) {
			item(r, 0, arg);
			return 1;
		}
		config_read_problem(r, "must be %s, not a %s", what, luaL_typename(r->L, -1));
		return 0;
	}
	unsigned count = (unsigned)lua_rawlen(r->L, -1);

	lua_pushnil(r->L);
	while (lua_next(r->L, -2)) {
		lua_pop(r->L, 1);
		if (!lua_isinteger(r->L, -1) || lua_tointeger(r->L, -1) < 1 ||
		    lua_tointeger(r->L, -1) > (lua_Integer)count) {
			const char *name = lua_type(r->L, -1) == LUA_TSTRING ? lua_tostring(r->L, -1) : NULL;

			if (name)
				config_lines_key(&r->path, slice_from(name));
			config_read_problem(r, "has no place here: this must be %s", what);
			buf_truncate(&r->path, len);
		}
	}
	for (unsigned i = 0; i < count; i++) {
		lua_rawgeti(r->L, -1, (lua_Integer)i + 1);
		config_lines_index(&r->path, i + 1);
		item(r, i, arg);
		buf_truncate(&r->path, len);
		lua_pop(r->L, 1);
	}
	return count;
}

void config_read_value(struct config_reader *r, const struct config_key *key, void *to)
{
	switch (key->type) {
	case CONFIG_BOOL:
		if (lua_isboolean(r->L, -1))
			*(bool *)to = lua_toboolean(r->L, -1);
		else
			config_read_problem(r, "must be true or false, not %s", shown(r, key));
		break;
	case CONFIG_STRING:  (void)read_string(r, key, to); break;
	case CONFIG_PATH:
	case CONFIG_FILE:    read_path(r, key, to); break;
	case CONFIG_U32:     read_u32(r, key, to); break;
	case CONFIG_U64:     read_u64(r, key, to); break;
	case CONFIG_MS:      read_ms(r, key, to); break;
	case CONFIG_CHOICE:  read_choice(r, key, to); break;
	case CONFIG_STRINGS:
	case CONFIG_PATHS:   read_strings(r, key, to); break;
	case CONFIG_CUSTOM:  key->read(r, key, to); break;
	}
}

/* ---- tables ---- */

struct walk { const struct config_keys *keys; void *base; bool *seen; };

/* The part of a key's path behind the prefix, up to the next dot; "" when it does not match. */
static struct slice component(const struct config_key *key, struct slice prefix)
{
	struct slice path = slice_from(key->path);

	if (!slice_starts(path, prefix))
		return SLICE_NONE;
	path = slice_skip(path, prefix.len);
	return slice_head(path, slice_find(path, '.'));
}

/* A key of that name in another section, for "it belongs under ...". */
static const char *elsewhere(const struct config_keys *keys, struct slice name)
{
	for (size_t i = 0; i < keys->count; i++) {
		struct slice path = slice_from(keys->keys[i].path);
		size_t dot = slice_rfind(path, '.');
		struct slice leaf = dot < path.len ? slice_skip(path, dot + 1) : path;

		if (slice_eq(leaf, name))
			return keys->keys[i].path;
	}
	return NULL;
}

static void unknown_key(struct config_reader *r, const struct config_keys *keys, struct slice prefix,
                        struct slice name)
{
	struct script_near n = { .word = name };
	const char *other = elsewhere(keys, name);

	for (size_t i = 0; i < keys->count; i++)
		script_near_offer(&n, component(&keys->keys[i], prefix));
	if (other)
		config_read_problem(r, "unknown key; did you mean %s?", other);
	else if (n.best.len)
		config_read_problem(r, "unknown key; did you mean %.*s?", SLICE_ARG(n.best));
	else
		config_read_problem(r, "unknown key");
}

static void read_section(struct config_reader *r, struct walk *w, struct slice prefix);

/* The key is at -2, its value on top. */
static void read_field(struct config_reader *r, struct walk *w, struct slice prefix, struct slice name)
{
	char full[160];
	int n = snprintf(full, sizeof(full), "%.*s%.*s", SLICE_ARG(prefix), SLICE_ARG(name));

	for (size_t i = 0; i < w->keys->count; i++) {
		const struct config_key *key = &w->keys->keys[i];

		if (strcmp(key->path, full) == 0) {
			w->seen[i] = true;
			config_read_value(r, key, (char *)w->base + key->offset);
			return;
		}
		if (strncmp(key->path, full, (size_t)n) == 0 && key->path[n] == '.') {
			if (lua_istable(r->L, -1))
				read_section(r, w, slice_from(strcat(full, ".")));
			else
				config_read_problem(r, "must be a table, not a %s", luaL_typename(r->L, -1));
			return;
		}
	}
	unknown_key(r, w->keys, prefix, name);
}

static void read_section(struct config_reader *r, struct walk *w, struct slice prefix)
{
	size_t len = buf_len(&r->path);

	luaL_checkstack(r->L, 8, "configuration");
	lua_pushnil(r->L);
	while (lua_next(r->L, -2)) {
		size_t name_len;

		if (lua_type(r->L, -2) == LUA_TSTRING) {
			const char *name = lua_tolstring(r->L, -2, &name_len);

			config_lines_key(&r->path, slice_of(name, name_len));
			if (name_len < 100)
				read_field(r, w, prefix, slice_of(name, name_len));
			else
				config_read_problem(r, "unknown key");
		} else {
			if (lua_isinteger(r->L, -2))
				config_lines_index(&r->path, (unsigned)lua_tointeger(r->L, -2));
			config_read_problem(r, "a value without a name; write key = value");
		}
		buf_truncate(&r->path, len);
		lua_pop(r->L, 1);
	}
}

void config_read_table(struct config_reader *r, const struct config_keys *keys, void *base)
{
	struct walk w = { keys, base, mem_array(keys->count, sizeof(bool)) };

	if (lua_istable(r->L, -1))
		read_section(r, &w, SLICE(""));
	else
		config_read_problem(r, "must be a table, not a %s", luaL_typename(r->L, -1));
	for (size_t i = 0; i < keys->count; i++)
		if (keys->keys[i].required && !w.seen[i] && lua_istable(r->L, -1))
			config_read_problem(r, "%s is missing: %s", keys->keys[i].path, keys->keys[i].help);
	free(w.seen);
}
