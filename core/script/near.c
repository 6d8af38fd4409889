/* Edit distance with transpositions (optimal string alignment), cut off at a third of the word:
 * farther candidates confuse more than they help. */
#include "script/near.h"

enum { WORD_MAX = 48 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

static unsigned distance(struct slice a, struct slice b)
{
	unsigned rows[3][WORD_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b.len; j++)
		last[j] = before[j] = (unsigned)j;
	for (size_t i = 1; i <= a.len; i++) {
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b.len; j++) {
			bool same = ascii_lower(a.ptr[i - 1]) == ascii_lower(b.ptr[j - 1]);

			row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + !same);
			if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1] &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		unsigned *free_row = before;

		before = last;
		last = row;
		row = free_row;
	}
	return last[b.len];
}

void script_near_offer(struct script_near *n, struct slice candidate)
{
	if (n->word.len > WORD_MAX || candidate.len > WORD_MAX || candidate.len == 0)
		return;
	unsigned limit = 1 + (unsigned)n->word.len / 3;
	unsigned d = distance(n->word, candidate);

	if (d <= limit && (n->best.len == 0 || d < n->distance)) {
		n->best = candidate;
		n->distance = d;
	}
}
