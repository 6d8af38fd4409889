/* Why clients were told what they were told: the last decisions of each worker, in memory shared with
 * the master, so that they outlive the worker.  One writer per ring; a broken worker can spoil
 * nothing but these texts, so the reader trusts none of them. */
#ifndef MOONPOST_SERVER_WHY_H
#define MOONPOST_SERVER_WHY_H

#include <stdatomic.h>

#include "hook/observer.h"

enum { WHY_RECORDS = 2048, WHY_OCTETS = 1024 };       /* of one worker; longer ones are cut */

struct why_record {
	_Atomic uint32_t sequence;        /* odd while it is written; 0: never was */
	char             text[WHY_OCTETS - sizeof(uint32_t)];
};

struct why_ring {
	_Atomic uint64_t  written;
	struct why_record records[WHY_RECORDS];
};

void server_why_write(struct why_ring *ring, const struct explained *e);

/* Append the decisions of this id, or of all of this session, to the JSON array. */
struct cJSON;
void server_why_find(const struct why_ring *ring, const char *id, struct cJSON *to);

#endif
