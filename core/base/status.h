/* The outcome of an operation, as one closed list.
 *
 * A status tells the calling C code what happened.  What a peer is told is another thing and is
 * chosen in one place per protocol (smtp/reply.c, pop3/reply.c).  Broken invariants do not
 * travel as a status: they die() (base/log.h). */
#ifndef MOONPOST_BASE_STATUS_H
#define MOONPOST_BASE_STATUS_H

#define STATUS_LIST(X)                                                   \
	X(OK,          "done")                                               \
	X(AGAIN,       "wait for more input or for an answer")               \
	X(END,         "nothing is left")                                    \
	X(SYNTAX,      "the input breaks the grammar")                       \
	X(TOOBIG,      "a size or count limit was reached")                  \
	X(NOTFOUND,    "there is no such thing")                             \
	X(EXISTS,      "it is there already")                                \
	X(BUSY,        "somebody else holds it")                             \
	X(DENIED,      "not allowed")                                        \
	X(QUOTA,       "the mailbox is over its quota")                      \
	X(NOSPACE,     "the disk or the store is full")                      \
	X(OVERLOAD,    "too much work is queued, try again")                 \
	X(IO,          "the system reported an input/output error")          \
	X(CLOSED,      "the other side is gone")                             \
	X(TIMEOUT,     "it took too long")                                   \
	X(CANCELED,    "the operation was cancelled")                        \
	X(UNSUPPORTED, "this build or peer cannot do it")                    \
	X(CORRUPT,     "stored data does not make sense")                    \
	X(TEMPFAIL,    "it failed for now, a later try may succeed")

enum status {
#define X(name, text) ST_##name,
	STATUS_LIST(X)
#undef X
	ST__COUNT
};

/* "ST_QUOTA" -> "QUOTA"; static storage. */
const char *status_name(enum status st);

/* One lower-case English clause without a full stop; static storage. */
const char *status_text(enum status st);

#endif
