/* An intrusive doubly linked list: the link is embedded in the thing that is listed.
 *
 *     struct list sessions;  list_init(&sessions);
 *     list_append(&sessions, &s->link);
 *     LIST_EACH(&sessions, link) { struct session *s = CONTAINER_OF(link, struct session, link); }
 */
#ifndef MOONPOST_BASE_LIST_H
#define MOONPOST_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list { struct list *next, *prev; };

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_append(struct list *l, struct list *link)
{
	link->prev = l->prev;
	link->next = l;
	l->prev->next = link;
	l->prev = link;
}

/* Out of its list, whichever that is; the link is then a list of its own and may be removed
 * again without harm. */
static inline void list_remove(struct list *link)
{
	link->next->prev = link->prev;
	link->prev->next = link->next;
	list_init(link);
}

/* The first link taken out, or NULL. */
static inline struct list *list_shift(struct list *l)
{
	struct list *first = l->next;

	if (first == l)
		return NULL;
	list_remove(first);
	return first;
}

/* The body may remove the current link. */
#define LIST_EACH(l, name) \
	for (struct list *name = (l)->next, *name##_next = name->next; name != (l); \
	     name = name##_next, name##_next = name->next)

#endif
