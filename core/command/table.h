/* Lists for people and for machines from the same rows: columns that fit, or a JSON array. */
#ifndef MOONPOST_COMMAND_TABLE_H
#define MOONPOST_COMMAND_TABLE_H

#include "command/command.h"

struct table;

/* Column names, NULL-terminated; they are the JSON members too.  Borrowed. */
struct table *table_new(const struct command_call *call, const char *const *columns);

void table_text(struct table *t, const char *text);       /* next cell; NULL: empty, JSON null */
void table_list(struct table *t, const char *const *texts, unsigned count);   /* JSON array */
void table_number(struct table *t, uint64_t n);
void table_size(struct table *t, uint64_t octets, const char *zero);   /* people see "1.5 MiB" */
void table_bool(struct table *t, bool value);
void table_time(struct table *t, int64_t seconds);        /* people see a date */
void table_end_row(struct table *t);

/* Print and free.  empty: what people are told when there is no row. */
void table_print(struct table *t, const char *empty);

#endif
