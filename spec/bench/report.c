/* Figures: latency histogram, CPU time and memory of the server's process group. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

uint64_t bench_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

void bench_record(struct bench_histogram *h, uint64_t us)
{
	unsigned power = 0;
	uint64_t v = us;

	while (v >= 128) {
		v >>= 1;
		power++;
	}
	unsigned i = power ? 64 + (power - 1) * 64 + (unsigned)v : (unsigned)v;

	if (i >= sizeof(h->bucket) / sizeof(h->bucket[0]))
		i = sizeof(h->bucket) / sizeof(h->bucket[0]) - 1;
	h->bucket[i]++;
	h->count++;
	h->sum += us;
	if (us > h->max)
		h->max = us;
}

uint64_t bench_percentile(const struct bench_histogram *h, double p)
{
	uint64_t want = (uint64_t)((double)h->count * p), seen = 0;

	for (unsigned i = 0; i < sizeof(h->bucket) / sizeof(h->bucket[0]); i++) {
		seen += h->bucket[i];
		if (seen > want) {
			if (i < 128)
				return i;
			unsigned power = (i - 128) / 64 + 1;

			return (uint64_t)(64 + (i - 128) % 64) << power;
		}
	}
	return h->max;
}

/* Calls fn with the pid of each process of the group. */
static void each_member(int pgid, void (*fn)(int pid, void *arg), void *arg)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;

	while (proc && (e = readdir(proc)) != NULL) {
		int pid = atoi(e->d_name);

		if (pid > 0 && getpgid(pid) == pgid)
			fn(pid, arg);
	}
	if (proc)
		closedir(proc);
}

static void add_cpu(int pid, void *arg)
{
	char path[64], line[1024];
	double *sum = arg;
	unsigned long long t[4];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *f = fopen(path, "r");

	if (!f)
		return;
	if (fgets(line, sizeof(line), f)) {
		const char *rest = strrchr(line, ')');

		if (rest && sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu",
		                   &t[0], &t[1], &t[2], &t[3]) == 4)
			*sum += (double)(t[0] + t[1] + t[2] + t[3]) / (double)sysconf(_SC_CLK_TCK);
	}
	fclose(f);
}

static void add_memory(int pid, void *arg)
{
	char path[64], line[256];
	uint64_t *sum = arg, kib;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	FILE *f = fopen(path, "r");

	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Pss: %lu", &kib) == 1)
			*sum += kib;
	fclose(f);
}

double bench_group_cpu(int pgid)
{
	double sum = 0;

	if (pgid)
		each_member(pgid, add_cpu, &sum);
	return sum;
}

uint64_t bench_group_memory(int pgid)
{
	uint64_t sum = 0;

	if (pgid)
		each_member(pgid, add_memory, &sum);
	return sum;
}
