/* Encoding and decoding of frames. */
#include "store/wire.h"

static const char *const names[] = {
#define X(name) #name,
	WIRE_LIST(X)
#undef X
};

const char *wire_type_name(enum wire_type type)
{
	return (unsigned)type < WIRE__COUNT ? names[type] : "?";
}

static void put(struct buf *b, const void *octets, size_t len)
{
	(void)buf_append(b, slice_of(octets, len));      /* no ceiling: cannot fail */
}

void wire_put_u8(struct buf *b, uint8_t n)
{
	put(b, &n, sizeof(n));
}

void wire_put_u32(struct buf *b, uint32_t n)
{
	put(b, &n, sizeof(n));
}

void wire_put_u64(struct buf *b, uint64_t n)
{
	put(b, &n, sizeof(n));
}

void wire_put_bytes(struct buf *b, struct slice s)
{
	wire_put_u32(b, (uint32_t)s.len);
	put(b, s.ptr, s.len);
}

void wire_put_message(struct buf *b, const struct wire_message *m)
{
	wire_put_u64(b, m->octets);
	wire_put_u64(b, m->lines);
	wire_put_u64(b, m->header_octets);
	wire_put_u64(b, (uint64_t)m->received);
	wire_put_u32(b, m->flags);
	wire_put_u32(b, m->crc);
	wire_put_bytes(b, m->sender);
}

static bool get(struct slice *in, void *out, size_t len)
{
	if (in->len < len)
		return false;
	memcpy(out, in->ptr, len);
	*in = slice_skip(*in, len);
	return true;
}

bool wire_get_u8(struct slice *in, uint8_t *n)
{
	return get(in, n, sizeof(*n));
}

bool wire_get_u32(struct slice *in, uint32_t *n)
{
	return get(in, n, sizeof(*n));
}

bool wire_get_u64(struct slice *in, uint64_t *n)
{
	return get(in, n, sizeof(*n));
}

bool wire_get_bytes(struct slice *in, struct slice *s)
{
	uint32_t len;

	if (!wire_get_u32(in, &len) || in->len < len)
		return false;
	*s = slice_head(*in, len);
	*in = slice_skip(*in, len);
	return true;
}

bool wire_get_message(struct slice *in, struct wire_message *m)
{
	uint64_t received;

	if (!wire_get_u64(in, &m->octets) || !wire_get_u64(in, &m->lines) ||
	    !wire_get_u64(in, &m->header_octets) || !wire_get_u64(in, &received) ||
	    !wire_get_u32(in, &m->flags) || !wire_get_u32(in, &m->crc) ||
	    !wire_get_bytes(in, &m->sender))
		return false;
	m->received = (int64_t)received;
	return true;
}

void wire_begin(struct buf *b, enum wire_type type)
{
	struct wire_header h = { .version = WIRE_VERSION, .type = (uint8_t)type };

	put(b, &h, sizeof(h));
}

void wire_finish(struct buf *b, uint64_t id, size_t body, uint8_t flags)
{
	struct wire_header h;
	char *at = b->data + b->start;

	memcpy(&h, at, sizeof(h));
	h.length = (uint32_t)(buf_len(b) - sizeof(h) + body);
	h.flags = flags;
	h.id = id;
	memcpy(at, &h, sizeof(h));
}
