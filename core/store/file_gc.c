/* At most one job at a time: look for records, unlink on a thread, tell the writer. */
#include "store/file_gc.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/body.h"

enum { FILES_PER_JOB = 64, SOON_MS = 200, BACKUP_RETRY_MS = 1000 };

struct file_gc {
	struct work_pool   *pool;
	struct store_env   *env;
	struct apply_ids   *ids;
	const struct file_gc_events *events;
	void               *owner;
	struct timer        timer;
	struct store_view   view;
	int                 lock_fd;
	struct work         work;
	bool                working;      /* a thread unlinks, or the writer forgets */
	uint64_t            msgids[FILES_PER_JOB];
	uint32_t            count;
	enum status         outcome;
};

static void rest(struct file_gc *g)
{
	g->working = false;
	g->events->rested(g->owner);
}

/* On a flush thread. */
static void unlink_files(struct work *w)
{
	struct file_gc *g = CONTAINER_OF(w, struct file_gc, work);

	g->outcome = ST_OK;
	for (uint32_t i = 0; i < g->count && g->outcome == ST_OK; i++)
		g->outcome = store_body_unlink(g->env->path, g->msgids[i], g->ids->next);
}

static void unlinked(struct work *w)
{
	struct file_gc *g = CONTAINER_OF(w, struct file_gc, work);

	(void)store_lock_set(g->lock_fd, STORE_LOCK_FILES, F_UNLCK, false);
	if (w->cancelled || g->outcome != ST_OK) {
		if (!w->cancelled)
			log_error("files of deleted messages cannot be removed", "directory", g->env->path,
			          "reason", status_text(g->outcome), NULL);
		rest(g);
		return;
	}
	struct store_request *r = store_request_new(WIRE_FILES_GONE, 0);

	r->uids = slice_of(g->msgids, g->count * sizeof(g->msgids[0]));
	r->count = g->count;
	g->events->submit(g->owner, r);
}

static void find_files(struct file_gc *g)
{
	struct slice key = SLICE(""), value;
	MDB_cursor *c;

	g->count = 0;
	if (store_view_begin(&g->view) != ST_OK)
		return;
	if (store_tx_cursor(&g->view.tx, DB_GC_FILE, &c) == 0) {
		while (g->count < FILES_PER_JOB && store_tx_move(c, MDB_NEXT, &key, &value) == 0)
			if (key.len == 8)
				g->msgids[g->count++] = schema_get64(key.ptr);
		mdb_cursor_close(c);
	}
	store_view_end(&g->view);
}

static void look(void *owner)
{
	struct file_gc *g = owner;

	if (g->working)
		return;
	find_files(g);
	if (g->count == 0)
		return;
	if (store_lock_set(g->lock_fd, STORE_LOCK_FILES, F_WRLCK, false) != ST_OK) {
		timer_start(&g->timer, BACKUP_RETRY_MS);
		return;
	}
	g->working = true;
	g->work = (struct work){ .run = unlink_files, .done = unlinked };
	work_submit(g->pool, &g->work);
}

struct file_gc *file_gc_new(struct loop *l, struct work_pool *pool, struct store_env *e,
                            struct apply_ids *ids, const struct file_gc_events *events, void *owner)
{
	struct file_gc *g = MEM_NEW(struct file_gc);

	g->pool = pool;
	g->env = e;
	g->ids = ids;
	g->events = events;
	g->owner = owner;
	g->lock_fd = store_lock_open(e->path);
	timer_init(&g->timer, l, look, g);
	store_view_init(&g->view, e);
	return g;
}

void file_gc_free(struct file_gc *g)
{
	if (!g)
		return;
	timer_stop(&g->timer);
	store_view_clear(&g->view);
	if (g->lock_fd >= 0)
		close(g->lock_fd);
	free(g);
}

void file_gc_soon(struct file_gc *g)
{
	if (!g->working)
		timer_start(&g->timer, SOON_MS);
}

void file_gc_committed(struct file_gc *g, enum status st)
{
	bool more = st == ST_OK && g->count == FILES_PER_JOB;

	rest(g);
	if (more)
		look(g);
	else
		file_gc_soon(g);
}

bool file_gc_busy(const struct file_gc *g)
{
	return g->working;
}
