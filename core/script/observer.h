/* on_* hooks that only look: their results are ignored, their errors logged. */
#ifndef MOONPOST_SCRIPT_OBSERVER_H
#define MOONPOST_SCRIPT_OBSERVER_H

struct script;

void observer_init(struct script *s);

#endif
