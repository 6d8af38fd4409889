/* Loading the configuration: run the file, read its table, check the whole. */
#include "script/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "script/config_parts.h"
#include "script/config_read.h"
#include "script/config_run.h"

enum { FILE_MAX = 16 * 1024 * 1024 };

static enum status read_file(const char *file, struct buf *out)
{
	FILE *f = fopen(file, "re");
	char *room;
	size_t n;

	if (!f)
		return ST_IO;
	buf_init(out, FILE_MAX);
	while (buf_reserve(out, 65536, &room) == ST_OK && (n = fread(room, 1, 65536, f)) > 0)
		buf_commit(out, n);
	bool failed = ferror(f) || !feof(f);

	fclose(f);
	if (failed)
		buf_free(out);
	return failed ? ST_IO : ST_OK;
}

static int by_line(const void *a, const void *b)
{
	const struct config_problem *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return strcmp(x->text, y->text);
}

/* All problems as one text, in the order of the file. */
static char *join_problems(struct config_reader *r)
{
	struct buf out;
	char *text;

	buf_init(&out, 0);
	qsort(r->problems, r->problem_count, sizeof(*r->problems), by_line);
	for (size_t i = 0; i < r->problem_count; i++)
		(void)buf_printf(&out, "%s\n", r->problems[i].text);
	text = mem_strdup(buf_cstr(&out));
	buf_free(&out);
	return text;
}

static void free_reader(struct config_reader *r)
{
	for (size_t i = 0; i < r->problem_count; i++)
		free(r->problems[i].text);
	free(r->problems);
	config_lines_free(r->lines);
	buf_free(&r->path);
	config_run_close(r->L);
}

/* Defaults that are paths are relative to the file like those in it. */
static void place_paths(struct config_reader *r)
{
	struct config *c = r->config;
	const char **path = arena_alloc(&c->arena, 2 * sizeof(*path));

	c->runtime = config_read_path(r, c->runtime);
	c->store.path = config_read_path(r, c->store.path);
	path[0] = config_read_path(r, "plugins");
	c->plugin_path = path;
}

static const char *directory_of(struct arena *a, const char *file)
{
	struct slice path = slice_from(file);
	size_t slash = slice_rfind(path, '/');

	return slash == path.len ? "" : arena_strdup(a, slice_head(path, slash + 1));
}

/* The table is on top of r->L's stack. */
static struct config *read_all(struct config_reader *r)
{
	struct config *c = MEM_NEW(struct config);
	const char *file = r->config->file;

	config_parts_defaults(c);
	c->file = arena_strdup(&c->arena, slice_from(file));
	r->config = c;
	r->directory = directory_of(&c->arena, file);
	place_paths(r);
	config_read_table(r, &config_keys_file, c);
	config_parts_finish(r);
	config_parts_find_plugins(r);
	return c;
}

struct config *config_load(const char *file, char **errors)
{
	struct config named = { .file = file };
	struct config_reader r = { .config = &named };
	struct config *c = NULL;
	struct buf source;

	*errors = NULL;
	if (read_file(file, &source) != ST_OK) {
		*errors = mem_printf("%s: cannot read the configuration: %s\n", file, strerror(errno));
		return NULL;
	}
	buf_init(&r.path, 4096);
	r.lines = config_lines_scan(buf_slice(&source));
	r.L = config_run(file, buf_slice(&source), errors);
	if (r.L)
		c = read_all(&r);
	if (r.problem_count) {
		*errors = join_problems(&r);
		config_free(c);
		c = NULL;
	}
	free_reader(&r);
	buf_wipe(&source);
	return c;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	mem_wipe(c->tls.ticket_key, sizeof(c->tls.ticket_key));
	map_free(&c->user_names, NULL);
	arena_reset(&c->arena);
	free(c);
}
