/* Where an accepted recipient's mail goes: aliases of plugins and redirects, followed until every
 * address has a mailbox of the directory. */
#ifndef MOONPOST_SCRIPT_TARGETS_H
#define MOONPOST_SCRIPT_TARGETS_H

#include "hook/question.h"

struct script;
struct targets;

/* settled: q->verdict and q->targets stand.  Else no plugin has an alias for the recipient, and the
 * question is as it was. */
typedef void targets_done_fn(void *owner, bool settled);

enum { TARGETS_MAX = 1000 };         /* addresses that one recipient may become */

/* Whether a plugin wants to be asked for aliases in this session. */
bool targets_wanted(struct script *s, const struct question *q);

/* Begin with the addresses in q->targets that have no mailbox yet, or, where there are none, with the
 * alias of the recipient itself.  done() comes once, before this returns or later, unless it is
 * cancelled.  *place is set until then. */
void targets_resolve(struct script *s, struct question *q, struct targets **place,
                     targets_done_fn *done, void *owner);

void targets_cancel(struct targets **place);      /* *place NULL is fine, and what it is then */

#endif
