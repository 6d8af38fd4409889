/* The transcript: every command and reply of every session passes one stream of events, with
 * secrets masked before anybody sees them.  The log, `moonpost trace` and plugins' on_* hooks
 * read this stream. */
#ifndef MOONPOST_HOOK_OBSERVER_H
#define MOONPOST_HOOK_OBSERVER_H

#include "hook/facts.h"
#include "hook/verdict.h"

struct question;

enum event_kind {
	EVENT_CONNECT,           /* a session began */
	EVENT_COMMAND,           /* a line from the client, masked */
	EVENT_REPLY,             /* a line to the client */
	EVENT_DATA,              /* octets of a message went in or out: count in `octets` */
	EVENT_TLS,               /* a TLS handshake was done */
	EVENT_LOGIN,             /* somebody signed in; or failed to: verdict; line: "MECHANISM user" */
	EVENT_ACCEPTED,          /* a message was stored */
	EVENT_RETRIEVED,         /* a message was sent whole */
	EVENT_DELETED,           /* deletions were committed: count in `octets` */
	EVENT_DISCONNECT,        /* the session ended */
	EVENT_STORED,            /* behind ACCEPTED, per mailbox: its name in `line`, uid, octets */
	EVENT_ERROR,             /* a mistake of the client, a time-out, a failure: text in `line` */
};

struct event {
	enum event_kind       kind;
	const struct facts   *facts;
	struct slice          line;           /* text without CRLF */
	const char           *state;          /* state of the machine after it; static storage */
	const struct verdict *verdict;        /* who decided, or NULL */
	uint64_t              octets;
	uint64_t              uid;            /* STORED: in the mailbox; 0: not known */
};

/* Which replies end with an id: " [k3f9xw]". */
enum reply_ids {
	REPLY_IDS_NONE,
	REPLY_IDS_REFUSALS,      /* refusals that policy decided */
	REPLY_IDS_ALL,           /* all that carry an enhanced status code; POP3: all -ERR */
};

/* A reply that somebody may ask about. */
struct explained {
	const char            *id;
	const struct facts    *facts;
	struct slice           line;          /* without the id */
	const char            *state;
	const struct verdict  *verdict;       /* NULL: the protocol itself decided */
	const struct question *question;      /* with its reasons; or NULL */
};

/* One per worker; embedded first in the receiver's own structure. */
struct observer {
	void (*event)(struct observer *o, const struct event *e);
	void (*explain)(struct observer *o, const struct explained *e);   /* may be NULL */
	enum reply_ids reply_ids;
	bool wants_lines;        /* false: COMMAND and REPLY need not be made */
};

#endif
