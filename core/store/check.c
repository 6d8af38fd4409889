/* store check: does everything that is counted twice agree?
 *
 * The first pass compares records inside one snapshot.  The second reads every body, with a fresh
 * snapshot for each, so that a long check does not keep the running store from reusing pages;
 * messages that go meanwhile are left out. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "hook/message.h"
#include "store/body.h"
#include "store/dict_durable.h"
#include "store/mailbox.h"
#include "store/maintain.h"
#include "store/refs.h"

enum { PROGRESS_STEP = 4096, READ_STEP = 1 << 20, FRESH_S = 60 };

struct check {
	const struct store_settings *settings;
	struct store_env            *env;
	struct store_view            view;
	struct refs                  refs;
	maintain_progress_fn        *progress;
	maintain_problem_fn         *problem;
	void                        *owner;
	struct maintain_report      *report;
};

__attribute__((format(printf, 2, 3)))
static void problem(struct check *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->report->problems++;
	if (c->problem)
		c->problem(c->owner, text);
}

static void progress(struct check *c, const char *what, uint64_t done, uint64_t total)
{
	if (c->progress && (done % PROGRESS_STEP == 0 || done == total))
		c->progress(c->owner, what, done, total);
}

static uint64_t entries(struct check *c, enum store_db db)
{
	MDB_stat stat = { 0 };

	(void)mdb_stat(c->view.tx.txn, c->env->dbi[db], &stat);
	return stat.ms_entries;
}

/* ---- walking one database ---- */

typedef void record_fn(struct check *c, struct slice key, struct slice value);

static void walk(struct check *c, enum store_db db, const char *what, size_t key_size,
                 record_fn *fn)
{
	struct slice key = SLICE(""), value;
	uint64_t done = 0, total = entries(c, db);
	MDB_cursor *m;
	int rc = store_tx_cursor(&c->view.tx, db, &m);

	if (rc == 0) {
		while ((rc = store_tx_move(m, MDB_NEXT, &key, &value)) == 0) {
			if (key_size && key.len != key_size)
				problem(c, "a key of %zu octets among the %s: they have %zu", key.len, what,
				        key_size);
			else
				fn(c, key, value);
			progress(c, what, ++done, total);
		}
		mdb_cursor_close(m);
	}
	if (rc != MDB_NOTFOUND)
		problem(c, "the %s cannot be read: %s", what, mdb_strerror(rc));
}

static bool has(struct check *c, enum store_db db, struct slice key)
{
	struct slice value;

	return store_tx_get(&c->view.tx, db, key, &value) == 0;
}

static void check_name(struct check *c, struct slice key, struct slice value)
{
	unsigned char id_key[KEY_SIZE];
	uint64_t id;

	if (schema_id_decode(value, &id) != ST_OK)
		problem(c, "the mailbox name %.*s has a broken record", SLICE_ARG(key));
	else if (!has(c, DB_MBOX, schema_key64(id_key, id)))
		problem(c, "the mailbox %.*s (number %" PRIu64 ") has no counters", SLICE_ARG(key), id);
}

struct sum { uint64_t count, octets, last_uid; };

static void check_row(struct check *c, uint64_t id, struct slice key, struct slice value,
                      struct sum *sum)
{
	uint64_t uid = schema_get64(key.ptr + 8);
	struct row_value row;
	struct msg_value msg;

	c->report->rows++;
	sum->last_uid = uid;
	if (schema_row_decode(value, &row) != ST_OK) {
		problem(c, "row %" PRIu64 " of mailbox %" PRIu64 " is broken", uid, id);
		return;
	}
	sum->count++;
	sum->octets += row.octets;
	refs_add(&c->refs, row.msgid);
	if (store_body_load(&c->view.tx, row.msgid, &msg) != 0)
		problem(c,
		        "row %" PRIu64 " of mailbox %" PRIu64 " names message %" PRIu64
		        ", which is not there",
		        uid, id, row.msgid);
	else if (msg.octets != row.octets || msg.flags != row.flags)
		problem(c,
		        "row %" PRIu64 " of mailbox %" PRIu64 " says %" PRIu64
		        " octets, its message %" PRIu64 " says %" PRIu64,
		        uid, id, row.octets, row.msgid, msg.octets);
}

static void compare(struct check *c, uint64_t id, const struct mbox_value *v, const struct sum *sum)
{
	if (v->count != sum->count || v->octets != sum->octets)
		problem(c,
		        "mailbox %" PRIu64 " counts %" PRIu64 " messages of %" PRIu64
		        " octets, its rows are %" PRIu64 " of %" PRIu64,
		        id, v->count, v->octets, sum->count, sum->octets);
	if (sum->last_uid >= v->uidnext)
		problem(c,
		        "mailbox %" PRIu64 " would give uid %" PRIu64 " next, but has row %" PRIu64
		        " already",
		        id, v->uidnext, sum->last_uid);
}

static bool being_removed(struct check *c, uint64_t id)
{
	unsigned char key[KEY_SIZE];

	return has(c, DB_GC, schema_key64_64(key, GC_MAILBOX, id));
}

/* Rows come in the order of mailboxes: one walk over all of them. */
static void check_rows(struct check *c)
{
	struct slice key = SLICE(""), value;
	uint64_t id = 0, done = 0, total = entries(c, DB_ROW);
	struct sum sum = { 0 };
	struct mbox_value v;
	bool counted = false;
	MDB_cursor *m;
	int rc = store_tx_cursor(&c->view.tx, DB_ROW, &m);

	while (rc == 0 && (rc = store_tx_move(m, MDB_NEXT, &key, &value)) == 0) {
		if (key.len != 16) {
			problem(c, "a key of %zu octets among the rows", key.len);
			continue;
		}
		if (schema_get64(key.ptr) != id || done == 0) {
			if (counted)
				compare(c, id, &v, &sum);
			id = schema_get64(key.ptr);
			sum = (struct sum){ 0 };
			counted = store_mailbox_load(&c->view.tx, id, &v) == 0;
			if (!counted && !being_removed(c, id))
				problem(c, "mailbox %" PRIu64 " has rows and no counters", id);
		}
		check_row(c, id, key, value, &sum);
		progress(c, "rows", ++done, total);
	}
	if (counted)
		compare(c, id, &v, &sum);
	if (rc != MDB_NOTFOUND)
		problem(c, "the rows cannot be read: %s", mdb_strerror(rc));
	else
		mdb_cursor_close(m);
}

/* Those with rows were compared; this finds the counters of empty ones. */
static void check_mbox(struct check *c, struct slice key, struct slice value)
{
	unsigned char first[KEY_SIZE];
	uint64_t id = schema_get64(key.ptr);
	struct slice k = schema_key64(first, id), v;
	struct mbox_value mbox;
	MDB_cursor *m;

	c->report->mailboxes++;
	if (schema_mbox_decode(value, &mbox) != ST_OK) {
		problem(c, "the counters of mailbox %" PRIu64 " are broken", id);
		return;
	}
	if (store_tx_cursor(&c->view.tx, DB_ROW, &m) != 0)
		return;
	if (store_tx_move(m, MDB_SET_RANGE, &k, &v) != 0 || schema_get64(k.ptr) != id)
		compare(c, id, &mbox, &(struct sum){ 0 });
	mdb_cursor_close(m);
}

static void check_uidl(struct check *c, struct slice key, struct slice value)
{
	unsigned char text[8 + 128];
	struct slice uid;

	if (!has(c, DB_ROW, key)) {
		problem(c, "the UIDL \"%.*s\" belongs to no message", SLICE_ARG(value));
		return;
	}
	memcpy(text, key.ptr, 8);
	memcpy(text + 8, value.ptr, value.len < 128 ? value.len : 128);
	if (store_tx_get(&c->view.tx, DB_UIDL_TEXT,
	                 slice_of(text, 8 + (value.len < 128 ? value.len : 128)), &uid) != 0)
		problem(c, "the UIDL \"%.*s\" cannot be found by its text", SLICE_ARG(value));
}

static void check_message(struct check *c, struct slice key, struct slice value)
{
	uint64_t msgid = schema_get64(key.ptr);
	uint32_t seen = refs_count(&c->refs, msgid);
	struct msg_value v;

	c->report->messages++;
	if (schema_msg_decode(value, &v) != ST_OK) {
		problem(c, "the record of message %" PRIu64 " is broken", msgid);
		return;
	}
	c->report->octets += v.octets;
	if (v.refs != seen)
		problem(c, "message %" PRIu64 " counts %" PRIu32 " references, %" PRIu32 " rows name it",
		        msgid, v.refs, seen);
}

/* Chunks that neither a message nor gc knows; one look per message. */
static void check_chunks(struct check *c)
{
	unsigned char key[KEY_SIZE];
	struct slice k = schema_key64_32(key, 0, 0), v;
	MDB_cursor *m;
	int rc = store_tx_cursor(&c->view.tx, DB_BODY, &m);

	while (rc == 0 && (rc = store_tx_move(m, MDB_SET_RANGE, &k, &v)) == 0) {
		uint64_t msgid = schema_get64(k.ptr);
		unsigned char other[KEY_SIZE];

		if (!has(c, DB_MSG, schema_key64(other, msgid)) &&
		    !has(c, DB_GC, schema_key64_64(other, GC_BODY, msgid)))
			problem(c, "octets of message %" PRIu64 " are there, its record is not", msgid);
		k = schema_key64_32(key, msgid + 1, 0);
	}
	if (rc != MDB_NOTFOUND)
		problem(c, "the bodies cannot be read: %s", mdb_strerror(rc));
	else
		mdb_cursor_close(m);
}

/* ---- bodies ---- */

static bool sum_chunks(struct check *c, uint64_t msgid, uint64_t octets, uint32_t *crc)
{
	uint32_t chunks = schema_chunks(octets);
	struct slice part;

	for (uint32_t i = 0; i < chunks; i++) {
		size_t want = i + 1 < chunks ? BODY_CHUNK : (size_t)(octets - (uint64_t)i * BODY_CHUNK);

		if (store_body_get(&c->view.tx, msgid, i, &part) != 0) {
			problem(c, "message %" PRIu64 " lacks part %" PRIu32 " of %" PRIu32, msgid, i, chunks);
			return false;
		}
		if (part.len != want) {
			problem(c, "part %" PRIu32 " of message %" PRIu64 " has %zu octets instead of %zu",
			        i, msgid, part.len, want);
			return false;
		}
		*crc = crc32c(*crc, part.ptr, part.len);
	}
	return true;
}

static bool sum_file(struct check *c, uint64_t msgid, uint64_t octets, uint32_t *crc)
{
	char path[STORE_PATH_MAX];
	int fd = -1;
	uint64_t at = 0;

	if (store_body_path(c->settings->path, msgid, path))
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		problem(c, "message %" PRIu64 " has no file %s: %s", msgid, path, strerror(errno));
		return false;
	}
	char *buffer = mem_resize(NULL, READ_STEP);

	for (;;) {
		ssize_t n = pread(fd, buffer, READ_STEP, (off_t)at);

		if (n <= 0)
			break;
		*crc = crc32c(*crc, buffer, (size_t)n);
		at += (uint64_t)n;
	}
	free(buffer);
	close(fd);
	c->report->files++;
	if (at != octets)
		problem(c, "the file of message %" PRIu64 " has %" PRIu64 " octets instead of %" PRIu64,
		        msgid, at, octets);
	return at == octets;
}

/* Gone meanwhile?  Then what was missing is no problem: take it back. */
static bool still_there(struct check *c, uint64_t msgid)
{
	struct msg_value v;
	bool there = store_view_begin(&c->view) == ST_OK &&
	             store_body_load(&c->view.tx, msgid, &v) == 0;

	if (c->view.depth)
		store_view_end(&c->view);
	return there;
}

static void check_body(struct check *c, uint64_t msgid, const struct msg_value *v)
{
	uint32_t crc = 0;
	bool whole;

	if (!(v->flags & MESSAGE_IN_FILE)) {
		whole = sum_chunks(c, msgid, v->octets, &crc);
	} else {
		store_view_end(&c->view);        /* reading a file may take a while */
		if (!still_there(c, msgid))
			return;
		whole = sum_file(c, msgid, v->octets, &crc);
	}
	if (whole && crc != v->crc)
		problem(c, "the octets of message %" PRIu64 " are not those that were stored", msgid);
}

/* The first message at or behind msgid, in a fresh view that stays begun; false at the end. */
static bool next_message(struct check *c, uint64_t *msgid, struct msg_value *v)
{
	unsigned char first[KEY_SIZE];
	struct slice k = schema_key64(first, *msgid), value;
	MDB_cursor *m;

	if (store_view_begin(&c->view) != ST_OK)
		return false;
	bool found = store_tx_cursor(&c->view.tx, DB_MSG, &m) == 0;

	if (found) {
		found = store_tx_move(m, MDB_SET_RANGE, &k, &value) == 0 && k.len == 8;
		mdb_cursor_close(m);
	}
	if (!found) {
		store_view_end(&c->view);
		return false;
	}
	*msgid = schema_get64(k.ptr);
	if (schema_msg_decode(value, v) != ST_OK)
		*v = (struct msg_value){ 0 };        /* reported by the first pass */
	return true;
}

static void check_bodies(struct check *c, uint64_t total)
{
	uint64_t done = 0;
	struct msg_value v;

	for (uint64_t msgid = 0; next_message(c, &msgid, &v); msgid++) {
		if (v.refs)
			check_body(c, msgid, &v);
		if (c->view.depth)
			store_view_end(&c->view);
		done++;
		progress(c, "messages", done, total > done ? total : done);
	}
}

/* ---- files that nobody knows ---- */

static void check_file(struct check *c, int directory, const char *name)
{
	unsigned char key[KEY_SIZE];
	char *end;
	uint64_t msgid = strtoull(name, &end, 16);
	struct stat st;

	if (*end || strlen(name) != 16) {
		problem(c, "a file %s among the bodies is not ours", name);
		return;
	}
	if (store_view_begin(&c->view) != ST_OK)
		return;
	struct slice k = schema_key64(key, msgid);
	bool known = has(c, DB_MSG, k) || has(c, DB_GC_FILE, k);

	store_view_end(&c->view);
	/* A fresh one may be on its way to its row. */
	if (!known && fstatat(directory, name, &st, 0) == 0 && time(NULL) - st.st_ctime > FRESH_S)
		problem(c, "the file %s belongs to no message", name);
}

static void check_files(struct check *c)
{
	char *blobs = store_env_path(c->settings->path, "blobs");
	DIR *all = opendir(blobs), *block;
	struct dirent *outer, *inner;

	while (all && (outer = readdir(all)) != NULL) {
		if (outer->d_name[0] == '.')
			continue;
		char *path = store_env_path(blobs, outer->d_name);

		block = opendir(path);
		while (block && (inner = readdir(block)) != NULL)
			if (inner->d_name[0] != '.')
				check_file(c, dirfd(block), inner->d_name);
		if (block)
			closedir(block);
		free(path);
	}
	if (all)
		closedir(all);
	free(blobs);
}

static void dict_problem(void *owner, const char *text)
{
	problem(owner, "%s", text);
}

static enum status check_records(struct check *c, uint64_t *messages)
{
	enum status st = store_view_begin(&c->view);

	if (st != ST_OK)
		return st;
	*messages = entries(c, DB_MSG);
	walk(c, DB_NAME, "mailbox names", 0, check_name);
	check_rows(c);
	walk(c, DB_MBOX, "mailboxes", 8, check_mbox);
	walk(c, DB_UIDL, "UIDLs", 16, check_uidl);
	walk(c, DB_MSG, "message records", 8, check_message);
	check_chunks(c);
	dict_durable_check(&c->view.tx, dict_problem, c, &c->report->entries);
	store_view_end(&c->view);
	return ST_OK;
}

enum status maintain_check(const struct store_settings *s, maintain_progress_fn *progress_fn,
                           maintain_problem_fn *problem_fn, void *owner,
                           struct maintain_report *report, char **error)
{
	struct check c = {
		.settings = s, .progress = progress_fn, .problem = problem_fn, .owner = owner,
		.report = report,
	};
	uint64_t messages;

	*report = (struct maintain_report){ 0 };
	enum status st = store_env_open(s, STORE_ENV_READ, &c.env, error);

	if (st != ST_OK)
		return st;
	store_view_init(&c.view, c.env);
	refs_init(&c.refs);
	st = check_records(&c, &messages);
	if (st == ST_OK) {
		check_bodies(&c, messages);
		check_files(&c);
	} else {
		*error = mem_printf("the mail store in %s cannot be read: %s", s->path, status_text(st));
	}
	refs_clear(&c.refs);
	store_view_clear(&c.view);
	store_env_close(&c.env);
	return st;
}
