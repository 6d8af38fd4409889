/* Plugins' option tables on their way from the configuration to the workers' Lua: a chunk that
 * returns { [1] = { values = {...}, lines = { ["domains"] = 13 } }, ... }, one per plugin. */
#ifndef MOONPOST_SCRIPT_CONFIG_OPTIONS_H
#define MOONPOST_SCRIPT_CONFIG_OPTIONS_H

#include "script/config_read.h"

/* Append the table on top of the stack as options of plugin number `index` (from 1).  What cannot
 * travel (functions, userdata, loops) is noted as a problem. */
void config_options_write(struct config_reader *r, struct buf *out, unsigned index);

#endif
