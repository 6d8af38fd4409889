/* Encoding and decoding of directory records. */
#include "store/record.h"

#include "store/schema.h"
#include "store/wire.h"

/* NULL and "" differ: a NULL text has the length of all ones. */
static const uint32_t absent = UINT32_MAX;

static void put_text(struct buf *out, const char *text)
{
	if (text)
		wire_put_bytes(out, slice_from(text));
	else
		wire_put_u32(out, absent);
}

static bool get_text(struct slice *in, struct arena *a, char **text)
{
	struct slice s = *in;
	uint32_t len;

	*text = NULL;
	if (!wire_get_u32(&s, &len))
		return false;
	if (len == absent) {
		*in = s;
		return true;
	}
	if (!wire_get_bytes(in, &s))
		return false;
	*text = arena_strdup(a, s);
	return true;
}

static bool get_bytes(struct slice *in, struct arena *a, struct slice *out)
{
	struct slice s;

	if (!wire_get_bytes(in, &s))
		return false;
	*out = s.len ? arena_copy(a, s) : SLICE_NONE;
	return true;
}

static bool get_version(struct slice *in)
{
	uint8_t version;

	return wire_get_u8(in, &version) && version == VALUE_VERSION;
}

void record_put_user(struct buf *out, const struct store_user *u)
{
	wire_put_u8(out, VALUE_VERSION);
	wire_put_u8(out, u->disabled);
	wire_put_u64(out, (uint64_t)u->created);
	wire_put_u64(out, u->quota_octets);
	wire_put_u64(out, u->quota_messages);
	wire_put_u32(out, u->scram_iterations);
	wire_put_bytes(out, u->scram_salt);
	wire_put_bytes(out, u->scram_stored_key);
	wire_put_bytes(out, u->scram_server_key);
	put_text(out, u->password);
	put_text(out, u->plain);
}

enum status record_get_user(struct slice name, struct slice in, struct arena *a,
                            struct store_user *u)
{
	uint8_t disabled;
	uint64_t created;

	*u = (struct store_user){ .name = arena_strdup(a, name) };
	if (!get_version(&in) || !wire_get_u8(&in, &disabled) || !wire_get_u64(&in, &created) ||
	    !wire_get_u64(&in, &u->quota_octets) || !wire_get_u64(&in, &u->quota_messages) ||
	    !wire_get_u32(&in, &u->scram_iterations) || !get_bytes(&in, a, &u->scram_salt) ||
	    !get_bytes(&in, a, &u->scram_stored_key) || !get_bytes(&in, a, &u->scram_server_key) ||
	    !get_text(&in, a, &u->password) || !get_text(&in, a, &u->plain))
		return ST_CORRUPT;
	u->disabled = disabled != 0;
	u->created = (int64_t)created;
	return ST_OK;
}

void record_put_domain(struct buf *out, const struct store_domain *d)
{
	wire_put_u8(out, VALUE_VERSION);
	put_text(out, d->catch_all);
}

enum status record_get_domain(struct slice name, struct slice in, struct arena *a,
                              struct store_domain *d)
{
	*d = (struct store_domain){ .name = arena_strdup(a, name) };
	return get_version(&in) && get_text(&in, a, &d->catch_all) ? ST_OK : ST_CORRUPT;
}

void record_put_alias(struct buf *out, const struct store_alias *a)
{
	wire_put_u8(out, VALUE_VERSION);
	wire_put_u32(out, a->target_count);
	for (unsigned i = 0; i < a->target_count; i++)
		put_text(out, a->targets[i]);
}

enum status record_get_alias(struct slice address, struct slice in, struct arena *a,
                             struct store_alias *out)
{
	uint32_t count;

	*out = (struct store_alias){ .address = arena_strdup(a, address) };
	if (!get_version(&in) || !wire_get_u32(&in, &count) || count > in.len / sizeof(uint32_t))
		return ST_CORRUPT;
	out->targets = arena_alloc(a, count * sizeof(char *));
	for (; out->target_count < count; out->target_count++)
		if (!get_text(&in, a, &out->targets[out->target_count]) ||
		    !out->targets[out->target_count])
			return ST_CORRUPT;
	return ST_OK;
}
