/* The worker's side of the store: reads LMDB directly, sends every change to the store process
 * over its unix socket.  Also used by the command line.
 *
 * All callbacks come on the loop.  While the store process is away requests end with TEMPFAIL
 * after a short wait and the client reconnects by itself. */
#ifndef MOONPOST_STORE_CLIENT_H
#define MOONPOST_STORE_CLIENT_H

#include "base/arena.h"
#include "net/work.h"
#include "hook/mailbox.h"
#include "store/store.h"

struct store_client;

/* Opens the environment for reading and connects.  files: pool for reading large messages and
 * synchronous work.  NULL on failure with error set (heap, the caller frees). */
struct store_client *store_client_new(struct loop *l, struct work_pool *files,
                                      const struct store_settings *s, char **error);
void store_client_free(struct store_client *c);

/* The provider of local mailboxes.  A delivery is all or nothing: when one mailbox is full its
 * recipients get QUOTA and the others CANCELED (nothing is stored).  When done says another
 * status than OK (NOSPACE, OVERLOAD, TEMPFAIL, IO) every result is that one. */
struct mailbox_provider *store_client_mailboxes(struct store_client *c);

/* ---- the directory: users, domains, aliases (read at once from LMDB) ---- */

struct store_user {
	char    *name;                        /* "alice@example.test", lower case */
	char    *password;                    /* crypt(3) hash, or NULL: cannot sign in */
	struct slice scram_salt, scram_stored_key, scram_server_key;   /* or empty */
	unsigned scram_iterations;
	char    *plain;                       /* only when the account was made so, for APOP/CRAM-MD5 */
	uint64_t quota_octets, quota_messages;   /* 0: the store's default */
	bool     disabled;
	int64_t  created;
};

struct store_domain { char *name; char *catch_all; };    /* a mailbox or an address, or NULL */
struct store_alias  { char *address; char **targets; unsigned target_count; };

/* Results live in the arena.  NOTFOUND, IO. */
enum status store_user_get(struct store_client *c, struct slice name, struct arena *a,
                           struct store_user *out);
enum status store_domain_get(struct store_client *c, struct slice name, struct arena *a,
                             struct store_domain *out);
enum status store_alias_get(struct store_client *c, struct slice address, struct arena *a,
                            struct store_alias *out);

/* In key order, *cursor starts as NULL or "" and is set to the last name seen (heap; at END it is
 * freed and NULL).  A caller that stops earlier frees it. */
enum status store_user_next(struct store_client *c, char **cursor, struct arena *a,
                            struct store_user *out);
enum status store_domain_next(struct store_client *c, char **cursor, struct arena *a,
                              struct store_domain *out);
enum status store_alias_next(struct store_client *c, char **cursor, struct arena *a,
                             struct store_alias *out);

/* Changes are durable when done says OK.  EXISTS with create, NOTFOUND without. */
typedef void store_done_fn(void *owner, enum status st);
void store_user_put(struct store_client *c, const struct store_user *u, bool create,
                    store_done_fn *done, void *owner);
void store_user_remove(struct store_client *c, struct slice name, store_done_fn *done, void *owner);
void store_domain_put(struct store_client *c, const struct store_domain *d, store_done_fn *done,
                      void *owner);
void store_domain_remove(struct store_client *c, struct slice name, store_done_fn *done,
                         void *owner);
void store_alias_put(struct store_client *c, const struct store_alias *a, store_done_fn *done,
                     void *owner);
void store_alias_remove(struct store_client *c, struct slice address, store_done_fn *done,
                        void *owner);

/* ---- mailboxes, for the command line ---- */

struct store_mailbox {
	char    *name;
	uint64_t id, count, octets, quota_octets, quota_messages, uidnext;
	uint32_t uidvalidity;
};
enum status store_mailbox_get(struct store_client *c, struct slice name, struct arena *a,
                              struct store_mailbox *out);
enum status store_mailbox_next(struct store_client *c, char **cursor, struct arena *a,
                               struct store_mailbox *out);
/* Would a message of that many octets fit into the mailbox's quota now?  OK or QUOTA; answers at
 * once, for RCPT.  A mailbox that does not exist yet has the default quota. */
enum status store_mailbox_room(struct store_client *c, struct slice name, uint64_t octets);
/* quota 0: the store's default.  Makes the mailbox when there is none. */
void store_mailbox_quota(struct store_client *c, struct slice name, uint64_t octets,
                         uint64_t messages, store_done_fn *done, void *owner);
/* Remove the mailbox with all its messages; its uidvalidity is never used again.  BUSY while a
 * session has it open, NOTFOUND. */
void store_mailbox_remove(struct store_client *c, struct slice name, store_done_fn *done,
                          void *owner);
/* Append one message under a UIDL of another system (NULL: our own); received: seconds since 1970.
 * EXISTS when the UIDL is there already.  Quotas do not count.  The message stays the caller's
 * and must live until done. */
void store_mailbox_import(struct store_client *c, struct slice name, struct message *m,
                          const char *uidl, int64_t received, store_done_fn *done, void *owner);

/* ---- numbers for `moonpost status`; as the store process reports them ---- */
struct store_numbers {
	uint64_t commits, messages, deletions, requests_queued, octets_queued;
	uint64_t batch_p50, batch_max, commit_us_p50, commit_us_p99, flush_us_p50;
	uint64_t pages_used, pages_free, map_octets, disk_free_octets, reader_lag;
	uint64_t transactions;            /* since the store was made, those that only free among them */
	/* dictionaries: in memory, and durable */
	uint64_t dict_entries, dict_octets, dict_evicted, dict_expired, dict_refused;
	uint64_t durable_entries, durable_octets, durable_expired;
};
typedef void store_numbers_fn(void *owner, enum status st, const struct store_numbers *n);
void store_numbers_get(struct store_client *c, store_numbers_fn *done, void *owner);

#endif
