/* on_* hooks that only look: their results are ignored, their errors logged. */
#ifndef MOONPOST_SCRIPT_OBSERVER_H
#define MOONPOST_SCRIPT_OBSERVER_H

struct call;
struct script;

void observer_init(struct script *s);

/* The call is about to be cancelled at the end of the script: free what it would have freed. */
void observer_drop(struct call *c);

#endif
