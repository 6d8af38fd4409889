/* What mail.dict and mail.limit share: who may declare one, how a question waits, how it fails. */
#ifndef MOONPOST_SCRIPT_DICTS_H
#define MOONPOST_SCRIPT_DICTS_H

#include <lua.h>

#include "script/call.h"
#include "store/client_dict.h"

/* Kinds of names: the first octet of a key in the store. */
enum dicts_kind { DICTS_DICT = 'd', DICTS_LIMIT = 'l' };

/* Whose and what: the beginning of every key of an object. */
struct dicts_name {
	char owner[DICT_OWNER_MAX + 1];
	char prefix[1 + DICT_NAME_MAX + 1];   /* kind, name, NUL */
	unsigned prefix_len;
};

/* A question on its way, a userdata of the caller's stack. */
struct dicts_question {
	struct call_ticket  ticket;
	struct client_dict *request;      /* NULL: not under way */
	enum status         status;
	struct dict_answer  answer;       /* slices into text */
	struct buf          text;
	bool                durable;
};

/* Only while a plugin loads: fill in name and owner, or raise an error that names `what`. */
void dicts_declare(lua_State *L, struct dicts_name *n, enum dicts_kind kind, const char *name,
                   bool shared, const char *what);

/* Raise an error when the table at index has another field than those (NULL-terminated). */
void dicts_check_options(lua_State *L, int index, const char *const *known, const char *what);

/* The whole key in out; its length, or 0: longer than dict.max_key_octets. */
size_t dicts_key(lua_State *L, const struct dicts_name *n, struct slice key,
                 char out[DICT_KEY_MAX]);

/* Ask and wait; k then finds the question as its context.  Durable reads go on at once. */
int dicts_ask(lua_State *L, const struct dict_query *q, lua_KFunction k, const char *what);

/* nil, text, word. */
int dicts_fail(lua_State *L, const struct dicts_question *a);
int dicts_fail_limit(lua_State *L, const char *what, size_t octets, const char *key, uint32_t max);

void dicts_push_value(lua_State *L, const struct dict_value *v);

/* Seconds at index as microseconds; otherwise when there is none. */
uint64_t dicts_seconds(lua_State *L, int index, uint64_t otherwise);

#endif
