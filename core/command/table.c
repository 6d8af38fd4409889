/* Rows of cells, printed with columns aligned or as JSON. */
#include "command/table.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "base/mem.h"

enum { COLUMNS_MAX = 12 };

struct row { struct row *next; char *cells[COLUMNS_MAX]; };

struct table {
	const struct command_call *call;
	const char *const         *columns;
	unsigned                   count, at;
	struct row                *first, **end, *row;
	cJSON                     *array, *object;
};

struct table *table_new(const struct command_call *call, const char *const *columns)
{
	struct table *t = MEM_NEW(struct table);

	t->call = call;
	t->columns = columns;
	while (columns[t->count])
		t->count++;
	t->end = &t->first;
	t->array = cJSON_CreateArray();
	return t;
}

static void put(struct table *t, char *text, cJSON *value)
{
	if (!t->row) {
		t->row = MEM_NEW(struct row);
		t->object = cJSON_CreateObject();
		t->at = 0;
	}
	t->row->cells[t->at] = text;
	cJSON_AddItemToObject(t->object, t->columns[t->at], value);
	t->at++;
}

void table_text(struct table *t, const char *text)
{
	put(t, mem_strdup(text ? text : ""), text ? cJSON_CreateString(text) : cJSON_CreateNull());
}

void table_list(struct table *t, const char *const *texts, unsigned count)
{
	cJSON *list = cJSON_CreateArray();
	struct buf words;

	buf_init(&words, 0);
	for (unsigned i = 0; i < count; i++) {
		(void)buf_printf(&words, "%s%s", i ? " " : "", texts[i]);
		cJSON_AddItemToArray(list, cJSON_CreateString(texts[i]));
	}
	put(t, mem_slice_dup(buf_slice(&words)), list);
	buf_free(&words);
}

void table_number(struct table *t, uint64_t n)
{
	put(t, mem_printf("%llu", (unsigned long long)n), cJSON_CreateNumber((double)n));
}

void table_size(struct table *t, uint64_t octets, const char *zero)
{
	put(t, mem_strdup(octets || !zero ? command_format_size(octets) : zero),
	    cJSON_CreateNumber((double)octets));
}

void table_bool(struct table *t, bool value)
{
	put(t, mem_strdup(value ? "yes" : "no"), cJSON_CreateBool(value));
}

void table_time(struct table *t, int64_t seconds)
{
	time_t when = (time_t)seconds;
	char text[32] = "";
	struct tm tm;

	if (seconds && localtime_r(&when, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm);
	put(t, mem_strdup(text), cJSON_CreateNumber((double)seconds));
}

void table_end_row(struct table *t)
{
	*t->end = t->row;
	t->end = &t->row->next;
	cJSON_AddItemToArray(t->array, t->object);
	t->row = NULL;
	t->object = NULL;
}

static void print_row(const struct table *t, const char *const *cells, const int *widths)
{
	for (unsigned i = 0; i < t->count; i++)
		if (i + 1 < t->count)
			printf("%-*s  ", widths[i], cells[i]);
		else
			printf("%s\n", cells[i]);
}

static void print_people(const struct table *t, const char *empty)
{
	int widths[COLUMNS_MAX] = { 0 };

	if (!t->first) {
		command_say(t->call, "%s", empty);
		return;
	}
	for (unsigned i = 0; i < t->count; i++) {
		if (!t->call->quiet)
			widths[i] = (int)strlen(t->columns[i]);
		for (const struct row *r = t->first; r; r = r->next)
			if ((int)strlen(r->cells[i]) > widths[i])
				widths[i] = (int)strlen(r->cells[i]);
	}
	if (!t->call->quiet)
		print_row(t, t->columns, widths);
	for (const struct row *r = t->first; r; r = r->next)
		print_row(t, (const char *const *)r->cells, widths);
}

void table_print(struct table *t, const char *empty)
{
	struct row *r;

	if (t->call->json) {
		char *text = cJSON_Print(t->array);

		puts(text);
		free(text);
	} else {
		print_people(t, empty);
	}
	while ((r = t->first) != NULL) {
		t->first = r->next;
		for (unsigned i = 0; i < t->count; i++)
			free(r->cells[i]);
		free(r);
	}
	cJSON_Delete(t->array);
	free(t);
}
