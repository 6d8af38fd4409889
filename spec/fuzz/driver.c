/* A main() for fuzz targets, where libFuzzer is not at hand: runs saved inputs, then changed ones.
 *
 *     fuzz_lines [-mutate SECONDS] [-runs N] [-seed N] FILE-OR-FOLDER...
 *
 * Everything follows from the seed: the same seed and corpus give the same inputs in the same
 * order.  An input that breaks something is saved as crash-<target>-<seed>-<number> in the current
 * folder, or in $FUZZ_ARTIFACTS; give that file as the only argument to see it again.
 *
 * How to add a target: see fuzz.h. */
#include "fuzz.h"

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_MAX = 1 << 16, HANG_SECONDS = 20 };

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

struct input { uint8_t *data; size_t size; };

static struct input *corpus;
static size_t corpus_count;

static struct { uint8_t data[INPUT_MAX]; size_t size; uint64_t number; bool running; } now;
static const char *name = "?";
static uint64_t seed = 1, state;

static uint64_t next_random(void)
{
	state += 0x9e3779b97f4a7c15u;
	uint64_t z = state;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static size_t below(size_t n)
{
	return n ? (size_t)(next_random() % n) : 0;
}

/* The input that was running when the process dies. */
static void save_crash(void)
{
	const char *folder = getenv("FUZZ_ARTIFACTS");
	char path[512];

	if (!now.running)
		return;
	now.running = false;
	snprintf(path, sizeof(path), "%s/crash-%s-%llu-%llu", folder ? folder : ".", name,
	         (unsigned long long)seed, (unsigned long long)now.number);
	FILE *f = fopen(path, "wb");

	if (f) {
		fwrite(now.data, 1, now.size, f);
		fclose(f);
	}
	fprintf(stderr, "%s: input %llu of seed %llu broke it; saved as %s\n", name,
	        (unsigned long long)now.number, (unsigned long long)seed, path);
}

static void on_signal(int number)
{
	if (number == SIGALRM)
		fprintf(stderr, "%s: no end after %d seconds\n", name, HANG_SECONDS);
	save_crash();
	signal(number, SIG_DFL);
	raise(number == SIGALRM ? SIGKILL : number);
}

static void run_one(void)
{
	/* An exact heap copy, so that reading one octet too far is seen. */
	uint8_t *copy = malloc(now.size ? now.size : 1);

	memcpy(copy, now.data, now.size);
	now.running = true;
	alarm(HANG_SECONDS);
	LLVMFuzzerTestOneInput(copy, now.size);
	now.running = false;
	now.number++;
	free(copy);
}

static void add_file(const char *path)
{
	FILE *f = fopen(path, "rb");

	if (!f) {
		fprintf(stderr, "%s: cannot read %s\n", name, path);
		exit(2);
	}
	now.size = fread(now.data, 1, INPUT_MAX, f);
	fclose(f);
	corpus = realloc(corpus, (corpus_count + 1) * sizeof(*corpus));
	corpus[corpus_count].data = malloc(now.size ? now.size : 1);
	memcpy(corpus[corpus_count].data, now.data, now.size);
	corpus[corpus_count++].size = now.size;
	run_one();
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Files in the order of their names: readdir's order differs from machine to machine. */
static void add(const char *path)
{
	struct stat st;
	struct dirent **entries;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
		add_file(path);
		return;
	}
	int count = scandir(path, &entries, NULL, by_name);

	for (int i = 0; i < count; i++) {
		char file[1024];

		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			add_file(file);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

static void insert(size_t at, const void *octets, size_t size)
{
	if (now.size + size > INPUT_MAX)
		return;
	memmove(now.data + at + size, now.data + at, now.size - at);
	memcpy(now.data + at, octets, size);
	now.size += size;
}

static void drop(size_t at, size_t size)
{
	memmove(now.data + at, now.data + at + size, now.size - at - size);
	now.size -= size;
}

static void insert_token(size_t at)
{
	static const struct { const char *octets; size_t size; } usual[] = {
		{ "\r\n", 2 }, { "\r", 1 }, { "\n", 1 }, { ".", 1 }, { "\0", 1 }, { " ", 1 },
		{ "\r\n.\r\n", 5 }, { "\xff", 1 }, { "\xc3\xa9", 2 }, { "9999999999", 10 },
	};
	size_t own = 0, usual_count = sizeof(usual) / sizeof(usual[0]);

	while (fuzz_tokens[own])
		own++;
	size_t pick = below(own * 2 + usual_count);

	if (pick < usual_count)
		insert(at, usual[pick].octets, usual[pick].size);
	else
		insert(at, fuzz_tokens[(pick - usual_count) / 2], strlen(fuzz_tokens[(pick - usual_count) / 2]));
}

static void copy_piece(const uint8_t *from, size_t size)
{
	uint8_t piece[256];
	size_t at = below(size), len = 1 + below(sizeof(piece));

	if (size == 0)
		return;
	len = len < size - at ? len : size - at;
	memcpy(piece, from + at, len);
	insert(below(now.size + 1), piece, len);
}

static void mutate_once(void)
{
	size_t at = below(now.size);

	switch (below(8)) {
	case 0:
		if (now.size)
			now.data[at] ^= (uint8_t)(1u << below(8));
		break;
	case 1:
		if (now.size)
			now.data[at] = (uint8_t)next_random();
		break;
	case 2:
		if (now.size)
			drop(at, 1 + below(now.size - at < 16 ? now.size - at : 16));
		break;
	case 3:
		copy_piece(now.data, now.size);
		break;
	case 4: {
		const struct input *other = &corpus[below(corpus_count)];

		copy_piece(other->data, other->size);
		break;
	}
	case 5:
		now.size = at;
		break;
	default:
		insert_token(below(now.size + 1));
	}
}

static void run_mutated(void)
{
	const struct input *base = &corpus[below(corpus_count)];

	memcpy(now.data, base->data, base->size);
	now.size = base->size;
	for (size_t n = 1 + below(8); n > 0; n--)
		mutate_once();
	run_one();
}

static double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void parse(int argc, char **argv, double *seconds, uint64_t *runs)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(argv[i], "-mutate") == 0)
			*seconds = atof(value);
		else if (strcmp(argv[i], "-runs") == 0)
			*runs = strtoull(value, NULL, 10);
		else if (strcmp(argv[i], "-seed") == 0)
			seed = strtoull(value, NULL, 10);
		else if (argv[i][0] == '-') {
			fprintf(stderr, "usage: %s [-mutate SECONDS] [-runs N] [-seed N] FILE-OR-FOLDER...\n", name);
			exit(2);
		} else {
			add(argv[i]);
			continue;
		}
		i++;
	}
}

int main(int argc, char **argv)
{
	double seconds = 0;
	uint64_t runs = UINT64_MAX, mutated = 0;

	name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(save_crash);
	signal(SIGABRT, on_signal);
	signal(SIGALRM, on_signal);
	atexit(save_crash);                           /* die() exits */
	parse(argc, argv, &seconds, &runs);
	if (corpus_count == 0) {
		fprintf(stderr, "%s: no input was given\n", name);
		return 2;
	}
	state = seed;
	if (runs != UINT64_MAX && seconds == 0)
		seconds = 1e9;
	for (double end = seconds_now() + seconds; mutated < runs && seconds_now() < end;) {
		for (int i = 0; i < 64 && mutated < runs; i++, mutated++)
			run_mutated();
	}
	alarm(0);
	printf("%s: %zu saved inputs, %llu changed ones\n", name, corpus_count, (unsigned long long)mutated);
	for (size_t i = 0; i < corpus_count; i++)
		free(corpus[i].data);
	free(corpus);
	return 0;
}
