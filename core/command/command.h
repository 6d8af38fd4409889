/* The sub-commands of moonpost: one table, one parser of options, one way to complain.
 *
 * A command is a row in commands.c and a function in the file of its group.  Messages go to
 * standard error as "moonpost user add: ...", results to standard output. */
#ifndef MOONPOST_COMMAND_COMMAND_H
#define MOONPOST_COMMAND_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* As in sysexits.h where it has a word for it. */
enum command_exit {
	COMMAND_OK          = 0,
	COMMAND_FAILED      = 1,          /* the thing asked could not be done, or is not so */
	COMMAND_USAGE       = 64,
	COMMAND_UNAVAILABLE = 69,         /* no server runs */
	COMMAND_SYSTEM      = 71,
	COMMAND_IO          = 74,
	COMMAND_BUSY        = 75,         /* somebody else holds it, try again */
	COMMAND_CONFIG      = 78,
};

struct command_option {
	const char *name;                 /* long; NULL ends the list */
	char        letter;               /* 0: none */
	const char *argument;             /* "SIZE", or NULL for a switch */
	const char *help;
};

enum { COMMAND_OPTIONS_MAX = 8 };

struct command_call {
	const struct command *command;
	const char *config;               /* path of the configuration file */
	bool        json, quiet;
	const char *values[COMMAND_OPTIONS_MAX];      /* of the command's options; NULL: not given */
	int         argc;                 /* what is no option */
	char      **argv;
};

struct command {
	const char *name;                 /* "user add" */
	const char *arguments;            /* "NAME TARGET..." */
	int         min, max;             /* their number; max -1: any */
	const char *summary;              /* half a line */
	const char *help;                 /* what it does, and examples */
	const struct command_option *options;         /* NULL: only the common ones */
	int       (*run)(struct command_call *call);
	bool        json;                 /* --json is possible */
};

/* The table, ended by a row without a name; in commands.c. */
extern const struct command command_table[];

/* The door: argv as main() has it. */
int command_main(int argc, char **argv);

/* The value of an option of this command; "" for a switch that was given; NULL if not given. */
const char *command_option(const struct command_call *call, const char *name);

/* "moonpost user add: text" on standard error; returns code, so that one may return it. */
int command_fail(const struct command_call *call, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Like it, for things that do not end the command. */
void command_warn(const struct command_call *call, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* For people, unless -q or --json was given. */
void command_say(const struct command_call *call, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* "what: 120 of 5000" on a terminal, rewritten in place; total 0: not known.  done == total ends
 * the line.  Nothing when standard error is no terminal. */
void command_progress(const struct command_call *call, const char *what, uint64_t done,
                      uint64_t total);

/* "10M", "1.5G", "500k", "1000": octets.  False: no such thing. */
bool command_parse_size(const char *text, uint64_t *out);

/* 1536 -> "1.5 KiB"; static storage, ring of 8. */
const char *command_format_size(uint64_t octets);

#endif
