/* Maildir, and the two files that hold POP3's UIDLs beside it. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/map.h"
#include "base/mem.h"
#include "command/foreign.h"

const char *foreign_recognise(const char *path)
{
	char *cur = mem_printf("%s/cur", path), start[6] = "";
	struct stat st;
	const char *format = NULL;
	FILE *f;

	if (stat(cur, &st) == 0 && S_ISDIR(st.st_mode)) {
		format = "maildir";
	} else if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (f = fopen(path, "r")) != NULL) {
		if (fread(start, 1, 5, f) == 5 && strcmp(start, "From ") == 0)
			format = "mbox";
		else if (st.st_size == 0)
			format = "mbox";
		fclose(f);
	}
	free(cur);
	return format;
}

/* ---- what another server remembered: file name -> UIDL ---- */

struct known { uint64_t uid; const char *uidl; };

/* The unique part of a name in cur/ or new/: flags behind ':' change. */
static struct slice base_name(const char *name)
{
	struct slice s = slice_from(name);

	return slice_head(s, slice_find(s, ':'));
}

static void remember(struct foreign_maildir *m, struct map *known, const char *file, uint64_t uid,
                     const char *uidl)
{
	struct known *k = arena_alloc(&m->arena, sizeof(*k));

	*k = (struct known){ uid, arena_strdup(&m->arena, slice_from(uidl)) };
	(void)map_put(known, base_name(file), k);
}

/* dovecot-uidlist, version 3: "3 V<uidvalidity> N<next> ..." and "<uid> [P<uidl>] [..] :<file>".
 * Without P the UIDL is Dovecot's default pop3_uidl_format, %08Xu%08Xv. */
static void read_dovecot(struct foreign_maildir *m, struct map *known, FILE *f)
{
	char *line = NULL, uidl[128];
	unsigned long validity = 0;
	size_t size = 0;

	while (getline(&line, &size, f) > 0) {
		char *file = strstr(line, " :"), *extra, *end;
		uint64_t uid;

		line[strcspn(line, "\n")] = '\0';
		if (!file) {
			extra = strstr(line, " V");
			if (strncmp(line, "3 ", 2) == 0 && extra)
				validity = strtoul(extra + 2, NULL, 10);
			continue;
		}
		*file = '\0';
		uid = strtoull(line, &end, 10);
		extra = strstr(line, " P");
		if (extra)
			snprintf(uidl, sizeof(uidl), "%.*s", (int)strcspn(extra + 2, " "), extra + 2);
		else
			snprintf(uidl, sizeof(uidl), "%08" PRIx64 "%08lx", uid, validity);
		if (uid)
			remember(m, known, file + 2, uid, uidl);
	}
	free(line);
}

/* courierpop3dsizelist: "/2 <next> <uidvalidity>" and "<file> <octets> <number>:<uidvalidity>".
 * Number 0 means that the UIDL is the file's name. */
static void read_courier(struct foreign_maildir *m, struct map *known, FILE *f)
{
	char *line = NULL, uidl[128], file[512];
	size_t size = 0;
	uint64_t order = 0;

	while (getline(&line, &size, f) > 0) {
		unsigned long number = 0, validity = 0, octets;

		if (line[0] == '/' || sscanf(line, "%511s %lu %lu:%lu", file, &octets, &number,
		                             &validity) < 2)
			continue;
		if (number && validity)
			snprintf(uidl, sizeof(uidl), "UID%lu-%lu", number, validity);
		else if (number)
			snprintf(uidl, sizeof(uidl), "UID%lu", number);
		else
			snprintf(uidl, sizeof(uidl), "%.*s", SLICE_ARG(base_name(file)));
		remember(m, known, file, number ? number : ++order, uidl);
	}
	free(line);
}

static void read_known(struct foreign_maildir *m, struct map *known, const char *path)
{
	static const struct {
		const char *file;
		void      (*read)(struct foreign_maildir *m, struct map *known, FILE *f);
	} sources[] = {
		{ "dovecot-uidlist", read_dovecot },
		{ "courierpop3dsizelist", read_courier },
	};

	for (unsigned i = 0; i < COUNT_OF(sources); i++) {
		char *name = mem_printf("%s/%s", path, sources[i].file);
		FILE *f = fopen(name, "r");

		free(name);
		if (!f)
			continue;
		sources[i].read(m, known, f);
		fclose(f);
		return;
	}
}

/* ---- listing ---- */

static bool uidl_valid(const char *uidl)
{
	size_t len = strlen(uidl);

	for (const char *c = uidl; *c; c++)
		if (*c < 0x21 || *c > 0x7e)
			return false;
	return len >= 1 && len <= 70;     /* RFC 1939, 7 */
}

/* Nobody else gave it one: the file's name is stable, so that the command may be repeated.  It is
 * what qmail-pop3d took. */
static const char *name_uidl(struct foreign_maildir *m, const char *file)
{
	const char *name = arena_strdup(&m->arena, base_name(file));
	unsigned char digest[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1];

	if (uidl_valid(name))
		return name;
	digest_sha256(slice_from(name), digest);
	digest_hex(digest, sizeof(digest), hex);
	return arena_strdup(&m->arena, slice_from(hex));
}

static void add(struct foreign_maildir *m, const struct map *known, const char *path,
                const char *file)
{
	const struct known *k = map_get(known, base_name(file));
	struct foreign_message *e;
	struct stat st;

	if (m->count == m->capacity) {
		m->capacity = m->capacity ? m->capacity * 2 : 256;
		m->messages = mem_resize(m->messages, m->capacity * sizeof(*m->messages));
	}
	e = &m->messages[m->count];
	*e = (struct foreign_message){ .path = arena_strdup(&m->arena, slice_from(path)) };
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	m->count++;
	e->received = strtoll(file, NULL, 10);
	if (e->received <= 0)
		e->received = st.st_mtime;
	if (k)
		e->uid = k->uid;
	e->uidl = k && uidl_valid(k->uidl) ? k->uidl : name_uidl(m, file);
}

static bool list(struct foreign_maildir *m, const struct map *known, const char *path,
                 const char *sub, char **error)
{
	char *dir = mem_printf("%s/%s", path, sub);
	DIR *d = opendir(dir);
	struct dirent *entry;

	if (!d)
		*error = mem_printf("%s: %s", dir, strerror(errno));
	while (d && (entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.') {
			char *file = mem_printf("%s/%s", dir, entry->d_name);

			add(m, known, file, entry->d_name);
			free(file);
		}
	if (d)
		closedir(d);
	free(dir);
	return d != NULL;
}

/* As the old server listed them: by UID; what it had not seen yet comes behind, by time. */
static int compare(const void *a, const void *b)
{
	const struct foreign_message *x = a, *y = b;

	if (!x->uid != !y->uid)
		return x->uid ? -1 : 1;
	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	if (x->received != y->received)
		return x->received < y->received ? -1 : 1;
	return strcmp(x->path, y->path);
}

bool foreign_maildir_open(struct foreign_maildir *m, const char *path, char **error)
{
	struct map known;
	bool good;

	*m = (struct foreign_maildir){ 0 };
	arena_init(&m->arena);
	map_init(&known);
	read_known(m, &known, path);
	good = list(m, &known, path, "cur", error) && list(m, &known, path, "new", error);
	map_free(&known, NULL);
	if (good && m->count)
		qsort(m->messages, m->count, sizeof(*m->messages), compare);
	return good;
}

void foreign_maildir_close(struct foreign_maildir *m)
{
	free(m->messages);
	arena_reset(&m->arena);
}
