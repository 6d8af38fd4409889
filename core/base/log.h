/* The log: one line per event, as key=value or JSON, to stderr, a file or syslog.
 *
 *     log_info("recipient refused", "session", id, "to", address, "status", "5.1.1", NULL);
 *     2026-11-21T20:15:09.123Z info worker.2 recipient refused session=k2f to=<x@y> status=5.1.1
 *
 * Arguments after the event are pairs of const char * (key, value) and end with NULL; a pair
 * whose value is NULL is left out.  Values are quoted and control characters escaped here, so a
 * peer cannot forge a line.  Secrets never come here: mask them before. */
#ifndef MOONPOST_BASE_LOG_H
#define MOONPOST_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_NOTICE, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_KEY_VALUE, LOG_JSON };
enum log_target { LOG_TO_STDERR, LOG_TO_FILE, LOG_TO_SYSLOG, LOG_TO_JOURNAL };

/* "store", "worker.2": who speaks; copied. */
void log_set_process(const char *name);
void log_set_level(enum log_level level);
void log_set_format(enum log_format format);

/* Open the target; path is for LOG_TO_FILE (opened for append, reopened by log_reopen).
 * IO with errno kept: the old target stays. */
enum status log_open(enum log_target target, const char *path);
enum status log_reopen(void);

#define log_debug(...)   log_event(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)    log_event(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_notice(...)  log_event(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_warn(...)    log_event(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...)   log_event(LOG_LEVEL_ERROR, __VA_ARGS__)

void log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));

/* Whether a line of this level would be written: ask before formatting costly values. */
bool log_wants(enum log_level level);

/* A decimal number as a value; storage is a ring of 16 per thread, so use it at once. */
const char *log_u64(uint64_t n);

/* Log at level error and exit(70): a broken invariant or a start-up that cannot go on. */
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
