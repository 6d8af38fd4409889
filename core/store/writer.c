/* The writer thread.
 *
 * A batch that cannot be committed is cut: too large for one transaction, it is halved; no room,
 * the messages in it are refused and the rest is tried again.  Anything else that LMDB says means
 * that the disk or the environment is broken: nothing more is acknowledged, the process ends and
 * the master starts another one. */
#include "store/writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/histogram.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/space.h"

enum {
	FREED_PAGES_MAX = 2000, FREED_PAGES_MIN = 64, BATCH_LIMIT = 4096,
	/* What was deleted is freed together with what is deleted soon after: messages that came at the
	 * same time lie on the same pages, and each page is written once. */
	GC_DELAY_MS = 250,
};

struct store_writer {
	struct store_env            *env;
	const struct store_settings *settings;
	struct apply_ids             ids;
	int                          wake_fd;
	unsigned                     batch_max;
	struct store_request       **batch;    /* the thread's own */
	bool                         gc_more;  /* there is something to free; the thread's own, as the next */
	uint64_t                     gc_at_ms; /* but not before */
	bool                         gc_off;   /* it met records that make no sense */
	bool                         gc_stuck; /* no room, and all was tried */
	uint32_t                     gc_budget;
	pthread_t                    thread;

	pthread_mutex_t              lock;     /* guards all below */
	pthread_cond_t               more;
	struct list                  queue, finished;
	uint64_t                     queued, queued_octets;
	bool                         nudged, stopping, stopped, failed;
	struct histogram             batches, commits_us;
	uint64_t                     commits, messages, deletions, batch_largest;
};

static bool gc_due(const struct store_writer *w)
{
	return w->gc_more && clock_ms() >= w->gc_at_ms;
}

static void wake(struct store_writer *w)
{
	uint64_t one = 1;

	(void)!write(w->wake_fd, &one, sizeof(one));
}

/* ---- one transaction ---- */

static struct apply begin_apply(struct store_writer *w)
{
	return (struct apply){
		.tx = { w->env, NULL },
		.quota = { w->settings->default_quota_octets, w->settings->default_quota_messages },
		.ids = &w->ids, .dict = &w->settings->dict,
	};
}

static uint64_t pages_of(struct store_request **batch, unsigned n)
{
	uint64_t pages = 0;

	for (unsigned i = 0; i < n; i++)
		if (store_request_grows(batch[i]))
			pages += 4 + schema_chunks(batch[i]->body.len) + batch[i]->count / 16 +
			         (batch[i]->dict ? schema_chunks(batch[i]->payload.len) : 0);
	return pages;
}

/* Codes that one request can be guilty of: the others in its batch are tried without it. */
static bool isolates(int rc)
{
	return rc == MDB_TXN_FULL || rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND ||
	       rc == MDB_BAD_VALSIZE;
}

/* What cannot be freed must not keep mail from coming in. */
static void give_up_gc(struct store_writer *w, int rc)
{
	w->gc_off = true;
	w->gc_more = false;
	log_error("the space of deleted messages cannot be freed: run \"moonpost store check\"",
	          "directory", w->env->path, "error", mdb_strerror(rc), NULL);
}

/* A slice of gc rides along, large enough to keep up with what the batch writes. */
static int ride_along(struct store_writer *w, struct apply *a, uint64_t pages)
{
	uint32_t freed, budget = pages * 2 > FREED_PAGES_MAX ? FREED_PAGES_MAX : (uint32_t)(pages * 2);
	int rc = apply_gc(a, budget > FREED_PAGES_MIN ? budget : FREED_PAGES_MIN, &freed, &w->gc_more);

	if (rc != MDB_TXN_FULL && isolates(rc))
		give_up_gc(w, rc);
	return rc;
}

/* Everything in one transaction, or nothing; LMDB code. */
static int transact(struct store_writer *w, struct store_request **batch, unsigned n, bool with_gc)
{
	struct apply a = begin_apply(w);
	uint64_t limit, pages = pages_of(batch, n);

	if (pages && !space_map_has_room(w->env, pages))
		return MDB_MAP_FULL;
	int rc = mdb_txn_begin(w->env->env, NULL, 0, &a.tx.txn);

	if (rc != 0)
		return rc;
	rc = apply_ids_extend(&a, &limit);
	for (unsigned i = 0; rc == 0 && i < n; i++)
		rc = apply_request(&a, batch[i]);
	if (rc == 0 && with_gc && gc_due(w))
		rc = ride_along(w, &a, pages);
	if (rc != 0) {
		mdb_txn_abort(a.tx.txn);
		return rc;
	}
	rc = mdb_txn_commit(a.tx.txn);
	if (rc == 0)
		w->ids.limit = limit;
	return rc;
}

/* ---- a batch ---- */

static void count_batch(struct store_writer *w, struct store_request **batch, unsigned n,
                        uint64_t us)
{
	histogram_add(&w->batches, n);
	histogram_add(&w->commits_us, us);
	w->commits++;
	if (n > w->batch_largest)
		w->batch_largest = n;
	for (unsigned i = 0; i < n; i++) {
		w->messages += batch[i]->stored;
		w->deletions += batch[i]->type == WIRE_DELETE ? batch[i]->count : 0;
	}
}

static void finish(struct store_writer *w, struct store_request **batch, unsigned n, uint64_t us)
{
	pthread_mutex_lock(&w->lock);
	if (us)
		count_batch(w, batch, n, us);
	for (unsigned i = 0; i < n; i++) {
		w->queued--;
		w->queued_octets -= store_request_weight(batch[i]);
		if (!w->gc_more &&
		    (batch[i]->type == WIRE_DELETE || batch[i]->type == WIRE_MAILBOX_REMOVE)) {
			w->gc_more = true;
			w->gc_at_ms = clock_ms() + GC_DELAY_MS;
		}
		list_append(&w->finished, &batch[i]->link);
	}
	pthread_mutex_unlock(&w->lock);
	wake(w);
}

static void refuse(struct store_writer *w, struct store_request *r, enum status st)
{
	r->status = st;
	r->stored = false;
	finish(w, &r, 1, 0);
}

/* No room: refuse what takes some, keep the rest at the front; returns how many are kept. */
static unsigned refuse_growing(struct store_writer *w, struct store_request **batch, unsigned n)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++) {
		if (store_request_grows(batch[i]))
			refuse(w, batch[i], ST_NOSPACE);
		else
			batch[kept++] = batch[i];
	}
	return kept;
}

static void fail(struct store_writer *w, int rc)
{
	log_error("the mail store cannot be written: this process ends and a new one is started",
	          "directory", w->env->path, "error", mdb_strerror(rc), NULL);
	pthread_mutex_lock(&w->lock);
	w->failed = true;
	pthread_mutex_unlock(&w->lock);
	wake(w);
}

static bool no_room(struct store_writer *w, int rc)
{
	return store_env_status(rc) == ST_NOSPACE || (rc == EIO && space_exhausted(w->settings));
}

/* One request that cannot be done at all. */
static void refuse_guilty(struct store_writer *w, struct store_request *r, int rc)
{
	enum status st = rc == MDB_TXN_FULL ? ST_TOOBIG : store_env_status(rc);

	log_error("a request cannot be stored", "request", wire_type_name(r->type),
	          "error", mdb_strerror(rc), NULL);
	refuse(w, r, st);
}

/* Pages that the last transaction freed can be used by the one after the next.  When there is
 * nothing else left, a transaction in between brings them within reach. */
static bool advance(struct store_writer *w)
{
	struct apply a = begin_apply(w);
	uint64_t high;

	if (mdb_txn_begin(w->env->env, NULL, 0, &a.tx.txn) != 0)
		return false;
	int rc = store_schema_meta_get(&a.tx, "msgid", &high);

	if (rc == 0)
		rc = store_schema_meta_put(&a.tx, "msgid", high);
	if (rc == 0)
		return mdb_txn_commit(a.tx.txn) == 0;
	mdb_txn_abort(a.tx.txn);
	return false;
}

/* No room for the n requests: the growing ones are refused; when there are none of them the
 * ballast goes, once.  Returns how many are worth another try. */
static unsigned make_room(struct store_writer *w, struct store_request **batch, unsigned n,
                          bool *ballast_tried)
{
	unsigned kept = refuse_growing(w, batch, n);

	w->gc_at_ms = 0;
	if (kept < n)
		return kept;
	if (!*ballast_tried && space_drop_ballast(w->settings)) {
		*ballast_tried = true;
		return n;
	}
	for (unsigned i = 0; i < n; i++)
		refuse(w, batch[i], ST_NOSPACE);
	return 0;
}

/* A range of a batch; cut until it can be committed.  False: the environment is broken. */
static bool commit_range(struct store_writer *w, struct store_request **batch, unsigned n)
{
	bool with_gc = true, ballast_tried = false, advanced = false;

	while (n > 0) {
		uint64_t started = clock_us();
		int rc = transact(w, batch, n, with_gc && !w->gc_off);

		if (rc == 0) {
			uint64_t us = clock_us() - started;

			finish(w, batch, n, us ? us : 1);
			return true;
		}
		if (with_gc && isolates(rc)) {
			with_gc = false;             /* perhaps gc was guilty */
		} else if (isolates(rc) && n == 1) {
			refuse_guilty(w, batch[0], rc);
			return true;
		} else if (isolates(rc)) {
			if (!commit_range(w, batch, n / 2))
				return false;
			batch += n / 2;
			n -= n / 2;
		} else if (no_room(w, rc)) {
			with_gc = false;
			if (!advanced && (advanced = advance(w)))
				continue;
			n = make_room(w, batch, n, &ballast_tried);
		} else {
			fail(w, rc);
			return false;
		}
	}
	return true;
}

/* ---- the thread ---- */

static unsigned freed_by(const struct store_request *r)
{
	return r->type == WIRE_DELETE ? r->count : 0;
}

/* Everything that is queued, up to the caps; at least one.  Under the lock. */
static unsigned take(struct store_writer *w)
{
	uint64_t octets = 0, freed = 0;
	unsigned n = 0;

	while (n < w->batch_max && !list_empty(&w->queue)) {
		struct store_request *r = CONTAINER_OF(w->queue.next, struct store_request, link);

		octets += store_request_weight(r);
		freed += freed_by(r);
		if (n > 0 && (octets > w->settings->max_batch_octets || freed > FREED_PAGES_MAX))
			break;
		list_remove(&r->link);
		w->batch[n++] = r;
	}
	return n;
}

static int gc_transaction(struct store_writer *w)
{
	struct apply a = begin_apply(w);
	uint64_t limit, before = w->ids.limit;
	uint32_t freed;
	int rc = mdb_txn_begin(w->env->env, NULL, 0, &a.tx.txn);

	if (rc != 0)
		return rc;
	rc = apply_ids_extend(&a, &limit);
	if (rc == 0)
		rc = apply_gc(&a, w->gc_budget, &freed, &w->gc_more);
	if (rc != 0 || (freed == 0 && limit == before))
		mdb_txn_abort(a.tx.txn);
	else
		rc = mdb_txn_commit(a.tx.txn);
	if (rc == 0)
		w->ids.limit = limit;
	return rc;
}

/* Freeing takes room too, little when the slices are small. */
static bool gc_without_room(struct store_writer *w)
{
	bool smaller = w->gc_budget > FREED_PAGES_MIN;

	w->gc_budget = FREED_PAGES_MIN;
	if (smaller || space_drop_ballast(w->settings))
		return true;
	if (w->gc_stuck || !advance(w))
		return false;
	w->gc_stuck = true;
	return true;
}

/* Nobody waits: a transaction for gc alone. */
static bool idle_gc(struct store_writer *w)
{
	int rc = gc_transaction(w);

	if (rc == 0) {
		w->gc_stuck = false;
		w->gc_budget = w->gc_budget * 2 > FREED_PAGES_MAX ? FREED_PAGES_MAX : w->gc_budget * 2;
	} else if (no_room(w, rc)) {
		w->gc_more = gc_without_room(w);     /* else until the next deletion or nudge */
	} else if (isolates(rc)) {
		give_up_gc(w, rc);
	} else {
		fail(w, rc);
		return false;
	}
	return true;
}

/* Until there is something to do; under the lock. */
static void wait_for_work(struct store_writer *w)
{
	struct timespec at = { (time_t)(w->gc_at_ms / 1000), (long)(w->gc_at_ms % 1000) * 1000000 };

	w->gc_more &= !w->gc_off;
	while (list_empty(&w->queue) && !gc_due(w) && !w->nudged && !w->stopping) {
		if (w->gc_more)
			pthread_cond_timedwait(&w->more, &w->lock, &at);
		else
			pthread_cond_wait(&w->more, &w->lock);
	}
	if (w->nudged) {
		w->gc_more = true;
		w->gc_at_ms = 0;
	}
	w->nudged = false;
}

static void *thread_main(void *arg)
{
	struct store_writer *w = arg;
	bool good = true;

	w->gc_more = true;
	while (good) {
		pthread_mutex_lock(&w->lock);
		wait_for_work(w);
		unsigned n = take(w);
		bool over = n == 0 && w->stopping;
		pthread_mutex_unlock(&w->lock);
		if (over)
			break;
		good = n > 0 ? commit_range(w, w->batch, n) : idle_gc(w);
	}
	return NULL;
}

/* ---- from outside ---- */

static int reserve_ids(struct store_writer *w)
{
	struct apply a = begin_apply(w);
	int rc = mdb_txn_begin(w->env->env, NULL, 0, &a.tx.txn);

	if (rc != 0)
		return rc;
	rc = apply_ids_begin(&a);
	if (rc == 0)
		return mdb_txn_commit(a.tx.txn);
	mdb_txn_abort(a.tx.txn);
	return rc;
}

struct store_writer *store_writer_new(struct store_env *e, const struct store_settings *s,
                                      int wake_fd)
{
	struct store_writer *w = MEM_NEW(struct store_writer);
	pthread_condattr_t clock;
	sigset_t all, before;

	w->env = e;
	w->settings = s;
	w->wake_fd = wake_fd;
	w->gc_budget = FREED_PAGES_MAX;
	w->batch_max = s->max_batch_messages < BATCH_LIMIT ? s->max_batch_messages : BATCH_LIMIT;
	if (w->batch_max == 0)
		w->batch_max = 1;
	w->batch = mem_array(w->batch_max, sizeof(*w->batch));
	list_init(&w->queue);
	list_init(&w->finished);
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);      /* that of clock_ms() */
	pthread_cond_init(&w->more, &clock);
	pthread_condattr_destroy(&clock);
	int rc = reserve_ids(w);

	if ((rc == ENOSPC || rc == EIO) && space_drop_ballast(s))
		rc = reserve_ids(w);
	if (rc != 0) {
		log_error("the mail store cannot be written", "directory", e->path,
		          "error", mdb_strerror(rc), NULL);
		goto fail;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&w->thread, NULL, thread_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc == 0) {
		pthread_setname_np(w->thread, "writer");
		return w;
	}
	log_error("no writer thread", "error", strerror(rc), NULL);
fail:
	w->stopped = true;
	store_writer_free(w);
	return NULL;
}

void store_writer_submit(struct store_writer *w, struct store_request *r)
{
	pthread_mutex_lock(&w->lock);
	r->queued_us = clock_us();
	w->queued++;
	w->queued_octets += store_request_weight(r);
	list_append(&w->queue, &r->link);
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
}

void store_writer_finished(struct store_writer *w, struct list *out)
{
	struct list *link;

	pthread_mutex_lock(&w->lock);
	while ((link = list_shift(&w->finished)) != NULL)
		list_append(out, link);
	pthread_mutex_unlock(&w->lock);
}

bool store_writer_busy(struct store_writer *w)
{
	pthread_mutex_lock(&w->lock);
	bool busy = w->queued >= w->settings->max_queued_requests ||
	            w->queued_octets >= w->settings->max_queued_octets;
	pthread_mutex_unlock(&w->lock);
	return busy;
}

bool store_writer_failed(struct store_writer *w)
{
	pthread_mutex_lock(&w->lock);
	bool failed = w->failed;
	pthread_mutex_unlock(&w->lock);
	return failed;
}

struct apply_ids *store_writer_ids(struct store_writer *w)
{
	return &w->ids;
}

void store_writer_nudge(struct store_writer *w)
{
	pthread_mutex_lock(&w->lock);
	w->nudged = true;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
}

void store_writer_numbers(struct store_writer *w, struct store_numbers *n)
{
	pthread_mutex_lock(&w->lock);
	n->commits = w->commits;
	n->messages = w->messages;
	n->deletions = w->deletions;
	n->requests_queued = w->queued;
	n->octets_queued = w->queued_octets;
	n->batch_p50 = histogram_percentile(&w->batches, 50);
	n->batch_max = w->batch_largest;
	n->commit_us_p50 = histogram_percentile(&w->commits_us, 50);
	n->commit_us_p99 = histogram_percentile(&w->commits_us, 99);
	pthread_mutex_unlock(&w->lock);
}

void store_writer_stop(struct store_writer *w)
{
	if (w->stopped)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	w->stopped = true;
}

void store_writer_free(struct store_writer *w)
{
	struct list *link;

	if (!w)
		return;
	store_writer_stop(w);
	while ((link = list_shift(&w->queue)) || (link = list_shift(&w->finished)))
		store_request_free(CONTAINER_OF(link, struct store_request, link));
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->more);
	free(w->batch);
	free(w);
}
