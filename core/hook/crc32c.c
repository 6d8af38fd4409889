/* crc32c (Castagnoli, reflected polynomial 0x82f63b78): with the instruction for it where the
 * processor has one (SSE4.2, ARMv8 with CRC), otherwise eight tables of 256 words.  Declared in
 * message.h. */
#include "hook/message.h"

#include <pthread.h>
#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__AARCH64EL__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
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

/* ---- by instruction ---- */

#if defined(__x86_64__)

#define BY_INSTRUCTION __attribute__((target("sse4.2")))
#define crc_word  _mm_crc32_u64
#define crc_octet _mm_crc32_u8

static bool has_instruction(void)
{
	return __builtin_cpu_supports("sse4.2");
}

#elif defined(__AARCH64EL__)

#define BY_INSTRUCTION

/* Not by <arm_acle.h>, which some compilers leave empty unless all of the program may use CRC. */
static inline uint64_t crc_word(uint64_t crc, uint64_t word)
{
	__asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
	return crc;
}

static inline uint32_t crc_octet(uint32_t crc, unsigned char octet)
{
	__asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(crc) : "r"(octet));
	return crc;
}

static bool has_instruction(void)
{
	return getauxval(AT_HWCAP) & HWCAP_CRC32;
}

#endif

#ifdef BY_INSTRUCTION
BY_INSTRUCTION static uint32_t crc_by_instruction(uint32_t crc, const unsigned char *at, size_t len)
{
	uint64_t wide = crc;

	for (; len >= 8; at += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, at, sizeof(word));
		wide = crc_word(wide, word);
	}
	crc = (uint32_t)wide;
	while (len--)
		crc = crc_octet(crc, *at++);
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
#ifdef BY_INSTRUCTION
	if (has_instruction())
		return ~crc_by_instruction(~crc, octets, len);
#endif
	return crc32c_portable(crc, octets, len);
}
