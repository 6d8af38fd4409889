/* The parts of a message (RFC 2046), as plugins see them. */
#ifndef MOONPOST_SCRIPT_PART_H
#define MOONPOST_SCRIPT_PART_H

#include <lua.h>

/* message:parts() -> a list of part objects, the message itself first; or nil, why, word */
int part_list(lua_State *L);

/* Make the metatables; once per state. */
void part_prepare(lua_State *L);

#endif
