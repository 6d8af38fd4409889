/* crc32c (Castagnoli, reflected polynomial 0x82f63b78): with the SSE4.2 instruction where the
 * processor has it, otherwise eight tables of 256 words.  Declared in message.h. */
#include "hook/message.h"

#include <pthread.h>
#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

static const uint32_t polynomial = 0x82f63b78;

static uint32_t tables[8][256];

static void fill_tables(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ polynomial : c >> 1;
		tables[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int t = 1; t < 8; t++)
			tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 255];
}

static uint32_t crc_by_tables(uint32_t crc, const unsigned char *at, size_t len)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, fill_tables);
	for (; len >= 8; at += 8, len -= 8) {
		uint32_t low = crc ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
		                      (uint32_t)at[3] << 24);

		crc = tables[7][low & 255] ^ tables[6][low >> 8 & 255] ^ tables[5][low >> 16 & 255] ^
		      tables[4][low >> 24] ^ tables[3][at[4]] ^ tables[2][at[5]] ^ tables[1][at[6]] ^
		      tables[0][at[7]];
	}
	while (len--)
		crc = crc >> 8 ^ tables[0][(crc ^ *at++) & 255];
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2")))
static uint32_t crc_by_sse42(uint32_t crc, const unsigned char *at, size_t len)
{
	uint64_t wide = crc;

	for (; len >= 8; at += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, at, sizeof(word));
		wide = _mm_crc32_u64(wide, word);
	}
	crc = (uint32_t)wide;
	while (len--)
		crc = _mm_crc32_u8(crc, *at++);
	return crc;
}
#endif

uint32_t crc32c_portable(uint32_t crc, const void *octets, size_t len)
{
	return len ? ~crc_by_tables(~crc, octets, len) : crc;
}

uint32_t crc32c(uint32_t crc, const void *octets, size_t len)
{
	if (len == 0)
		return crc;
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc_by_sse42(~crc, octets, len);
#endif
	return crc32c_portable(crc, octets, len);
}
