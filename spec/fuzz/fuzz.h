/* What fuzz targets share.  A target is one file spec/fuzz/fuzz_<name>.c with
 *
 *     const char *const fuzz_tokens[] = { "EHLO ", "\r\n", NULL };   // or just NULL
 *     int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { ... return 0; }
 *
 * and a folder spec/fuzz/corpus/<name>/ with at least one input; `make fuzz` finds it by itself.
 * The signature is libFuzzer's, so the same file also builds with
 * clang -fsanitize=fuzzer,address,undefined (without driver.c). */
#ifndef MOONPOST_FUZZ_H
#define MOONPOST_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Pieces of the language, mixed into the input by the driver; ends with NULL. */
extern const char *const fuzz_tokens[];

/* A property that must hold for every input. */
#define FUZZ_CHECK(condition)                                                                  \
	do {                                                                                   \
		if (!(condition)) {                                                            \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                               \
		}                                                                              \
	} while (0)

/* Cuts an input into pieces.  Round 0 is octet by octet, 1 to 15 are made up of the octets
 * themselves, so that an input always gives the same pieces. */
struct fuzz_cuts { struct slice rest; uint64_t state; unsigned round; };

static inline struct fuzz_cuts fuzz_cut(struct slice whole, unsigned round)
{
	struct fuzz_cuts c = { whole, round * 0x9e3779b97f4a7c15u + 1, round };

	for (size_t i = 0; i < whole.len && i < 64; i++)
		c.state = (c.state ^ (unsigned char)whole.ptr[i]) * 0x100000001b3u;
	return c;
}

/* False when nothing is left. */
static inline bool fuzz_piece(struct fuzz_cuts *c, struct slice *piece)
{
	size_t n = 1;

	if (c->rest.len == 0)
		return false;
	if (c->round) {
		c->state ^= c->state << 13;
		c->state ^= c->state >> 7;
		c->state ^= c->state << 17;
		n = 1 + c->state % (c->state >> 60 ? 7 : 1000);
	}
	*piece = slice_head(c->rest, n);
	c->rest = slice_skip(c->rest, n);
	return true;
}

enum { FUZZ_CUT_ROUNDS = 4 };

#endif
