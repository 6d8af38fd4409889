/* Searches over text as arithmetic on bits: 64 octets become words that have a bit for each CR,
 * LF, dot and octet above 127, and what stands where falls out of a few shifts.  So the time
 * depends little on how long the lines are and on whether a branch predictor can guess it.
 *
 * Only the making of the words differs between processors.  The searches are written once, take
 * the function that makes the words as an argument, and are compiled once for each such function.
 * No octet behind the text is read: its last step is looked at in a copy. */
#include "mail/scan.h"

#include <endian.h>
#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON) && defined(__AARCH64EL__)
#include <arm_neon.h>
#endif

#include "base/mem.h"

enum { STEP = 64 };

/* Bit i stands for octet i. */
struct marks { uint64_t cr, lf, dot, high; };

typedef struct marks look_fn(const char *p);          /* at the 64 octets from p on */

/* Inlined in any case, so that the compiler drops the marks that a search does not ask for. */
#define INLINE static inline __attribute__((always_inline))

/* ---- the searches ---- */

#define EACH_OCTET(value)  (UINT64_MAX / 255 * (value))

/* Where the 64 octets from s[at] on can be read; behind the end of s they are zeros. */
INLINE const char *step_at(struct slice s, size_t at, char room[STEP])
{
	if (s.len - at >= STEP)
		return s.ptr + at;
	memset(room, 0, STEP);
	memcpy(room, s.ptr + at, s.len - at);
	return room;
}

INLINE unsigned lowest(uint64_t bits)
{
	return (unsigned)__builtin_ctzll(bits);
}

/* At these LFs of the step at `at` lines end, of which the first began at *start. */
INLINE void measure(uint64_t ends, uint64_t at, uint64_t *start, uint64_t *longest)
{
	uint64_t last = at + 63 - (unsigned)__builtin_clzll(ends);

	/* Lines that begin and end in one step are of no interest once there was a longer one. */
	do {
		uint64_t lf = at + lowest(ends), octets = lf - 1 - *start;

		*longest = octets > *longest ? octets : *longest;
		*start = lf + 1;
		ends &= ends - 1;
	} while (ends && *longest < STEP);
	*start = last + 1;
}

INLINE uint32_t at_most_u32(uint64_t n)
{
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* A CR at the end is no octet of the line before it is known what follows. */
INLINE void leave_off(struct slice s, uint64_t start, uint64_t longest, struct scan_lines *l)
{
	if (s.len > 0) {
		char last = s.ptr[s.len - 1];

		l->at_start = last == '\n' && (s.len > 1 ? s.ptr[s.len - 2] == '\r' : l->after_cr);
		l->after_cr = last == '\r';
	}
	uint64_t octets = s.len - l->after_cr - start;

	l->octets = at_most_u32(octets);
	l->longest = at_most_u32(octets > longest ? octets : longest);
}

/* odd: an LF without CR in front of it, or what stands behind a CR and is no LF. */
INLINE size_t lines_by(look_fn *look, struct slice s, struct scan_lines *l)
{
	uint64_t cr = l->after_cr, end = l->at_start, bare = 0, longest = l->longest;
	/* The line may have begun in front of s: then `start` wraps, and differences are right. */
	uint64_t start = 0 - (uint64_t)l->octets - cr;
	size_t stop = s.len;
	char room[STEP];

	for (size_t at = 0; at < stop; at += STEP) {
		struct marks m = look(step_at(s, at, room));
		uint64_t behind_cr = m.cr << 1 | cr, ends = behind_cr & m.lf, odd = behind_cr ^ m.lf;
		uint64_t dots = (ends << 1 | end) & m.dot;

		if (dots)
			stop = at + lowest(dots);
		/* Nothing behind the dot counts, nor does the place behind the text's last CR. */
		if (stop - at < STEP) {
			uint64_t there = ((uint64_t)1 << (stop - at)) - 1;

			ends &= there;
			odd &= there;
		}
		if (ends)
			measure(ends, at, &start, &longest);
		bare |= odd;
		cr = m.cr >> 63;
		end = ends >> 63;
	}
	l->bare |= bare != 0;
	leave_off(slice_head(s, stop), start, longest, l);
	return stop;
}

INLINE size_t dot_line_by(look_fn *look, struct slice s)
{
	uint64_t lf = 0;
	char room[STEP];

	for (size_t at = 0; at < s.len; at += STEP) {
		struct marks m = look(step_at(s, at, room));
		uint64_t hits = (m.lf << 1 | lf) & m.dot;

		if (hits)
			return at + lowest(hits) - 1;
		lf = m.lf >> 63;
	}
	return s.len;
}

/* Where there is an instruction for it, the compiler knows this pattern; elsewhere its own way
 * is a call. */
INLINE unsigned count_bits(uint64_t bits)
{
	bits -= bits >> 1 & EACH_OCTET(0x55u);
	bits = (bits & EACH_OCTET(0x33u)) + (bits >> 2 & EACH_OCTET(0x33u));
	bits = (bits + (bits >> 4)) & EACH_OCTET(0x0fu);
	return (unsigned)(bits * EACH_OCTET(0x01u) >> 56);
}

INLINE void facts_by(look_fn *look, struct slice s, struct scan_facts *f)
{
	uint64_t cr = f->before == '\r', lf = f->before == '\n', dots = 0, high = 0;
	char room[STEP];

	for (size_t at = 0; at < s.len; at += STEP) {
		struct marks m = look(step_at(s, at, room));

		f->lines += count_bits((m.cr << 1 | cr) & m.lf);
		dots |= (m.lf << 1 | lf) & m.dot;
		high |= m.high;
		cr = m.cr >> 63;
		lf = m.lf >> 63;
	}
	f->dot_line |= dots != 0;
	f->eight_bit |= high != 0;
	if (s.len)
		f->before = s.ptr[s.len - 1];
}

/* ---- looking ---- */

/* From the highest bit of each octet of a word, which has no others: the same as one octet, the
 * highest of the answer. */
INLINE uint64_t gather(uint64_t tops)
{
	return (tops >> 7) * 0x0102040810204080u & (uint64_t)0xff << 56;
}

/* The highest bit of each octet that is not c.  `low` has none, so no carry leaves its octet and
 * the answer is exact for all eight. */
INLINE uint64_t differ(uint64_t low, unsigned char c)
{
	return (low ^ EACH_OCTET((uint64_t)c)) + EACH_OCTET(0x7fu);
}

INLINE struct marks look_portable(const char *p)
{
	const uint64_t top = EACH_OCTET(0x80u);
	struct marks m = { 0 };

	for (unsigned i = 0; i < STEP; i += 8) {
		uint64_t word;

		memcpy(&word, p + i, sizeof(word));
		word = le64toh(word);
		m.cr = m.cr >> 8 | gather(~(differ(word & ~top, '\r') | word) & top);
		m.lf = m.lf >> 8 | gather(~(differ(word & ~top, '\n') | word) & top);
		m.dot = m.dot >> 8 | gather(~(differ(word & ~top, '.') | word) & top);
		m.high = m.high >> 8 | gather(word & top);
	}
	return m;
}

#if defined(__SSE2__)

INLINE uint64_t bits_sse2(__m128i a, __m128i b, __m128i c, __m128i d)
{
	return (uint64_t)(unsigned)_mm_movemask_epi8(a) |
	       (uint64_t)(unsigned)_mm_movemask_epi8(b) << 16 |
	       (uint64_t)(unsigned)_mm_movemask_epi8(c) << 32 |
	       (uint64_t)(unsigned)_mm_movemask_epi8(d) << 48;
}

INLINE uint64_t equal_sse2(const __m128i v[4], char c)
{
	const __m128i want = _mm_set1_epi8(c);

	return bits_sse2(_mm_cmpeq_epi8(v[0], want), _mm_cmpeq_epi8(v[1], want),
	                 _mm_cmpeq_epi8(v[2], want), _mm_cmpeq_epi8(v[3], want));
}

INLINE struct marks look_sse2(const char *p)
{
	const __m128i *at = (const __m128i *)(const void *)p;
	const __m128i v[4] = { _mm_loadu_si128(at), _mm_loadu_si128(at + 1),
	                       _mm_loadu_si128(at + 2), _mm_loadu_si128(at + 3) };

	return (struct marks){ equal_sse2(v, '\r'), equal_sse2(v, '\n'), equal_sse2(v, '.'),
	                       bits_sse2(v[0], v[1], v[2], v[3]) };
}

#define AVX2 __attribute__((target("avx2,popcnt")))

AVX2 INLINE uint64_t bits_avx2(__m256i a, __m256i b)
{
	return (uint64_t)(unsigned)_mm256_movemask_epi8(a) |
	       (uint64_t)(unsigned)_mm256_movemask_epi8(b) << 32;
}

AVX2 INLINE uint64_t equal_avx2(__m256i a, __m256i b, char c)
{
	const __m256i want = _mm256_set1_epi8(c);

	return bits_avx2(_mm256_cmpeq_epi8(a, want), _mm256_cmpeq_epi8(b, want));
}

AVX2 INLINE struct marks look_avx2(const char *p)
{
	const __m256i *at = (const __m256i *)(const void *)p;
	const __m256i a = _mm256_loadu_si256(at), b = _mm256_loadu_si256(at + 1);

	return (struct marks){ equal_avx2(a, b, '\r'), equal_avx2(a, b, '\n'), equal_avx2(a, b, '.'),
	                       bits_avx2(a, b) };
}

static bool runs_avx2(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
}

#elif defined(__ARM_NEON) && defined(__AARCH64EL__)

/* Each lane all ones or zero: keep one bit of each, then add neighbours until 16 lanes are 2. */
INLINE uint64_t bits_neon(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d)
{
	static const uint8_t bit[16] = { 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128 };
	const uint8x16_t own = vld1q_u8(bit);
	uint8x16_t ab = vpaddq_u8(vandq_u8(a, own), vandq_u8(b, own));
	uint8x16_t cd = vpaddq_u8(vandq_u8(c, own), vandq_u8(d, own));
	uint8x16_t sum = vpaddq_u8(ab, cd);

	return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sum, sum)), 0);
}

INLINE uint64_t equal_neon(const uint8x16_t v[4], uint8_t c)
{
	const uint8x16_t want = vdupq_n_u8(c);

	return bits_neon(vceqq_u8(v[0], want), vceqq_u8(v[1], want), vceqq_u8(v[2], want),
	                 vceqq_u8(v[3], want));
}

INLINE struct marks look_neon(const char *p)
{
	const uint8_t *at = (const uint8_t *)p;
	const uint8x16_t v[4] = { vld1q_u8(at), vld1q_u8(at + 16), vld1q_u8(at + 32),
	                          vld1q_u8(at + 48) };
	const uint8x16_t top = vdupq_n_u8(0x80);

	return (struct marks){ equal_neon(v, '\r'), equal_neon(v, '\n'), equal_neon(v, '.'),
	                       bits_neon(vtstq_u8(v[0], top), vtstq_u8(v[1], top),
	                                 vtstq_u8(v[2], top), vtstq_u8(v[3], top)) };
}

#endif

/* ---- the variants ---- */

static bool runs_anywhere(void)
{
	return true;
}

#define SEARCHES(isa, TARGET)                                                          \
	TARGET static size_t lines_##isa(struct slice s, struct scan_lines *l)         \
	{                                                                              \
		return lines_by(look_##isa, s, l);                                     \
	}                                                                              \
	TARGET static size_t dot_line_##isa(struct slice s)                            \
	{                                                                              \
		return dot_line_by(look_##isa, s);                                     \
	}                                                                              \
	TARGET static void facts_##isa(struct slice s, struct scan_facts *f)           \
	{                                                                              \
		facts_by(look_##isa, s, f);                                            \
	}

SEARCHES(portable, )
#if defined(__SSE2__)
SEARCHES(sse2, )
SEARCHES(avx2, AVX2)
#elif defined(__ARM_NEON) && defined(__AARCH64EL__)
SEARCHES(neon, )
#endif

#define VARIANT(isa, runs)  { #isa, runs, lines_##isa, dot_line_##isa, facts_##isa }

static const struct variant {
	const char *name;
	bool      (*runs)(void);
	size_t    (*lines)(struct slice s, struct scan_lines *l);
	size_t    (*dot_line)(struct slice s);
	void      (*facts)(struct slice s, struct scan_facts *f);
} variants[] = {                        /* the best first */
#if defined(__SSE2__)
	VARIANT(avx2, runs_avx2),
	VARIANT(sse2, runs_anywhere),
#elif defined(__ARM_NEON) && defined(__AARCH64EL__)
	VARIANT(neon, runs_anywhere),
#endif
	VARIANT(portable, runs_anywhere),
};

static const struct variant *chosen = &variants[COUNT_OF(variants) - 1];

const char *scan_variant(unsigned index)
{
	for (size_t i = 0; i < COUNT_OF(variants); i++)
		if (variants[i].runs() && index-- == 0)
			return variants[i].name;
	return NULL;
}

bool scan_use(const char *variant)
{
	for (size_t i = 0; i < COUNT_OF(variants); i++)
		if (strcmp(variants[i].name, variant) == 0 && variants[i].runs()) {
			chosen = &variants[i];
			return true;
		}
	return false;
}

/* Before main(), when there are no threads yet; so no call has to ask whether it is done. */
__attribute__((constructor)) static void choose(void)
{
	(void)scan_use(scan_variant(0));
}

size_t scan_lines(struct slice s, struct scan_lines *lines)
{
	return chosen->lines(s, lines);
}

size_t scan_dot_line(struct slice s)
{
	return chosen->dot_line(s);
}

void scan_facts(struct slice s, struct scan_facts *facts)
{
	chosen->facts(s, facts);
}
