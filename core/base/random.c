/* getrandom(2) behind a small buffer, so that an id does not cost a system call each.
 * The buffer belongs to the process: a fork drops it.  (Asking getpid() each time would cost the
 * system call that the buffer saves.) */
#include "base/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"

static struct {
	unsigned char bytes[256];
	size_t        left;
	bool          watched;        /* forget() is registered */
} pool;

static void forget(void)
{
	memset(pool.bytes, 0, sizeof(pool.bytes));
	pool.left = 0;
}

static void fill(void *out, size_t len)
{
	char *at = out;

	while (len) {
		ssize_t n = getrandom(at, len, 0);

		if (n < 0 && errno != EINTR)
			die("getrandom: %s", strerror(errno));
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
}

void random_bytes(void *out, size_t len)
{
	if (len > sizeof(pool.bytes) / 2) {
		fill(out, len);
		return;
	}
	if (pool.left < len) {
		if (!pool.watched && pthread_atfork(NULL, NULL, forget) != 0)
			die("pthread_atfork: out of memory");
		pool.watched = true;
		fill(pool.bytes, sizeof(pool.bytes));
		pool.left = sizeof(pool.bytes);
	}
	pool.left -= len;
	memcpy(out, pool.bytes + pool.left, len);
	memset(pool.bytes + pool.left, 0, len);
}

uint64_t random_u64(void)
{
	uint64_t n;

	random_bytes(&n, sizeof(n));
	return n;
}

void random_id(char *out, size_t len)
{
	static const char letters[] = "0123456789bcdfghjklmnpqrstvwxyz";

	for (size_t i = 0; i < len; i++) {
		unsigned char c;

		do {
			random_bytes(&c, 1);
			c &= 31;
		} while (c == 31);
		out[i] = letters[c];
	}
	out[len] = '\0';
}
