/* Reading a Lua table into a C structure by a table of keys: types, ranges, messages.
 * Internal to the configuration loader; the keys themselves are in config_keys.c. */
#ifndef MOONPOST_SCRIPT_CONFIG_READ_H
#define MOONPOST_SCRIPT_CONFIG_READ_H

#include <lua.h>

#include "script/config.h"
#include "script/config_lines.h"

enum config_type {
	CONFIG_BOOL,                      /* bool */
	CONFIG_STRING,                    /* const char * */
	CONFIG_PATH,                      /* const char *, made relative to the configuration file */
	CONFIG_FILE,                      /* the same, must be readable */
	CONFIG_U32,                       /* uint32_t */
	CONFIG_U64,                       /* uint64_t */
	CONFIG_MS,                        /* uint32_t milliseconds; seconds in the file */
	CONFIG_CHOICE,                    /* int-sized; one of `choices` */
	CONFIG_STRINGS,                   /* const char **, NULL-terminated; one string is a list of one */
	CONFIG_PATHS,
	CONFIG_CUSTOM,                    /* `read` does it */
};

struct config_choice { const char *name; int value; };   /* ends with a NULL name */

struct config_reader;
struct config_key;
/* The value is on top of the Lua stack (and stays there); `to` is base + offset. */
typedef void config_read_fn(struct config_reader *r, const struct config_key *key, void *to);

struct config_key {
	const char *path;                 /* "smtp.max_errors" */
	enum config_type type;
	size_t      offset;
	const char *help;
	const char *unit;                 /* "octets", "seconds", or NULL */
	double      min, max;             /* of numbers, in the file's unit; max 0: no upper limit */
	const struct config_choice *choices;
	config_read_fn *read;
	const char *shape;                /* CUSTOM: the type in words, for messages and listing */
	bool        required;
	bool        secret;               /* its value never shows in a message */
};

struct config_keys {
	const struct config_key *keys;
	size_t count;
	const char *title;                /* "listeners[n]": heading in the listing; "" for the file */
};

/* The key tables, for the reader and the listing. */
extern const struct config_keys config_keys_file, config_keys_listener, config_keys_certificate,
                                config_keys_plugin, config_keys_user;

struct config_problem { unsigned line; char *text; };

struct config_reader {
	lua_State           *L;
	struct config       *config;
	struct config_lines *lines;
	struct buf           path;        /* key path of the value at hand */
	const char          *directory;   /* of the configuration file, with a slash, or "" */
	struct config_problem *problems;
	size_t               problem_count;
};

/* Note "file:line: key: text" for the value at hand. */
void config_read_problem(struct config_reader *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Read the table on top of the stack into base. */
void config_read_table(struct config_reader *r, const struct config_keys *keys, void *base);

/* One value by its key. */
void config_read_value(struct config_reader *r, const struct config_key *key, void *to);

/* Call item for each element of the list on top of the stack, which then is the element; path is
 * extended.  A value that is no list is one element when `single` allows. */
typedef void config_item_fn(struct config_reader *r, unsigned index, void *arg);
unsigned config_read_list(struct config_reader *r, bool single, const char *what,
                          config_item_fn *item, void *arg);

/* "file:line" of the value at hand; in the arena. */
const char *config_read_where(struct config_reader *r);

/* A path of the file, relative ones against the configuration's directory; in the arena. */
const char *config_read_path(struct config_reader *r, const char *path);

/* The string on top of the stack as a copy in the arena. */
const char *config_read_string(struct config_reader *r);

#endif
