/* Percentiles of recent values in fixed memory: buckets an eighth of a power of two wide; old
 * values fade (all counts are halved now and then). */
#ifndef MOONPOST_BASE_HISTOGRAM_H
#define MOONPOST_BASE_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 512, HISTOGRAM_FADE_AT = 8192 };

struct histogram { uint32_t total, counts[HISTOGRAM_BUCKETS]; };

void     histogram_add(struct histogram *h, uint64_t value);
/* Recent values of both, for a picture of several workers. */
void     histogram_merge(struct histogram *to, const struct histogram *from);
/* The upper end of the bucket that holds the percentile (1-100); 0 when empty. */
uint64_t histogram_percentile(const struct histogram *h, unsigned percent);

#endif
