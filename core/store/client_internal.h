/* Inside of the client: requests on their way, for the files that make them. */
#ifndef MOONPOST_STORE_CLIENT_INTERNAL_H
#define MOONPOST_STORE_CLIENT_INTERNAL_H

#include "store/client.h"
#include "store/env.h"
#include "store/wire.h"

/* st: the store's answer; TEMPFAIL: the connection was lost or the store is away, what became of
 * the request is not known; OVERLOAD: not sent. */
typedef void client_reply_fn(void *owner, enum status st, struct slice payload);

struct client_request {
	struct list      link;            /* in unsent or sent */
	uint64_t         id;
	bool             repeatable;      /* may be sent again after the connection was lost */
	struct buf       head;            /* frame and payload but the body */
	struct slice     body;            /* borrowed until sent; or own */
	char            *own;             /* the body of a request whose owner cancelled halfway */
	int              fd;              /* borrowed; goes with the first octet */
	size_t           sent;
	uint64_t         since_ms;
	client_reply_fn *done;            /* NULL: cancelled */
	void            *owner;
};

struct store_client {
	struct mailbox_provider provider;
	struct loop            *loop;
	struct work_pool       *files;
	struct store_settings   settings;
	char                   *path, *spool;
	struct store_env       *env;
	struct store_view       view;
	/* the connection */
	int                     fd;       /* -1: away */
	struct watch           *watch;
	struct tick             flush;
	struct timer            sweep, reconnect;
	uint64_t                backoff_ms, away_since_ms;
	struct buf              in;
	struct list             unsent, sent;
	uint64_t                unsent_octets;
	struct client_request **slots;    /* by the low half of the id */
	uint32_t                slot_count, slots_used, free_hint, generation;
	/* room */
	uint64_t                space_at_ms, space_octets, space_inside, full_until_ms;
};

/* A request with its frame begun: append the payload to ->head, then client_send it. */
struct client_request *client_request_new(enum wire_type type);

/* Takes over the request.  done runs later, or before this returns (OVERLOAD).  Returns the
 * request while it is under way, else NULL. */
struct client_request *client_send(struct store_client *c, struct client_request *r,
                                   struct slice body, int fd, client_reply_fn *done, void *owner);

/* done will not run; what was not sent at all is not sent. */
void client_cancel(struct store_client *c, struct client_request *r);

/* More requests wait than the limits allow, or the store is away for a while. */
bool client_overloaded(const struct store_client *c);

/* In the view: begin, look a name up, end; the callback copies what it wants. */
typedef enum status client_found_fn(void *arg, struct slice name, struct slice value);
enum status client_look_up(struct store_client *c, enum store_db db, struct slice name,
                           client_found_fn *fn, void *arg);
/* The first record behind *cursor; see store_user_next. */
enum status client_look_next(struct store_client *c, enum store_db db, char **cursor,
                             client_found_fn *fn, void *arg);

/* Send a request whose answer is its status. */
void client_ask(struct store_client *c, struct client_request *r, store_done_fn *done, void *owner);

/* Of a message as it travels; sender may be empty. */
void client_put_message(struct buf *b, const struct message *m, struct slice sender,
                        int64_t received);
struct slice client_body(const struct message *m);    /* the octets to send inline */

extern const struct mailbox_ops client_provider_ops;  /* provider.c */

#endif
