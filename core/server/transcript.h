/* The worker's end of the transcript (hook/observer.h): counts on the board, writes the log's
 * lines about sessions, sends what somebody traces to the master, and passes every event on to the
 * plugins' observer.  While nobody traces, command and reply lines are not even made. */
#ifndef MOONPOST_SERVER_TRANSCRIPT_H
#define MOONPOST_SERVER_TRANSCRIPT_H

#include "hook/observer.h"
#include "script/script.h"
#include "server/board.h"
#include "server/channel.h"

enum { TRANSCRIPT_SUBSCRIPTIONS = 16 };

/* Whose lines somebody wants; empty strings match all. */
struct transcript_filter {
	char ip[46], user[256], session[12], protocol[16], service[16];
};

struct transcript_subscription {
	uint32_t id;                      /* 0: free */
	struct transcript_filter filter;
	uint64_t dropped;                 /* lines the master was too slow for */
};

struct transcript {
	struct observer    observer;
	struct script     *script;        /* its observer sees every event too; or NULL */
	struct observer   *next;          /* that observer */
	struct board_slot *slot;
	struct channel    *channel;
	struct transcript_subscription subscriptions[TRANSCRIPT_SUBSCRIPTIONS];
	unsigned           tracing;       /* subscriptions in use */
};

void server_transcript_init(struct transcript *t, struct board_slot *slot, struct channel *channel);
void server_transcript_set_script(struct transcript *t, struct script *script);

/* JSON object of filter members -> filter.  False: not JSON, or a member nobody knows. */
bool server_transcript_parse_filter(struct slice json, struct transcript_filter *out);

/* False when all places are taken. */
bool server_transcript_subscribe(struct transcript *t, uint32_t id, const struct transcript_filter *f);
void server_transcript_unsubscribe(struct transcript *t, uint32_t id);

/* The plugins may want lines from now on, or not any more: looked at now and then. */
void server_transcript_refresh(struct transcript *t);

#endif
