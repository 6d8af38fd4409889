/* The thread pool: one queue, one list of finished jobs, an ev_async that wakes the loop. */
#include "net/work.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/loop_internal.h"

struct work_pool {
	struct loop    *loop;
	unsigned        generation;       /* of the loop: another one means we are a forked child */
	char            name[16];
	unsigned        max;
	ev_async        wake;
	struct tick     deliver;

	pthread_mutex_t lock;             /* guards all below and the jobs' state */
	pthread_cond_t  more;
	pthread_t      *threads;
	unsigned        count, idle;
	struct list     queue, over;
	unsigned        queued;
	bool            closing;
};

static void finish(struct work_pool *p, struct work *w)
{
	w->state = WORK_OVER;
	list_append(&p->over, &w->link);
}

static void *thread_main(void *arg)
{
	struct work_pool *p = arg;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct list *link;

		p->idle++;
		while (list_empty(&p->queue) && !p->closing)
			pthread_cond_wait(&p->more, &p->lock);
		p->idle--;
		if (p->closing)
			break;
		link = list_shift(&p->queue);
		p->queued--;
		struct work *w = CONTAINER_OF(link, struct work, link);

		w->state = WORK_RUNNING;
		pthread_mutex_unlock(&p->lock);
		w->run(w);
		pthread_mutex_lock(&p->lock);
		finish(p, w);
		ev_async_send(loop_ev(p->loop), &p->wake);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Signals are the loop's; a thread that took one would only delay it. */
static bool start_thread(struct work_pool *p)
{
	sigset_t all, before;
	char name[16];

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&p->threads[p->count], NULL, thread_main, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error) {
		log_warn("no thread for blocking work", "pool", p->name, "error", strerror(error),
		         "threads", log_u64(p->count), NULL);
		return false;
	}
	snprintf(name, sizeof(name), "%s", p->name);
	pthread_setname_np(p->threads[p->count++], name);
	return true;
}

static void deliver(void *owner)
{
	struct work_pool *p = owner;

	for (;;) {
		struct list *link;

		pthread_mutex_lock(&p->lock);
		link = list_shift(&p->over);
		pthread_mutex_unlock(&p->lock);
		if (link == NULL)
			return;
		struct work *w = CONTAINER_OF(link, struct work, link);

		w->state = WORK_IDLE;
		w->done(w);
	}
}

static void on_wake(struct ev_loop *ev, ev_async *w, int revents)
{
	(void)ev, (void)revents;
	deliver(w->data);
}

/* Threads, locks and the watcher belong to one process. */
static void start_here(struct work_pool *p)
{
	p->generation = loop_generation(p->loop);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	p->count = p->idle = 0;
	ev_async_init(&p->wake, on_wake);
	p->wake.data = p;
	ev_async_start(loop_ev(p->loop), &p->wake);
	tick_init(&p->deliver, deliver, p);
	list_init(&p->queue);
	list_init(&p->over);
	p->queued = 0;
}

struct work_pool *work_pool_new(struct loop *l, unsigned threads, const char *name)
{
	struct work_pool *p = MEM_NEW(struct work_pool);

	p->loop = l;
	p->max = threads ? threads : 1;
	p->threads = mem_array(p->max, sizeof(*p->threads));
	snprintf(p->name, sizeof(p->name), "%s", name);
	start_here(p);
	return p;
}

void work_pool_free(struct work_pool *p)
{
	struct list *link;

	if (p == NULL)
		return;
	if (p->generation == loop_generation(p->loop)) {
		pthread_mutex_lock(&p->lock);
		p->closing = true;
		pthread_cond_broadcast(&p->more);
		pthread_mutex_unlock(&p->lock);
		for (unsigned i = 0; i < p->count; i++)
			pthread_join(p->threads[i], NULL);
		while ((link = list_shift(&p->queue)) != NULL) {
			struct work *w = CONTAINER_OF(link, struct work, link);

			w->cancelled = true;
			finish(p, w);
		}
		deliver(p);
		ev_async_stop(loop_ev(p->loop), &p->wake);
		tick_cancel(&p->deliver);
		pthread_cond_destroy(&p->more);
		pthread_mutex_destroy(&p->lock);
	}
	free(p->threads);
	free(p);
}

void work_submit(struct work_pool *p, struct work *w)
{
	if (p->generation != loop_generation(p->loop))
		start_here(p);
	w->cancelled = false;
	list_init(&w->link);
	pthread_mutex_lock(&p->lock);
	w->state = WORK_QUEUED;
	list_append(&p->queue, &w->link);
	p->queued++;
	if (p->queued > p->idle && p->count < p->max && !p->closing && !start_thread(p) &&
	    p->count == 0) {
		/* No thread at all: slow is better than never. */
		list_remove(&w->link);
		p->queued--;
		pthread_mutex_unlock(&p->lock);
		w->run(w);
		pthread_mutex_lock(&p->lock);
		finish(p, w);
		loop_tick(p->loop, &p->deliver);
	}
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
}

void work_cancel(struct work_pool *p, struct work *w)
{
	if (p->generation != loop_generation(p->loop))
		return;
	pthread_mutex_lock(&p->lock);
	if (w->state != WORK_IDLE)
		w->cancelled = true;
	if (w->state == WORK_QUEUED) {
		list_remove(&w->link);
		p->queued--;
		finish(p, w);
		loop_tick(p->loop, &p->deliver);
	}
	pthread_mutex_unlock(&p->lock);
}
