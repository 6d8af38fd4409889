/* core/net/proxy: whatever octets a peer sends, in whatever pieces, the parser stays in bounds, and
 * its answer does not depend on how much has come yet. */
#include "fuzz.h"

#include "net/proxy.h"

const char *const fuzz_tokens[] = {
	"PROXY TCP4 ", "PROXY TCP6 ", "PROXY UNKNOWN", "192.0.2.1 ", "2001:db8::1 ", " 65535", "\r\n",
	"\r\n\r\n", "QUIT\n", "!\x11", "!!", "\x20\x01", NULL,
};

static enum status parse(const uint8_t *data, size_t size, size_t *used)
{
	/* A block of exactly that size: the sanitizer sees every octet read behind it. */
	char *copy = malloc(size ? size : 1);
	struct proxy_header header;

	FUZZ_CHECK(copy != NULL);
	if (size)
		memcpy(copy, data, size);
	struct slice in = slice_of(copy, size);
	enum status st = proxy_parse(&in, &header);

	*used = size - in.len;
	FUZZ_CHECK(memchr(header.source.ip, 0, sizeof(header.source.ip)));
	FUZZ_CHECK(memchr(header.destination.ip, 0, sizeof(header.destination.ip)));
	FUZZ_CHECK(st == ST_OK ? *used > 0 && *used <= 536 : *used == 0);
	free(copy);
	return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t used, early_used;
	enum status st = parse(data, size, &used);

	/* Every shorter input is incomplete or already wrong, never another header. */
	for (size_t cut = 0; cut < size && cut < 600; cut++) {
		enum status early = parse(data, cut, &early_used);

		FUZZ_CHECK(early != ST_OK || (st == ST_OK && early_used == used));
		FUZZ_CHECK(early != ST_SYNTAX || st == ST_SYNTAX);
		FUZZ_CHECK(early != ST_AGAIN || st != ST_OK || cut < used);
	}
	return 0;
}
