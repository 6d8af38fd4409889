/* Passwords of commands: asked without echo or read from standard input, never an argument (they
 * would show in ps and in the shell's history); hashed with yescrypt, SCRAM keys beside it. */
#ifndef MOONPOST_COMMAND_PASSWORD_H
#define MOONPOST_COMMAND_PASSWORD_H

#include "command/access.h"

/* From the terminal, twice; or the first line of standard input with --stdin or when that is no
 * terminal.  Heap (wipe and free with password_free), or NULL after a complaint. */
char *password_read(struct command_call *call, const char *user);
void  password_free(char *password);

/* Set password and SCRAM keys of u, in the arena.  keep: also in clear, for APOP and CRAM-MD5.
 * False after a complaint. */
bool password_set(struct command_call *call, struct store_user *u, const char *password, bool keep,
                  struct arena *a);

/* A hash of another system: crypt(3), with or without Dovecot's "{SCHEME}" in front.  Returns the
 * part for crypt(3), or NULL with *why set (static). */
const char *password_foreign(const char *hash, const char **why);

#endif
