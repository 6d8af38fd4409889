/* Where a key stands in the configuration file.  Lua does not keep the lines of table fields, so
 * the source text is scanned once more: a light tokenizer that walks table constructors and
 * assignments and notes the line of every key path ("smtp.max_errors", "listeners[2].service",
 * aliases["sales@example.test"]).  Tables in locals are followed by name. */
#ifndef MOONPOST_SCRIPT_CONFIG_LINES_H
#define MOONPOST_SCRIPT_CONFIG_LINES_H

#include "base/buf.h"

struct config_lines;

struct config_lines *config_lines_scan(struct slice source);
void config_lines_free(struct config_lines *l);

/* The line of the path, or of the nearest table around it; at least 1. */
unsigned config_lines_find(const struct config_lines *l, const char *path);

/* Extend a path by a field or by a position. */
void config_lines_key(struct buf *path, struct slice key);
void config_lines_index(struct buf *path, unsigned index);

#endif
