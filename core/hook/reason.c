/* The chain of reasons of a question, and what it was about. */
#include "hook/reason.h"

#include <string.h>

#include "base/mem.h"
#include "hook/envelope.h"

void reason_add(struct question *q, const struct reason *r)
{
	const char *texts[] = { r->by, r->place, r->where, r->waits };
	size_t sizes[COUNT_OF(texts)], total = sizeof(*r);
	struct reason *copy;
	char *room;

	for (size_t i = 0; i < COUNT_OF(texts); i++)
		total += sizes[i] = strlen(texts[i]) + 1;
	copy = arena_alloc(&q->arena, total);
	*copy = *r;
	copy->next = NULL;
	room = (char *)(copy + 1);
	const char **to[] = { &copy->by, &copy->place, &copy->where, &copy->waits };

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		*to[i] = memcpy(room, texts[i], sizes[i]);
		room += sizes[i];
	}
	if (q->last_reason)
		q->last_reason->next = copy;
	else
		q->reasons = copy;
	q->last_reason = copy;
}

void reason_describe(struct question *q)
{
	const struct envelope *e = q->data.envelope;
	struct arena *a = &q->arena;

	switch (q->hook) {
	case HOOK_ACCEPT_HELO:
		q->about = arena_printf(a, "name %.*s", SLICE_ARG(q->helo.name));
		break;
	case HOOK_AUTH: case HOOK_SECRET: case HOOK_TOKEN:
		q->about = arena_printf(a, "user %.*s with %.*s", SLICE_ARG(q->login.user),
		                        SLICE_ARG(q->login.mechanism));
		break;
	case HOOK_ACCEPT_LOGIN:
		q->about = arena_printf(a, "user %s", q->facts->identity.user ? q->facts->identity.user : "");
		break;
	case HOOK_ACCEPT_SENDER:
		q->about = arena_printf(a, "sender <%.*s>", SLICE_ARG(q->sender.address));
		break;
	case HOOK_ACCEPT_RECIPIENT: case HOOK_ALIAS:
		q->about = arena_printf(a, "recipient <%.*s>", SLICE_ARG(q->recipient.address));
		break;
	case HOOK_ACCEPT_DELIVERY:
		q->about = arena_printf(a, "delivery to <%.*s>",
		                        SLICE_ARG(e->recipients[q->data.recipient].address));
		break;
	case HOOK_ACCEPT_DATA: case HOOK_ACCEPT_MESSAGE: case HOOK_ON_ACCEPT:
		q->about = arena_printf(a, "mail from <%.*s> to %u recipients", SLICE_ARG(e->sender),
		                        e->recipient_count);
		break;
	case HOOK_ON_DELETE:
		q->about = arena_printf(a, "message %u of %.*s", q->deletion.number,
		                        SLICE_ARG(q->deletion.mailbox));
		break;
	default:
		q->about = arena_printf(a, "client %s", q->facts->remote_ip);
	}
}
