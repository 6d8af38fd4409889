/* Dictionaries: small values under names, with expiry, shared by all workers.  This header is what
 * both ends of the store's socket know: what can be asked, what comes back, and what a question
 * does to an entry, which is the same in memory (dict_memory.h) and on disk (dict_durable.h).
 *
 * An owner (a plugin, or all that share) sees its own keys alone.  Times are microseconds of the
 * store process: of the monotonic clock in memory, of the wall clock on disk, where they outlive a
 * restart. */
#ifndef MOONPOST_STORE_DICT_H
#define MOONPOST_STORE_DICT_H

#include "base/buf.h"
#include "base/status.h"

enum {
	DICT_OWNER_MAX = 64, DICT_NAME_MAX = 64, DICT_USER_KEY_MAX = 320,
	DICT_KEY_MAX = 1 + DICT_NAME_MAX + 1 + DICT_USER_KEY_MAX,    /* kind, name, NUL, key */
	DICT_VALUE_MAX = 64 << 10,
	DICT_LIST_MAX = 1000, DICT_LIST_OCTETS = 1 << 20,     /* of one answer */
};

enum dict_op {
	DICT_GET,                         /* -> value, or type NONE */
	DICT_SET,
	DICT_ADD,                         /* only if absent -> done, else the value that is there */
	DICT_INCR,                        /* by amount, ttl on creation -> done and the new number; */
	                                  /* not done: it would pass the ceiling, the number as it is */
	DICT_DELETE,                      /* -> done: it was there */
	DICT_CAS,                         /* value when it equals expected (NONE: absent) -> as ADD; */
	                                  /* value NONE removes it */
	DICT_LIST,                        /* keys that begin with key, behind after, in order */
	DICT_TAKE,                        /* a token bucket; in memory alone -> done, ns */
	DICT__COUNT
};

enum dict_flag {
	DICT_DURABLE = 1,
	DICT_REFUSE = 2,                  /* never evicted; when memory is full nothing is added */
	DICT_CEILING = 4,
	DICT_FLAGS = 7,
};

enum dict_type { DICT_NONE, DICT_STRING, DICT_INTEGER, DICT_BOOLEAN, DICT_BUCKET };

struct dict_value { enum dict_type type; int64_t number; struct slice octets; };

struct dict_query {
	enum dict_op op;
	unsigned     flags;
	struct slice owner, key;
	struct dict_value value, expected;
	uint64_t     ttl_us;              /* 0: for ever */
	int64_t      amount;              /* INCR: by; TAKE: what it costs, in nanoseconds of filling */
	int64_t      ceiling;             /* INCR: largest number; TAKE: the whole bucket, in ns */
	struct slice after;               /* LIST: a key, or "" */
	uint32_t     limit;               /* LIST: at most DICT_LIST_MAX */
};

struct dict_answer {
	bool         done;
	struct dict_value value;
	int64_t      ns;                  /* TAKE: what is left, or how long to wait */
	struct slice list;                /* LIST: for dict_next */
	uint32_t     count;
	bool         more;                /* LIST: there are more */
};

/* An entry as it is and as it is to become. */
struct dict_item { struct dict_value value; int64_t expires_us; };   /* 0: never */
enum dict_change { DICT_KEEP, DICT_PUT, DICT_DROP };

/* What the question (not LIST) does to the item, type NONE when it is absent or expired.  PUT: the
 * item is what to write.  *st: OK; UNSUPPORTED: its type does not fit; DENIED: the number would not
 * fit into 64 bits. */
enum dict_change dict_decide(const struct dict_query *q, int64_t now_us, struct dict_item *item,
                             struct dict_answer *a, enum status *st);

bool dict_expired(const struct dict_item *item, int64_t now_us);

/* ---- as octets; buffers without ceiling ---- */

void dict_put_value(struct buf *b, const struct dict_value *v);
bool dict_get_value(struct slice *in, struct dict_value *v);         /* points into the input */
void dict_put_query(struct buf *b, const struct dict_query *q);
enum status dict_get_query(struct slice in, struct dict_query *q);   /* SYNTAX */
void dict_put_answer(struct buf *b, const struct dict_answer *a);
bool dict_get_answer(struct slice in, struct dict_answer *a);

/* One entry more of a list; false: the list is full. */
bool dict_list_add(struct buf *list, struct dict_answer *a, const struct dict_query *q,
                   struct slice key, const struct dict_value *v);
/* The next entry off the front of answer->list. */
bool dict_list_next(struct slice *list, struct slice *key, struct dict_value *v);

#endif
