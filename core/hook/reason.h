/* Why a question was answered as it was: everybody who was asked, in order, and what each of them
 * said.  Kept with the question, in its arena, until the next one begins; a reply to the client may
 * carry an id under which `moonpost why` finds it again (observer.h). */
#ifndef MOONPOST_HOOK_REASON_H
#define MOONPOST_HOOK_REASON_H

#include "hook/question.h"

enum { REASON_ID = 6 };               /* characters of a reply's id */

struct reason {
	struct reason    *next;
	const char       *by;             /* plugin */
	const char       *place;          /* file:line of its function */
	const char       *where;          /* file:line of its verdict, or "" */
	const char       *waits;          /* what it waited for: "mail.dns.lookup 812 us", or "" */
	enum verdict_kind kind;
	char              status[12];
	bool              failed;         /* no answer of its own: an error, or it took too long */
	uint32_t          micros;         /* from its first turn to its answer */
};

/* Append a copy; strings are copied, too. */
void reason_add(struct question *q, const struct reason *r);

/* Say in q->about what was asked: "recipient <bob@example.test>"; no secrets.  While the question is
 * being answered: what it borrows is gone afterwards. */
void reason_describe(struct question *q);

#endif
