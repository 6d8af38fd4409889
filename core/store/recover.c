/* Start-up cleaning.  Nothing is replayed: what was committed is there, the rest never was. */
#include "store/recover.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "store/body.h"

/* A file in flight belongs to the newest block of ids or to the one before. */
enum { NEWEST = 2 };

struct newest { uint64_t blocks[NEWEST]; unsigned count; };

static bool parse_hex(const char *text, size_t digits, uint64_t *n)
{
	char *end;

	if (strlen(text) != digits)
		return false;
	*n = strtoull(text, &end, 16);
	return *end == '\0';
}

static void find_newest(const char *blobs, struct newest *out)
{
	DIR *d = opendir(blobs);
	struct dirent *entry;
	uint64_t n;

	while (d && (entry = readdir(d)) != NULL) {
		if (!parse_hex(entry->d_name, 8, &n))
			continue;
		if (out->count < NEWEST)
			out->blocks[out->count++] = n;
		else if (out->blocks[0] < out->blocks[1] && n > out->blocks[0])
			out->blocks[0] = n;
		else if (out->blocks[1] <= out->blocks[0] && n > out->blocks[1])
			out->blocks[1] = n;
	}
	if (d)
		closedir(d);
}

/* A row or a gc record speaks for the file (gc itself unlinks it then). */
static bool is_known(const struct store_tx *t, uint64_t msgid)
{
	unsigned char key[KEY_SIZE];
	struct slice k = schema_key64(key, msgid), value;

	return store_tx_get(t, DB_MSG, k, &value) == 0 || store_tx_get(t, DB_GC_FILE, k, &value) == 0;
}

static unsigned clean_block(struct store_view *v, const char *blobs, uint64_t block)
{
	char path[STORE_PATH_MAX];
	struct dirent *entry;
	unsigned removed = 0;
	uint64_t msgid;

	snprintf(path, sizeof(path), "%s/%08" PRIx64, blobs, block);
	DIR *d = opendir(path);

	if (!d || store_view_begin(v) != ST_OK) {
		if (d)
			closedir(d);
		return 0;
	}
	while ((entry = readdir(d)) != NULL)
		if (parse_hex(entry->d_name, 16, &msgid) && !is_known(&v->tx, msgid) &&
		    unlinkat(dirfd(d), entry->d_name, 0) == 0)
			removed++;
	store_view_end(v);
	closedir(d);
	return removed;
}

static void clean_blobs(struct store_env *e)
{
	char *blobs = store_env_path(e->path, "blobs");
	struct newest newest = { .count = 0 };
	struct store_view v;
	unsigned removed = 0;

	store_view_init(&v, e);
	find_newest(blobs, &newest);
	for (unsigned i = 0; i < newest.count; i++)
		removed += clean_block(&v, blobs, newest.blocks[i]);
	store_view_clear(&v);
	if (removed)
		log_notice("files of messages that were never acknowledged were removed",
		           "count", log_u64(removed), NULL);
	free(blobs);
}

static void clean_spool(struct store_env *e)
{
	char *spool = store_env_path(e->path, "spool");
	DIR *d = opendir(spool);
	struct dirent *entry;

	while (d && (entry = readdir(d)) != NULL)
		if (strncmp(entry->d_name, "incoming.", 9) == 0)
			unlinkat(dirfd(d), entry->d_name, 0);
	if (d)
		closedir(d);
	free(spool);
}

void recover_directory(struct store_env *e)
{
	char *leftover = store_env_path(e->path, "mail.mdb.new");
	int dead = 0;

	unlink(leftover);
	free(leftover);
	mdb_reader_check(e->env, &dead);
	if (dead)
		log_notice("reader slots of dead processes were freed", "count", log_u64((uint64_t)dead),
		           NULL);
	clean_blobs(e);
	clean_spool(e);
}
