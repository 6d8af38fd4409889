/* The event loop on libev: ticks and timers run right before the loop would sleep, so they cost no
 * system call of their own.  Signals and children are few; lists are enough. */
#include "net/loop.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <ev.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop_internal.h"
#include "net/timer.h"

struct loop {
	struct ev_loop *ev;
	ev_prepare      prepare;          /* runs ticks and timers */
	ev_idle         awake;            /* active while ticks wait: the loop must not sleep */
	ev_timer        alarm;            /* wakes the loop for the wheel */
	struct wheel    wheel;
	struct list     ticks, running;   /* for the next turn; of this turn */
	uint64_t        turn;
	struct list     signals, children;
	ev_signal       sigchld;
	struct tick     reap;
	unsigned        generation;
	struct loop_block block;
};

struct watched_signal {
	struct list  link;
	ev_signal    ev;
	void       (*fn)(void *owner, int signum);
	void        *owner;
};

struct watched_child {
	struct list  link;
	int          pid;
	void       (*fn)(void *owner, int pid, int status);
	void        *owner;
};

struct watch {
	ev_io        ev;
	struct loop *loop;
	unsigned     generation;
	int          events;
	watch_fn    *fn;
	void        *owner;
};

static void run_ticks(struct loop *l)
{
	struct list *link;

	l->turn++;
	/* What is scheduled from here on runs in the next turn. */
	while ((link = list_shift(&l->ticks)) != NULL)
		list_append(&l->running, link);
	while ((link = list_shift(&l->running)) != NULL) {
		struct tick *t = CONTAINER_OF(link, struct tick, link);

		t->scheduled = false;
		t->fn(t->owner);
	}
}

static void set_alarm(struct loop *l, uint64_t at_ms, uint64_t now_ms)
{
	l->wheel.wake_ms = at_ms;
	ev_timer_stop(l->ev, &l->alarm);
	if (at_ms == 0)
		return;
	/* libev counts from the start of its turn, which is in the past: it may ring too early. */
	ev_timer_set(&l->alarm, (double)(at_ms > now_ms ? at_ms - now_ms : 0) / 1000 + 0.001, 0);
	ev_timer_start(l->ev, &l->alarm);
}

static void on_prepare(struct ev_loop *ev, ev_prepare *w, int revents)
{
	struct loop *l = w->data;

	(void)ev, (void)revents;
	if (l->wheel.wake_ms) {
		uint64_t now_ms = clock_ms();

		if (now_ms >= l->wheel.wake_ms) {
			wheel_sweep(&l->wheel, now_ms);
			set_alarm(l, wheel_next(&l->wheel), clock_ms());
		} else if (!ev_is_active(&l->alarm)) {
			set_alarm(l, l->wheel.wake_ms, now_ms);      /* it rang too early, see set_alarm */
		}
	}
	run_ticks(l);
	if (list_empty(&l->ticks))
		ev_idle_stop(l->ev, &l->awake);
	else
		ev_idle_start(l->ev, &l->awake);
}

static void on_idle(struct ev_loop *ev, ev_idle *w, int revents)
{
	(void)ev, (void)w, (void)revents;
}

/* Being awake is all: on_prepare looks at the wheel in the turn that follows. */
static void on_alarm(struct ev_loop *ev, ev_timer *w, int revents)
{
	(void)ev, (void)w, (void)revents;
}

struct wheel *loop_wheel(struct loop *l)
{
	return &l->wheel;
}

void loop_alarm(struct loop *l, uint64_t at_ms)
{
	if (l->wheel.wake_ms == 0 || at_ms < l->wheel.wake_ms)
		set_alarm(l, at_ms, clock_ms());
}

struct loop_block *loop_block(struct loop *l)
{
	return &l->block;
}

unsigned loop_generation(const struct loop *l)
{
	return l->generation;
}

static void on_sigchld(struct ev_loop *ev, ev_signal *w, int revents);

static void reap_children(void *owner)
{
	struct loop *l = owner;

	LIST_EACH(&l->children, link) {
		struct watched_child *c = CONTAINER_OF(link, struct watched_child, link);
		int status;

		if (waitpid(c->pid, &status, WNOHANG) != c->pid)
			continue;
		struct watched_child ended = *c;

		list_remove(&c->link);
		free(c);
		ended.fn(ended.owner, ended.pid, status);
		/* The callback may have changed the list: look at the rest in another turn. */
		loop_tick(l, &l->reap);
		return;
	}
}

static void on_sigchld(struct ev_loop *ev, ev_signal *w, int revents)
{
	(void)ev, (void)revents;
	reap_children(w->data);
}

static void start_ev(struct loop *l)
{
	l->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (l->ev == NULL)
		die("no event loop: the kernel gives no epoll descriptor (too many open files?)");
	ev_prepare_init(&l->prepare, on_prepare);
	ev_idle_init(&l->awake, on_idle);
	ev_timer_init(&l->alarm, on_alarm, 0, 0);
	ev_signal_init(&l->sigchld, on_sigchld, SIGCHLD);
	l->prepare.data = l->sigchld.data = l;
	ev_prepare_start(l->ev, &l->prepare);
	wheel_init(&l->wheel, clock_ms());
	list_init(&l->ticks);
	list_init(&l->running);
	list_init(&l->signals);
	list_init(&l->children);
	tick_init(&l->reap, reap_children, l);
}

struct loop *loop_new(void)
{
	struct loop *l = MEM_NEW(struct loop);

	/* A write to a closed connection is an error of that connection, not of the process. */
	signal(SIGPIPE, SIG_IGN);
	start_ev(l);
	return l;
}

static void forget_all(struct loop *l)
{
	struct list *link;

	while ((link = list_shift(&l->ticks)) || (link = list_shift(&l->running)))
		CONTAINER_OF(link, struct tick, link)->scheduled = false;
	while ((link = list_shift(&l->signals)) != NULL) {
		struct watched_signal *s = CONTAINER_OF(link, struct watched_signal, link);

		ev_signal_stop(l->ev, &s->ev);
		free(s);
	}
	while ((link = list_shift(&l->children)) != NULL)
		free(CONTAINER_OF(link, struct watched_child, link));
	ev_signal_stop(l->ev, &l->sigchld);
	wheel_clear(&l->wheel);
	ev_loop_destroy(l->ev);
}

void loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	forget_all(l);
	free(l->block.data);
	free(l);
}

struct loop *loop_after_fork(struct loop *l)
{
	/* Destroying closes our copy of the epoll descriptor and calls no epoll_ctl: the parent's
	 * set of descriptors stays as it is. */
	forget_all(l);
	l->generation++;
	start_ev(l);
	return l;
}

void loop_run(struct loop *l)
{
	ev_run(l->ev, 0);
}

void loop_stop(struct loop *l)
{
	ev_break(l->ev, EVBREAK_ONE);
}

uint64_t loop_turn(const struct loop *l)
{
	return l->turn;
}

struct ev_loop *loop_ev(struct loop *l)
{
	return l->ev;
}

void tick_init(struct tick *t, void (*fn)(void *owner), void *owner)
{
	*t = (struct tick){ .fn = fn, .owner = owner };
	list_init(&t->link);
}

void loop_tick(struct loop *l, struct tick *t)
{
	if (t->scheduled)
		return;
	t->scheduled = true;
	list_append(&l->ticks, &t->link);
}

void tick_cancel(struct tick *t)
{
	list_remove(&t->link);
	t->scheduled = false;
}

static void on_io(struct ev_loop *ev, ev_io *io, int revents)
{
	struct watch *w = CONTAINER_OF(io, struct watch, ev);
	int events = (revents & EV_READ ? LOOP_READABLE : 0) | (revents & EV_WRITE ? LOOP_WRITABLE : 0);

	(void)ev;
	if (revents & EV_ERROR)                              /* the descriptor is not a descriptor */
		events = w->events;
	w->fn(w->owner, events);
}

static int ev_events(int events)
{
	return (events & LOOP_READABLE ? EV_READ : 0) | (events & LOOP_WRITABLE ? EV_WRITE : 0);
}

struct watch *watch_new(struct loop *l, int fd, int events, watch_fn *fn, void *owner)
{
	struct watch *w = MEM_NEW(struct watch);

	w->loop = l;
	w->generation = l->generation;
	w->fn = fn;
	w->owner = owner;
	w->events = events;
	ev_io_init(&w->ev, on_io, fd, ev_events(events));
	if (events)
		ev_io_start(l->ev, &w->ev);
	return w;
}

void watch_set(struct watch *w, int events)
{
	if (events == w->events || w->generation != w->loop->generation)
		return;
	w->events = events;
	ev_io_stop(w->loop->ev, &w->ev);
	if (events == 0)
		return;
	ev_io_modify(&w->ev, ev_events(events));
	ev_io_start(w->loop->ev, &w->ev);
}

void watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	if (w->generation == w->loop->generation)
		ev_io_stop(w->loop->ev, &w->ev);
	free(w);
}

static void on_signal(struct ev_loop *ev, ev_signal *w, int revents)
{
	struct watched_signal *s = CONTAINER_OF(w, struct watched_signal, ev);

	(void)ev, (void)revents;
	s->fn(s->owner, w->signum);
}

void loop_signal(struct loop *l, int signum, void (*fn)(void *owner, int signum), void *owner)
{
	struct watched_signal *s = MEM_NEW(struct watched_signal);

	s->fn = fn;
	s->owner = owner;
	ev_signal_init(&s->ev, on_signal, signum);
	ev_signal_start(l->ev, &s->ev);
	list_append(&l->signals, &s->link);
}

void loop_child(struct loop *l, int pid, void (*fn)(void *owner, int pid, int status), void *owner)
{
	struct watched_child *c = MEM_NEW(struct watched_child);

	*c = (struct watched_child){ .pid = pid, .fn = fn, .owner = owner };
	list_append(&l->children, &c->link);
	ev_signal_start(l->ev, &l->sigchld);
	loop_tick(l, &l->reap);                              /* it may have ended before we looked */
}
