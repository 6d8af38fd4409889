/* The nearest known name to a misspelt one, for "did you mean". */
#ifndef MOONPOST_SCRIPT_NEAR_H
#define MOONPOST_SCRIPT_NEAR_H

#include "base/slice.h"

/* Remembers the best candidate so far; start zeroed but for the word. */
struct script_near {
	struct slice word;
	struct slice best;                /* "" when nothing is near enough */
	unsigned     distance;
};

void script_near_offer(struct script_near *n, struct slice candidate);

#endif
