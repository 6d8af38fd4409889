/* Lock, list, read, commit, close.
 *
 * Small messages are given out as slices into the map, one chunk per call, with no copy made here.
 * Files are read at once when their pages are in memory, otherwise on a thread; what mincore(2) says
 * is in memory may also be sent from its file (sendfile would wait for the disk in the event loop
 * otherwise: it has no RWF_NOWAIT).  mincore tells the truth to the owner of a file alone; store and
 * workers are one user, and blobs are 0600. */
#include "store/maildrop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/body.h"
#include "store/client_internal.h"
#include "store/lock.h"
#include "store/mailbox.h"

enum {
	FILE_READ_MAX = 64 << 10,
	RANGE_PAGES = 65,                 /* looked at once: 256 KiB that begin within a page */
};

struct store_maildrop;

/* An open blob file; lives until its thread is done, whoever closes first. */
struct file_read {
	struct work            work;
	struct store_maildrop *maildrop;  /* NULL: closed while the thread read */
	unsigned               index;     /* whose file it is */
	int                    fd;
	bool                   running;
	char                  *buffer;
	void                  *map;       /* of the whole file, never touched, only asked about; NULL: none */
	size_t                 mapped;
	size_t                 want;
	uint64_t               offset;
	ssize_t                got;
	maildrop_read_fn      *done;
	void                  *owner;
};

struct store_maildrop {
	struct maildrop        base;
	struct store_client   *client;
	uint64_t               id;        /* of the mailbox; 0: there is none yet */
	uint64_t              *msgids;    /* by index */
	unsigned               room;      /* entries and msgids allocated */
	struct arena           texts;     /* UIDLs of other systems */
	int                    lock_fd;
	unsigned               calls;     /* completions that run now: close waits for them */
	bool                   closed;
	struct file_read      *file;
	struct client_request *request;   /* commit in flight */
	maildrop_done_fn      *done;
	void                  *owner;
};

static struct store_maildrop *maildrop_of(struct maildrop *m)
{
	return CONTAINER_OF(m, struct store_maildrop, base);
}

/* ---- life ---- */

static void free_file(struct file_read *f)
{
	if (!f)
		return;
	if (f->running) {
		f->maildrop = NULL;              /* its done() comes back */
		return;
	}
	if (f->map)
		munmap(f->map, f->mapped);
	close(f->fd);
	free(f->buffer);
	free(f);
}

static void free_maildrop(struct store_maildrop *m)
{
	free_file(m->file);
	if (m->lock_fd >= 0 && m->base.login_time)
		lock_used(m->lock_fd, m->base.login_time);
	if (m->lock_fd >= 0)
		close(m->lock_fd);
	arena_reset(&m->texts);
	free(m->base.entries);
	free(m->msgids);
	free(m);
}

static void close_maildrop(struct maildrop *base)
{
	struct store_maildrop *m = maildrop_of(base);

	if (m->request)
		client_cancel(m->client, m->request);
	m->request = NULL;
	if (m->file && m->file->running)
		work_cancel(m->client->files, &m->file->work);
	m->closed = true;
	if (m->calls == 0)
		free_maildrop(m);
}

/* Around a completion, which may close the maildrop. */
static void enter(struct store_maildrop *m)
{
	m->calls++;
}

static void leave(struct store_maildrop *m)
{
	if (--m->calls == 0 && m->closed)
		free_maildrop(m);
}

/* ---- reading ---- */

static enum status missing(struct store_maildrop *m, unsigned index, int rc)
{
	struct msg_value v;

	/* Purged by an administrator meanwhile, or really lost? */
	if (rc == MDB_NOTFOUND &&
	    store_body_load(&m->client->view.tx, m->msgids[index], &v) == MDB_NOTFOUND)
		return ST_NOTFOUND;
	log_error("a stored message cannot be read: run \"moonpost store check\"",
	          "message", log_u64(m->msgids[index]), "error", mdb_strerror(rc), NULL);
	return ST_CORRUPT;
}

static void read_chunk(struct store_maildrop *m, unsigned index, uint64_t offset, size_t max,
                       maildrop_read_fn *done, void *owner)
{
	struct store_view *view = &m->client->view;
	struct slice chunk = SLICE_NONE;
	enum status st = store_view_begin(view);

	if (st != ST_OK) {
		done(owner, st, SLICE_NONE);
		return;
	}
	int rc = store_body_get(&view->tx, m->msgids[index], (uint32_t)(offset / BODY_CHUNK), &chunk);

	if (rc == 0 && chunk.len <= offset % BODY_CHUNK)
		rc = MDB_CORRUPTED;
	if (rc != 0)
		st = missing(m, index, rc);
	done(owner, st,
	     st == ST_OK ? slice_head(slice_skip(chunk, offset % BODY_CHUNK), max) : SLICE_NONE);
	store_view_end(view);
}

static enum status open_file(struct store_maildrop *m, unsigned index)
{
	char path[STORE_PATH_MAX];

	if (m->file && m->file->index == index)
		return ST_OK;
	free_file(m->file);
	m->file = NULL;
	if (!store_body_path(m->client->path, m->msgids[index], path))
		return ST_TOOBIG;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		enum status st = ST_IO;

		if (errno == ENOENT && store_view_begin(&m->client->view) == ST_OK) {
			st = missing(m, index, MDB_NOTFOUND);
			store_view_end(&m->client->view);
		}
		return st;
	}
	m->file = MEM_NEW(struct file_read);
	m->file->maildrop = m;
	m->file->index = index;
	m->file->fd = fd;
	return ST_OK;
}

/* The completion may read on, which takes a buffer of its own then. */
static void hand_out(struct store_maildrop *m, struct file_read *f)
{
	char *buffer = f->buffer;
	bool good = f->got > 0;

	if (!good)
		log_error("a stored message cannot be read: run \"moonpost store check\"",
		          "message", log_u64(m->msgids[f->index]),
		          "error", f->got < 0 ? strerror((int)-f->got) : "the file is too short", NULL);
	f->buffer = NULL;
	f->done(f->owner, good ? ST_OK : ST_IO, good ? slice_of(buffer, (size_t)f->got) : SLICE_NONE);
	if (!m->closed && m->file && !m->file->buffer)
		m->file->buffer = buffer;
	else
		free(buffer);
}

/* On a thread. */
static void run_read(struct work *w)
{
	struct file_read *f = CONTAINER_OF(w, struct file_read, work);

	f->got = pread(f->fd, f->buffer, f->want, (off_t)f->offset);
	if (f->got < 0)
		f->got = -errno;
}

static void read_done(struct work *w)
{
	struct file_read *f = CONTAINER_OF(w, struct file_read, work);
	struct store_maildrop *m = f->maildrop;

	f->running = false;
	if (!m) {
		free_file(f);
		return;
	}
	enter(m);
	hand_out(m, f);
	leave(m);
}

static void read_file(struct store_maildrop *m, unsigned index, uint64_t offset, size_t max,
                      maildrop_read_fn *done, void *owner)
{
	enum status st = open_file(m, index);
	struct file_read *f = m->file;

	if (st != ST_OK) {
		done(owner, st, SLICE_NONE);
		return;
	}
	if (!f->buffer)
		f->buffer = mem_resize(NULL, FILE_READ_MAX);
	f->want = max < FILE_READ_MAX ? max : FILE_READ_MAX;
	f->offset = offset;
	f->done = done;
	f->owner = owner;
	struct iovec iov = { f->buffer, f->want };

	f->got = preadv2(f->fd, &iov, 1, (off_t)offset, RWF_NOWAIT);
	if (f->got > 0) {
		hand_out(m, f);
		return;
	}
	f->running = true;
	f->work = (struct work){ .run = run_read, .done = read_done };
	work_submit(m->client->files, &f->work);
}

/* How many of these octets are in memory, from offset on without a gap.  What lies behind the end of
 * the file is not. */
static size_t resident(const struct file_read *f, uint64_t offset, size_t octets)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), skip = (size_t)(offset % page), n = 0;
	unsigned char in_memory[RANGE_PAGES];

	if (octets > (RANGE_PAGES - 1) * page)
		octets = (RANGE_PAGES - 1) * page;
	size_t count = (skip + octets + page - 1) / page;

	if (mincore((char *)f->map + (offset - skip), skip + octets, in_memory) < 0)
		return 0;
	while (n < count && in_memory[n] & 1)
		n++;
	if (n == 0)
		return 0;
	return n * page - skip < octets ? n * page - skip : octets;
}

/* Only of the file that read() has opened. */
static bool range(struct maildrop *base, unsigned index, uint64_t offset, size_t max,
                  struct file_range *out)
{
	struct file_read *f = maildrop_of(base)->file;
	uint64_t octets = base->entries[index].octets;

	if (!f || f->index != index || f->running || offset >= octets)
		return false;
	if (!f->map) {
		f->map = mmap(NULL, (size_t)octets, PROT_NONE, MAP_SHARED, f->fd, 0);
		f->mapped = (size_t)octets;
		if (f->map == MAP_FAILED)
			f->map = NULL;
	}
	if (!f->map)
		return false;
	max = octets - offset < max ? (size_t)(octets - offset) : max;
	*out = (struct file_range){ f->fd, offset, resident(f, offset, max) };
	return out->octets > 0;
}

static void read_octets(struct maildrop *base, unsigned index, uint64_t offset, size_t max,
                        maildrop_read_fn *done, void *owner)
{
	struct store_maildrop *m = maildrop_of(base);
	const struct maildrop_entry *e = &base->entries[index];

	enter(m);
	if (offset >= e->octets)
		done(owner, ST_OK, SLICE_NONE);
	else if (e->flags & MESSAGE_IN_FILE)
		read_file(m, index, offset, max, done, owner);
	else
		read_chunk(m, index, offset, max, done, owner);
	leave(m);
}

/* ---- deleting ---- */

static void committed(void *owner, enum status st, struct slice payload)
{
	struct store_maildrop *m = owner;

	(void)payload;
	m->request = NULL;
	enter(m);
	m->done(m->owner, st);
	leave(m);
}

static void commit(struct maildrop *base, const unsigned *indexes, unsigned count,
                   maildrop_done_fn *done, void *owner)
{
	struct store_maildrop *m = maildrop_of(base);
	struct client_request *r;

	if (count == 0) {
		enter(m);
		done(owner, ST_OK);
		leave(m);
		return;
	}
	r = client_request_new(WIRE_DELETE);
	wire_put_u64(&r->head, m->id);
	wire_put_u32(&r->head, count);
	for (unsigned i = 0; i < count; i++)
		wire_put_u64(&r->head, base->entries[indexes[i]].uid);
	r->repeatable = true;                /* rows that are gone are not an error */
	m->done = done;
	m->owner = owner;
	enter(m);
	m->request = client_send(m->client, r, SLICE_NONE, -1, committed, m);
	leave(m);
}

/* ---- opening ---- */

static void make_room(struct store_maildrop *m, uint64_t count)
{
	if (count <= m->room)
		return;
	m->room = (unsigned)count;
	m->base.entries = mem_resize(m->base.entries, m->room * sizeof(*m->base.entries));
	m->msgids = mem_resize(m->msgids, m->room * sizeof(*m->msgids));
}

static int add_entry(struct store_maildrop *m, uint64_t uid, struct slice value)
{
	struct row_value row;
	unsigned i = m->base.count;

	if (schema_row_decode(value, &row) != ST_OK)
		return MDB_CORRUPTED;
	if (i == m->room)
		make_room(m, i ? (uint64_t)i * 2 : 16);
	m->base.entries[i] = (struct maildrop_entry){
		.uid = uid, .octets = row.octets, .flags = row.flags,
	};
	m->msgids[i] = row.msgid;
	m->base.octets += row.octets;
	m->base.count++;
	return 0;
}

static int list_rows(struct store_maildrop *m, const struct store_tx *t)
{
	unsigned char key[KEY_SIZE];
	struct slice k = schema_key64(key, m->id), v;
	MDB_cursor *c;
	int rc = store_tx_cursor(t, DB_ROW, &c);

	if (rc != 0)
		return rc;
	rc = store_tx_move(c, MDB_SET_RANGE, &k, &v);
	for (; rc == 0 && k.len == 16 && schema_get64(k.ptr) == m->id;
	     rc = store_tx_move(c, MDB_NEXT, &k, &v)) {
		rc = add_entry(m, schema_get64(k.ptr + 8), v);
		if (rc != 0)
			break;
	}
	mdb_cursor_close(c);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Both lists are in the order of uids: walk them together. */
static int list_uidls(struct store_maildrop *m, const struct store_tx *t)
{
	unsigned char key[KEY_SIZE];
	struct slice k = schema_key64(key, m->id), v;
	unsigned i = 0;
	MDB_cursor *c;
	int rc = store_tx_cursor(t, DB_UIDL, &c);

	if (rc != 0)
		return rc;
	rc = store_tx_move(c, MDB_SET_RANGE, &k, &v);
	for (; rc == 0 && k.len == 16 && schema_get64(k.ptr) == m->id;
	     rc = store_tx_move(c, MDB_NEXT, &k, &v)) {
		uint64_t uid = schema_get64(k.ptr + 8);

		while (i < m->base.count && m->base.entries[i].uid < uid)
			i++;
		if (i < m->base.count && m->base.entries[i].uid == uid)
			m->base.entries[i].uidl = arena_strdup(&m->texts, v);
	}
	mdb_cursor_close(c);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int list_mailbox(struct store_maildrop *m, const struct store_tx *t, struct slice mailbox)
{
	struct mbox_value v;
	int rc = store_mailbox_find(t, mailbox, &m->id);

	if (rc == MDB_NOTFOUND)
		return 0;                        /* nothing came for it yet */
	if (rc == 0)
		rc = store_mailbox_load(t, m->id, &v);
	if (rc != 0)
		return rc;
	m->base.uidvalidity = v.uidvalidity;
	make_room(m, v.count);
	rc = list_rows(m, t);
	return rc == 0 && v.flags & MBOX_FOREIGN_UIDLS ? list_uidls(m, t) : rc;
}

enum status store_maildrop_open(struct store_client *c, struct slice mailbox, struct maildrop **out)
{
	static const struct maildrop_ops ops = {
		.read = read_octets, .commit = commit, .close = close_maildrop, .range = range,
	};
	struct store_maildrop *m = MEM_NEW(struct store_maildrop);

	m->base.ops = &ops;
	m->client = c;
	m->lock_fd = -1;
	arena_init(&m->texts);
	enum status st = lock_take(c->path, mailbox, &m->lock_fd, &m->base.last_login);

	if (st == ST_OK)
		st = store_view_begin(&c->view);
	if (st == ST_OK) {
		st = store_env_status(list_mailbox(m, &c->view.tx, mailbox));
		store_view_end(&c->view);
	}
	if (st != ST_OK) {
		free_maildrop(m);
		m = NULL;
	}
	*out = m ? &m->base : NULL;
	return st;
}
