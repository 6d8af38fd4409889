/* The generator's message: its header names length and crc32c of the body, so that a reader can
 * check it alone.  No line begins with a dot. */
#include "bench.h"
#include "hook/message.h"

void bench_message(struct buf *out, size_t size)
{
	struct buf body;

	buf_init(&body, 0);
	for (unsigned i = 0; buf_len(&body) + 2 < size; i++) {
		size_t left = size - buf_len(&body) - 2, width = left < 76 ? left : 76;

		for (size_t k = 0; k < width; k++)
			(void)buf_append_byte(&body, (char)('a' + (i * 7 + k * 3) % 26));
		(void)buf_append(&body, SLICE("\r\n"));
	}
	struct slice s = buf_slice(&body);

	buf_init(out, 0);
	(void)buf_printf(out, "From: bench@client.example\r\nSubject: bench\r\nX-Bench: %zu %08x\r\n\r\n",
	                 s.len, crc32c(0, s.ptr, s.len));
	(void)buf_append(out, s);
	(void)buf_append(out, SLICE(".\r\n"));
	buf_free(&body);
}
