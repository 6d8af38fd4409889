/* The mailbox provider: one table of functions that LMDB (core/store), Lua backends
 * (core/script) and fakes in specs fill alike.
 *
 * Every operation has a completion function that is called exactly once, either before the
 * operation returns or later from the event loop, unless maildrop_close() or delivery_cancel()
 * came first.  Slices given to a completion are valid during the call only.
 *
 * A maildrop is one POP3 session's view of a mailbox (RFC 1939): locked, and its listing fixed
 * when it was opened; mail that arrives later shows in the next session. */
#ifndef MOONPOST_HOOK_MAILBOX_H
#define MOONPOST_HOOK_MAILBOX_H

#include "base/arena.h"
#include "hook/envelope.h"
#include "hook/facts.h"
#include "hook/message.h"

struct maildrop_entry {
	uint64_t    uid;                  /* the provider's own; never reused within the mailbox */
	uint64_t    octets;               /* of the message; RETR sends 2 more with MESSAGE_OPEN_END */
	const char *uidl;                 /* 1-70 octets 0x21-0x7e, or NULL: uidvalidity and uid */
	uint32_t    flags;                /* enum message_flag, as far as known */
	bool        stuff_unknown;        /* provider does not know MESSAGE_DOT_LINES: look at octets */
};

/* Octets of a message where they lie in a file.  The descriptor is the provider's. */
struct file_range {
	int      fd;
	uint64_t offset;
	size_t   octets;
};

struct maildrop;
struct mailbox_provider;

typedef void maildrop_opened_fn(void *owner, enum status st, struct maildrop *m);
typedef void maildrop_read_fn(void *owner, enum status st, struct slice octets);
typedef void maildrop_done_fn(void *owner, enum status st);

struct maildrop_ops {
	/* Octets of entry index from offset, at least one and at most max of them in one slice
	 * (the provider chooses how many).  OK with an empty slice at the end of the message. */
	void (*read)(struct maildrop *m, unsigned index, uint64_t offset, size_t max,
	             maildrop_read_fn *done, void *owner);
	/* Delete the entries, all or nothing, durable when done says OK. */
	void (*commit)(struct maildrop *m, const unsigned *indexes, unsigned count,
	               maildrop_done_fn *done, void *owner);
	/* Unlock and free; cancels what is in flight.  Deletes nothing. */
	void (*close)(struct maildrop *m);
	/* Optional.  Where octets of entry index from offset lie, at most max of them and only those
	 * that are in memory now, so that sending them from there waits for no disk.  Good for this
	 * turn of the event loop.  False: read() says what there is, or what is wrong. */
	bool (*range)(struct maildrop *m, unsigned index, uint64_t offset, size_t max,
	              struct file_range *out);
};

/* Embedded first in the provider's own structure. */
struct maildrop {
	const struct maildrop_ops *ops;
	struct maildrop_entry     *entries;        /* count of them, in the order of arrival */
	unsigned                   count;
	uint64_t                   octets;         /* sum over the entries */
	uint32_t                   uidvalidity;
	int64_t                    last_login;     /* seconds since 1970 of the session before, or 0 */
	int64_t                    login_time;     /* the session sets it when it must be the last_login
	                                            * of the next; 0: nobody will ask */
};

/* Write the UIDL of an entry (at most 70 octets and a NUL) into out (RFC 1939, 7). */
enum { UIDL_SIZE = 71 };
void maildrop_uidl(const struct maildrop *m, unsigned index, char out[UIDL_SIZE]);

/* One message to all recipients of the envelope whose `discard` is not set.
 * results[i] belongs to envelope->recipients[i]; the array is the caller's. */
struct delivery;
typedef void delivery_done_fn(void *owner, enum status st);

struct delivery {
	const struct facts    *facts;
	const struct envelope *envelope;
	struct message        *message;            /* stays the caller's */
	enum status           *results;            /* per recipient: OK, QUOTA, TEMPFAIL ... */
	uint64_t              *uids;               /* per recipient, zeroed: of the stored message, as far
	                                            * as the provider knows; or NULL */
	delivery_done_fn      *done;               /* st: OK when every result is set and final */
	void                  *owner;
	void                 (*cancel)(struct delivery *d);   /* set by the provider while in flight */
	void                  *work;               /* the provider's own */
};

struct mailbox_ops {
	/* Lock and list.  BUSY: another session has the lock.  NOTFOUND is not an error of a new
	 * user: an empty maildrop is opened.  UNSUPPORTED: not this provider's mailbox. */
	void (*open)(struct mailbox_provider *p, const struct facts *f, struct slice mailbox,
	             maildrop_opened_fn *done, void *owner);
	/* The opened function of this owner will not be called any more. */
	void (*cancel_open)(struct mailbox_provider *p, void *owner);
	/* Durable before done says OK: all recipients whose result is OK have it. */
	void (*deliver)(struct mailbox_provider *p, struct delivery *d);
	/* May a message of that many octets be taken now?  OK, NOSPACE or OVERLOAD; answers at once. */
	enum status (*room)(struct mailbox_provider *p, uint64_t octets);
};

struct mailbox_provider {
	const struct mailbox_ops *ops;
	const char               *spool;           /* directory for large messages on their way in */
};

#endif
