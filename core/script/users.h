/* The built-in user table (configuration and store) and passwords, for mail.users and mail.crypt. */
#ifndef MOONPOST_SCRIPT_USERS_H
#define MOONPOST_SCRIPT_USERS_H

#include "base/arena.h"
#include "base/status.h"
#include "store/client.h"

struct script;

/* The account of that name (any case, the default domain may be left out); mailbox is its own
 * name unless the configuration says otherwise.  NOTFOUND, UNSUPPORTED (there is no store and it is
 * not in the configuration), IO. */
enum status users_get(struct script *s, struct slice name, struct arena *a, struct store_user *out,
                      const char **mailbox);

/* Passwords that were right a short while ago, as keyed digests. */
bool users_verified(struct script *s, struct slice hash, struct slice password);
void users_remember(struct script *s, struct slice hash, struct slice password);
void users_forget(struct script *s);

#endif
