/* The channel between the master and one worker: a pair of SOCK_SEQPACKET sockets, one message
 * per packet, never blocking.  First octet: the kind; the rest: its text.
 *
 * The other end closed means the other process is gone. */
#ifndef MOONPOST_SERVER_CHANNEL_H
#define MOONPOST_SERVER_CHANNEL_H

#include "base/slice.h"
#include "net/loop.h"

enum channel_kind {
	/* worker to master */
	CHANNEL_READY   = 'R',            /* serves now */
	CHANNEL_FAILED  = 'F',            /* cannot start; text: why */
	CHANNEL_LEAVING = 'L',            /* was told by a signal to finish: replace me */
	CHANNEL_TRACED  = 'T',            /* "<subscription> <JSON line>" */
	CHANNEL_NUMBERS = 'N',            /* "<request> <JSON object>": answer to ASK_NUMBERS */
	CHANNEL_RELOADED = 'P',           /* "<request> <what is wrong, or nothing>" */
	/* master to worker */
	CHANNEL_STOP    = 's',            /* end all sessions within stop_grace_ms */
	CHANNEL_DRAIN   = 'd',            /* accept no more, let sessions finish */
	CHANNEL_NOW     = 'n',            /* close everything at once */
	CHANNEL_TRACE   = 't',            /* "<subscription> <JSON filter>" */
	CHANNEL_UNTRACE = 'u',            /* "<subscription>" */
	CHANNEL_ASK_NUMBERS = 'a',        /* "<request>": numbers of the store process */
	CHANNEL_RELOAD      = 'p',        /* "<request> <plugin, or nothing for all>": new code */
	CHANNEL_REOPEN_LOG  = 'l',
};

enum { CHANNEL_MAX = 16 * 1024 };     /* octets of one message; longer texts are cut */

struct channel;

typedef void channel_message_fn(void *owner, enum channel_kind kind, struct slice text);
typedef void channel_closed_fn(void *owner);

/* Two connected descriptors, close-on-exec.  False with errno. */
bool server_channel_pair(int fds[2]);

/* Takes over fd. */
struct channel *server_channel_new(struct loop *l, int fd, channel_message_fn *message,
                                   channel_closed_fn *closed, void *owner);
void server_channel_free(struct channel *c);      /* closes; NULL is fine */
/* Hand over now what the other side, gone already, said last: the child's end may be told first. */
void server_channel_last_words(struct channel *c);      /* NULL is fine */

int  server_channel_fd(const struct channel *c);

/* BUSY when the other side does not read fast enough: the message is dropped.  CLOSED. */
enum status server_channel_send(struct channel *c, enum channel_kind kind, struct slice text);

#endif
