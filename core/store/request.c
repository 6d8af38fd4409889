/* Decoding requests of the wire. */
#include "store/request.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/schema.h"

struct store_request *store_request_new(enum wire_type type, uint64_t id)
{
	struct store_request *r = MEM_NEW(struct store_request);

	r->type = type;
	r->id = id;
	r->fd = -1;
	list_init(&r->link);
	return r;
}

void store_request_free(struct store_request *r)
{
	if (r->fd >= 0)
		close(r->fd);
	free(r->names);
	if (r->dict)
		buf_free(&r->dict->answer);
	free(r->dict);
	free(r);
}

static bool get_names(struct store_request *r, struct slice *in)
{
	if (!wire_get_u32(in, &r->count) || r->count == 0 || r->count > in->len / sizeof(uint32_t))
		return false;
	r->names = mem_array(r->count, sizeof(*r->names) + REQUEST_RESULT);
	r->results = (uint8_t *)(r->names + r->count);
	for (uint32_t i = 0; i < r->count; i++)
		if (!wire_get_bytes(in, &r->names[i]))
			return false;
	return true;
}

static bool get_name(struct store_request *r, struct slice *in)
{
	r->count = 1;
	r->names = mem_array(1, sizeof(*r->names) + REQUEST_RESULT);
	r->results = (uint8_t *)(r->names + 1);
	return wire_get_bytes(in, &r->names[0]) && r->names[0].len > 0 &&
	       r->names[0].len <= MAILBOX_NAME_MAX;
}

static bool get_body(struct store_request *r, struct slice *in)
{
	r->body = *in;
	*in = SLICE_NONE;
	if (r->fd >= 0)
		return r->body.len == 0;
	return r->body.len == r->message.octets && r->body.len <= BODY_INLINE_MAX;
}

static bool decode_deliver(struct store_request *r, struct slice *in)
{
	return wire_get_message(in, &r->message) && get_names(r, in) && get_body(r, in);
}

static bool decode_import(struct store_request *r, struct slice *in)
{
	return wire_get_message(in, &r->message) && get_name(r, in) && wire_get_bytes(in, &r->uidl) &&
	       get_body(r, in);
}

static bool decode_delete(struct store_request *r, struct slice *in)
{
	if (!wire_get_u64(in, &r->mailbox) || !wire_get_u32(in, &r->count) ||
	    in->len != (size_t)r->count * sizeof(uint64_t))
		return false;
	r->uids = *in;
	*in = SLICE_NONE;
	return true;
}

static bool decode_quota(struct store_request *r, struct slice *in)
{
	return get_name(r, in) && wire_get_u64(in, &r->quota_octets) &&
	       wire_get_u64(in, &r->quota_messages);
}

static bool decode_user(struct store_request *r, struct slice *in)
{
	uint8_t create;

	if (!wire_get_u8(in, &create) || !get_name(r, in) || !wire_get_bytes(in, &r->record))
		return false;
	r->create = create != 0;
	return wire_get_u64(in, &r->quota_octets) && wire_get_u64(in, &r->quota_messages);
}

static bool decode_record(struct store_request *r, struct slice *in)
{
	return get_name(r, in) && wire_get_bytes(in, &r->record);
}

static bool decode_dict(struct store_request *r, struct slice *in)
{
	r->dict = MEM_NEW(struct dict_request);
	buf_init(&r->dict->answer, 0);
	enum status st = dict_get_query(*in, &r->dict->query);

	*in = SLICE_NONE;
	return st == ST_OK;
}

static bool decode_nothing(struct store_request *r, struct slice *in)
{
	(void)r, (void)in;
	return true;
}

static bool (*const decoders[WIRE__COUNT])(struct store_request *, struct slice *) = {
	[WIRE_DELIVER]        = decode_deliver,
	[WIRE_IMPORT]         = decode_import,
	[WIRE_DELETE]         = decode_delete,
	[WIRE_MAILBOX_QUOTA]  = decode_quota,
	[WIRE_MAILBOX_REMOVE] = get_name,
	[WIRE_USER_PUT]       = decode_user,
	[WIRE_USER_REMOVE]    = get_name,
	[WIRE_DOMAIN_PUT]     = decode_record,
	[WIRE_DOMAIN_REMOVE]  = get_name,
	[WIRE_ALIAS_PUT]      = decode_record,
	[WIRE_ALIAS_REMOVE]   = get_name,
	[WIRE_NUMBERS]        = decode_nothing,
	[WIRE_DICT]           = decode_dict,
};

enum status store_request_decode(struct store_request *r)
{
	struct slice in = r->payload;

	if ((unsigned)r->type >= WIRE__COUNT || !decoders[r->type])
		return ST_UNSUPPORTED;
	return decoders[r->type](r, &in) && in.len == 0 ? ST_OK : ST_SYNTAX;
}

size_t store_request_weight(const struct store_request *r)
{
	return sizeof(*r) + r->payload.len + (r->dict ? sizeof(*r->dict) : 0);
}

bool store_request_grows(const struct store_request *r)
{
	return r->type == WIRE_DELIVER || r->type == WIRE_IMPORT ||
	       (r->type == WIRE_DICT && r->dict->query.op != DICT_DELETE);
}
