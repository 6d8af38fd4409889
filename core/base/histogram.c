/* Buckets by the highest four bits of a value. */
#include "base/histogram.h"

static unsigned bucket_of(uint64_t value)
{
	if (value < 8)
		return (unsigned)value;
	unsigned top = 63 - (unsigned)__builtin_clzll(value);

	return (top - 2) * 8 + (unsigned)(value >> (top - 3) & 7);
}

static uint64_t upper_end(unsigned bucket)
{
	if (bucket < 8)
		return bucket;
	unsigned top = bucket / 8 + 2;

	return ((8 + (uint64_t)(bucket % 8) + 1) << (top - 3)) - 1;
}

static void fade(struct histogram *h)
{
	h->total = 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		h->counts[i] /= 2;
		h->total += h->counts[i];
	}
}

void histogram_add(struct histogram *h, uint64_t value)
{
	if (h->total >= HISTOGRAM_FADE_AT)
		fade(h);
	h->counts[bucket_of(value)]++;
	h->total++;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		to->counts[i] += from->counts[i];
		to->total += from->counts[i];
	}
}

uint64_t histogram_percentile(const struct histogram *h, unsigned percent)
{
	uint64_t want = ((uint64_t)h->total * percent + 99) / 100, seen = 0;

	for (unsigned i = 0; h->total && i < HISTOGRAM_BUCKETS; i++) {
		seen += h->counts[i];
		if (seen >= want)
			return upper_end(i);
	}
	return 0;
}
