/* What this machine and OpenSSL allow at most, measured alone: the rows "machine" of make bench.
 *
 *   limits DIRECTORY CHAIN KEY        one JSON line for each workload that has such a limit
 *
 * smtp-A32, smtp-B: commits of 16 messages as the store makes them, its two flushes included.
 * smtp-C:           files of 1 MiB, written, flushed and named by eight threads.
 * TLS:              the server's half of a handshake, in memory; the heap of a session that is idle. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/log.h"
#include "base/mem.h"
#include "bench.h"
#include "net/tls.h"

enum {
	PAGE = 4096, COMMITS = 1000, BATCH = 16, PAGES_PER_MESSAGE = 3,
	FILE_OCTETS = 1 << 20, STEP = 64 << 10, FILES = 800, WRITERS = 8,
	HANDSHAKES = 1500, HELD = 200,
};

static const char *directory;

static double cpu_of(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static void print_rate(const char *name, double count, double us, double cpu_us, double octets)
{
	printf("{\"name\":\"%s\",\"server\":\"machine\",\"operations\":0,\"failed\":0,\"per_second\":%.0f,"
	       "\"mb_per_second\":%.1f,\"cpu_us\":%.2f,\"p50_us\":0,\"p99_us\":0}\n",
	       name, count * 1e6 / us, count * octets / us, cpu_us / count);
}

static void check(bool good, const char *what)
{
	if (!good)
		die("limits: %s: %s", what, strerror(errno));
}

/* ---- the disk ---- */

/* LMDB's commit: pages behind the end of the file, a flush, and a synchronous write of the root. */
static void commits(void)
{
	static char pages[BATCH * PAGES_PER_MESSAGE * PAGE];
	char *path = mem_printf("%s/commits", directory);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int meta = open(path, O_RDWR | O_DSYNC | O_CLOEXEC);
	uint64_t began = bench_now_us();
	double cpu = cpu_of(RUSAGE_SELF);

	check(fd >= 0 && meta >= 0, path);
	memset(pages, 'x', sizeof(pages));
	for (int i = 0; i < COMMITS; i++) {
		off_t at = 2 * PAGE + (off_t)i * (off_t)sizeof(pages);

		check(pwrite(fd, pages, sizeof(pages), at) == sizeof(pages) && fdatasync(fd) == 0 &&
		      pwrite(meta, pages, 120, i % 2 * PAGE) == 120, path);
	}
	double us = (double)(bench_now_us() - began);

	cpu = cpu_of(RUSAGE_SELF) - cpu;
	print_rate("smtp-A32", COMMITS * BATCH, us, cpu, PAGE);
	print_rate("smtp-B", COMMITS * BATCH, us, cpu, PAGE);
	close(meta);
	close(fd);
	unlink(path);
	free(path);
}

static void write_file(const char *octets, int number)
{
	char self[64], *path = mem_printf("%s/files/%d", directory, number);
	char *parent = mem_printf("%s/files", directory);
	int fd = open(parent, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	check(fd >= 0 && dir >= 0, parent);
	for (off_t at = 0; at < FILE_OCTETS; at += STEP)
		check(pwrite(fd, octets, STEP, at) == STEP, path);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	check(fdatasync(fd) == 0 && linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 &&
	      fsync(dir) == 0, path);
	close(dir);
	close(fd);
	free(parent);
	free(path);
}

static void *write_files(void *arg)
{
	char *octets = mem_resize(NULL, STEP);

	memset(octets, 'x', STEP);
	for (int i = 0; i < FILES / WRITERS; i++)
		write_file(octets, *(int *)arg * FILES + i);
	free(octets);
	return NULL;
}

static void files(void)
{
	char *path = mem_printf("%s/files", directory);
	uint64_t began = bench_now_us();
	double cpu = cpu_of(RUSAGE_SELF);
	pthread_t threads[WRITERS];
	int numbers[WRITERS];

	check(mkdir(path, 0700) == 0, path);
	for (int i = 0; i < WRITERS; i++) {
		numbers[i] = i;
		check(pthread_create(&threads[i], NULL, write_files, &numbers[i]) == 0, "thread");
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	print_rate("smtp-C", FILES, (double)(bench_now_us() - began), cpu_of(RUSAGE_SELF) - cpu,
	           FILE_OCTETS);
	free(path);
}

/* ---- TLS ---- */

/* Octets that OpenSSL holds for what happened while `counting`. */
static bool counting;
static long held;

static void *counted_realloc(void *p, size_t size, const char *file, int line)
{
	long before = counting && p ? (long)malloc_usable_size(p) : 0;
	void *q = realloc(p, size);

	(void)file, (void)line;
	if (counting)
		held += (q ? (long)malloc_usable_size(q) : 0) - before;
	return q;
}

static void *counted_malloc(size_t size, const char *file, int line)
{
	return size ? counted_realloc(NULL, size, file, line) : NULL;
}

static void counted_free(void *p, const char *file, int line)
{
	(void)file, (void)line;
	if (counting && p)
		held -= (long)malloc_usable_size(p);
	free(p);
}

struct pair { SSL *server, *client; };

static SSL_SESSION *ticket;

static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(ticket);
	ticket = session;
	return 1;
}

/* Both halves take turns; returns the CPU time of the server's in microseconds. */
static double handshake(struct pair *p, SSL_CTX *server, SSL_CTX *client, bool resume)
{
	BIO *here, *there;
	struct timespec from, till;
	double us = 0;
	char octet;

	check(BIO_new_bio_pair(&here, 0, &there, 0) == 1, "BIO pair");
	p->client = SSL_new(client);
	SSL_set_bio(p->client, there, there);
	SSL_set_connect_state(p->client);
	if (resume)
		SSL_set_session(p->client, ticket);
	do {
		(void)SSL_do_handshake(p->client);
		counting = true;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
		if (!p->server) {
			p->server = SSL_new(server);
			SSL_set_bio(p->server, here, here);
			SSL_set_accept_state(p->server);
		}
		(void)SSL_do_handshake(p->server);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &till);
		counting = false;
		us += (double)(till.tv_sec - from.tv_sec) * 1e6 + (double)(till.tv_nsec - from.tv_nsec) / 1e3;
	} while (!SSL_is_init_finished(p->client) || !SSL_is_init_finished(p->server));
	(void)SSL_read(p->client, &octet, 1);                /* takes the ticket */
	if ((bool)SSL_session_reused(p->server) != resume)
		die("limits: the TLS session was %sresumed", resume ? "not " : "");
	return us;
}

static void free_pair(struct pair *p)
{
	SSL_free(p->server);
	SSL_set_shutdown(p->client, SSL_SENT_SHUTDOWN);      /* else its session may not be resumed */
	SSL_free(p->client);
}

static void handshakes(SSL_CTX *server, SSL_CTX *client, bool resume, const char *const names[2])
{
	double us = 0;

	for (int i = 0; i < HANDSHAKES; i++) {
		struct pair p = { 0 };

		us += handshake(&p, server, client, resume);
		free_pair(&p);
	}
	for (int i = 0; i < 2; i++)
		print_rate(names[i], HANDSHAKES, us, us, 0);
}

static void hold(SSL_CTX *server, SSL_CTX *client)
{
	static struct pair pairs[HELD];

	held = 0;
	for (int i = 0; i < HELD; i++)
		(void)handshake(&pairs[i], server, client, false);
	printf("{\"name\":\"idle-pop3s\",\"server\":\"machine\",\"operations\":0,\"failed\":0,\"p50_us\":0,"
	       "\"p99_us\":0,\"session_kib\":%.2f}\n", (double)held / HELD / 1024);
	for (int i = 0; i < HELD; i++)
		free_pair(&pairs[i]);
}

static void tls(const char *chain, const char *key)
{
	static const char *const full[] = { "smtp-Dtls", "pop3-D32" };
	static const char *const resumed[] = { "smtp-Dtls-resumed", "pop3-D32-resumed" };
	const struct tls_certificate certificate = { .chain = chain, .key = key };
	const struct tls_settings settings = {
		.certificates = &certificate, .certificate_count = 1, .tickets = true,
		.ticket_lifetime_s = 7200,
	};
	char *error;
	struct tls_context *c = tls_context_new(&settings, &error);
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());

	if (!c || !client)
		die("limits: %s", c ? "no TLS client" : error);
	SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(client, on_ticket);
	handshakes(tls_context_ssl(c), client, false, full);
	handshakes(tls_context_ssl(c), client, true, resumed);
	hold(tls_context_ssl(c), client);
	SSL_SESSION_free(ticket);
	SSL_CTX_free(client);
	tls_context_unref(&c);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fputs("usage: limits DIRECTORY CHAIN KEY\n", stderr);
		return 64;
	}
	log_set_level(LOG_LEVEL_ERROR);
	check(CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free) == 1, "memory");
	directory = argv[1];
	commits();
	files();
	tls(argv[2], argv[3]);
	return 0;
}
