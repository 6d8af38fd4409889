/* One request inside the store process, from the socket through the flush threads and the writer
 * back to the socket.  Its payload stays where it was received: in a slab that several requests
 * share, so the octets of a message are copied once more only, into the environment. */
#ifndef MOONPOST_STORE_REQUEST_H
#define MOONPOST_STORE_REQUEST_H

#include "base/list.h"
#include "net/work.h"
#include "store/dict.h"
#include "store/wire.h"

/* Received octets; freed with the last request in it. */
struct slab {
	unsigned refs;                    /* I/O thread only */
	size_t   used, cap;
	char     data[];
};

struct connection;

struct dict_request {
	struct dict_query query;          /* slices into the payload */
	struct buf        answer;
};

struct store_request {
	struct list        link;          /* the queue it is in */
	struct work        work;          /* flush of a large message */
	struct connection *connection;    /* NULL: the store's own */
	struct slab       *slab;
	enum wire_type     type;
	uint64_t           id;
	struct slice       payload;
	int                fd;            /* of a large message, or -1 */
	uint64_t           msgid;         /* of a large message: its file is named before its row */
	uint64_t           queued_us;
	/* decoded: slices into the payload */
	struct wire_message message;
	struct slice       body, uidl, record;
	struct slice      *names;         /* count of them; heap */
	uint64_t           mailbox, quota_octets, quota_messages;
	struct slice       uids;          /* count numbers of 8 octets */
	uint32_t           count;
	bool               create;
	struct dict_request *dict;        /* DICT; heap */
	/* the answer */
	enum status        status;
	uint8_t           *results;       /* DELIVER: count status octets, then count uids of 8 octets; in
	                                   * the memory of names */
	bool               stored;        /* a row refers to the message */
	const char        *directory;     /* data directory, for the flush thread */
	void              *flusher;       /* who handed it to a flush thread */
};

enum { REQUEST_RESULT = 1 + sizeof(uint64_t) };      /* octets of the results, per recipient */

struct store_request *store_request_new(enum wire_type type, uint64_t id);
void store_request_free(struct store_request *r);     /* closes fd; the slab is the caller's */

/* Fill the decoded fields from the payload.  SYNTAX, UNSUPPORTED. */
enum status store_request_decode(struct store_request *r);

/* Queue weight: octets that stand in memory. */
size_t store_request_weight(const struct store_request *r);

/* Whether it takes space (a message, an entry) rather than giving some back. */
bool store_request_grows(const struct store_request *r);

#endif
