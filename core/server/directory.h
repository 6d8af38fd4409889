/* The directory: the policy that answers last, from the configuration and the store.  It knows
 * local domains, users, aliases, catch-all, plus addressing and quotas (ACCEPT_RECIPIENT); every
 * other question goes back without an opinion. */
#ifndef MOONPOST_SERVER_DIRECTORY_H
#define MOONPOST_SERVER_DIRECTORY_H

#include "hook/question.h"
#include "script/config.h"
#include "store/client.h"

/* Both are borrowed and outlive it; store may be NULL. */
struct policy *server_directory_new(const struct config *config, struct store_client *store);
void server_directory_free(struct policy *p);             /* NULL is fine */

/* Whether mail for the domain ends here. */
bool server_directory_local(const struct config *config, struct store_client *store,
                            struct slice domain);

#endif
