/* What the files of bind_smtp share: questions, answers and envelopes as Lua tables. */
#ifndef MOONPOST_SPEC_BIND_SMTP_H
#define MOONPOST_SPEC_BIND_SMTP_H

#include <lua.h>

#include "hook/envelope.h"
#include "hook/message.h"
#include "hook/question.h"

/* Set a field of the table on top. */
void bind_smtp_slice(lua_State *L, const char *key, struct slice s);
void bind_smtp_number(lua_State *L, const char *key, uint64_t n);

/* A field of the table at `at`. */
const char *bind_smtp_text(lua_State *L, int at, const char *key, const char *otherwise);
uint64_t bind_smtp_integer(lua_State *L, int at, const char *key, uint64_t otherwise);
bool bind_smtp_flag(lua_State *L, int at, const char *key);

enum status bind_smtp_status(const char *name);

void bind_smtp_envelope(lua_State *L, const struct envelope *e);
void bind_smtp_octets(lua_State *L, const struct message *m);
void bind_smtp_question(lua_State *L, const struct question *q);

/* The verdict table at the top: kind, status, text, delay_ms, targets, user, mailbox, secret, add. */
void bind_smtp_answer(lua_State *L, struct question *q);
void bind_smtp_target(struct question *q, struct recipient_target ***end, const char *mailbox);

#endif
