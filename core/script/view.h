/* The message object of plugins: its header, its octets, its lines; parts are in part.h. */
#ifndef MOONPOST_SCRIPT_VIEW_H
#define MOONPOST_SCRIPT_VIEW_H

#include <lua.h>

#include "base/slice.h"
#include "script/handle.h"

struct message;

/* Push the object for a message on its way in.  editable: message:add, set and remove work. */
void view_push(lua_State *L, struct message *m, bool editable, struct handle **lent);

/* The message at index, or NULL when it is something else or not lent any more. */
struct message *view_message(lua_State *L, int index);

/* The same, for methods of objects that belong to it; raises an error when it is gone. */
struct message *view_check(lua_State *L, int index);

/* Push at most max octets from offset.  False: the message cannot be read; nothing is pushed. */
bool view_push_octets(lua_State *L, const struct message *m, uint64_t offset, size_t max);

/* Push nil, the text and the word. */
int view_fail(lua_State *L, const char *word, const char *text);

/* header(name [, all]) on the fields in `header`: the name is at index 2, all at 3. */
int view_push_field(lua_State *L, struct slice header);

enum { VIEW_READ_MAX = 16 * 1024 * 1024, VIEW_READ_DEFAULT = 65536 };

/* offset and max at indexes 2 and 3, checked. */
void view_check_range(lua_State *L, uint64_t *offset, size_t *max);

/* Make the metatables; once per state. */
void view_prepare(lua_State *L);

#endif
