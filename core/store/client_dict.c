/* Questions about dictionaries. */
#include "store/client_dict.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/client_internal.h"
#include "store/dict_durable.h"

struct client_dict {
	struct store_client   *client;
	struct client_request *request;
	client_dict_fn        *done;
	void                  *owner;
	bool                   over;      /* answered before client_send returned */
};

static void answered(void *owner, enum status st, struct slice payload)
{
	struct client_dict *d = owner;
	struct dict_answer a = { 0 };

	if (st == ST_OK && !dict_get_answer(payload, &a))
		st = ST_CORRUPT;
	d->done(d->owner, st, &a);
	d->over = true;
	if (d->request)
		free(d);
}

struct client_dict *client_dict_ask(struct store_client *c, const struct dict_query *q,
                                    client_dict_fn *done, void *owner)
{
	struct client_request *r = client_request_new(WIRE_DICT);
	struct client_dict *d = MEM_NEW(struct client_dict);

	*d = (struct client_dict){ .client = c, .done = done, .owner = owner };
	dict_put_query(&r->head, q);
	r->repeatable = q->op == DICT_GET || q->op == DICT_LIST;
	d->request = client_send(c, r, SLICE_NONE, -1, answered, d);
	if (!d->over)
		return d;
	free(d);
	return NULL;
}

void client_dict_cancel(struct client_dict *d)
{
	client_cancel(d->client, d->request);
	free(d);
}

enum status client_dict_read(struct store_client *c, const struct dict_query *q, struct buf *out,
                             struct dict_answer *a)
{
	enum status st = store_view_begin(&c->view);
	int64_t now_us = clock_wall_us();

	if (st != ST_OK)
		return st;
	if (q->op == DICT_LIST) {
		st = dict_durable_list(&c->view.tx, q, now_us, out, a);
	} else {
		st = dict_durable_get(&c->view.tx, q, now_us, a);
		if (st == ST_OK && a->value.type == DICT_STRING) {
			(void)buf_append(out, a->value.octets);
			a->value.octets = buf_slice(out);
		}
	}
	store_view_end(&c->view);
	return st;
}
