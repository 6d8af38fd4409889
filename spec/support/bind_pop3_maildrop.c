/* The maildrop of a spec: a Lua table that can be slow, busy or broken. */
#include "bind_pop3.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"

struct spec_maildrop {
	struct maildrop      drop;
	struct spec_session *session;
	int                  file;       /* holds the message asked for last, or -1 */
};

static enum status option_status(struct spec_session *s, const char *name)
{
	bind_pop3_option(s, name);
	enum status st = bind_pop3_status(lua_type(s->L, -1) == LUA_TSTRING ? lua_tostring(s->L, -1) : NULL);

	lua_pop(s->L, 1);
	return st;
}

/* A note in the list options[name]. */
static void note(struct spec_session *s, const char *name, lua_Integer n)
{
	if (bind_pop3_option(s, name) == LUA_TTABLE) {
		lua_pushinteger(s->L, n);
		lua_rawseti(s->L, -2, (lua_Integer)lua_rawlen(s->L, -2) + 1);
	}
	lua_pop(s->L, 1);
}

/* Push field of message index (from 0), or the message itself for "octets" of a plain string. */
static int push_message_field(struct spec_session *s, unsigned index, const char *field)
{
	bind_pop3_option(s, "mailbox");
	int type = lua_rawgeti(s->L, -1, (lua_Integer)index + 1);

	lua_remove(s->L, -2);
	if (type == LUA_TSTRING) {
		if (strcmp(field, "octets") == 0)
			return type;
		lua_pop(s->L, 1);
		lua_pushnil(s->L);
		return LUA_TNIL;
	}
	type = lua_getfield(s->L, -1, field);
	lua_remove(s->L, -2);
	return type;
}

void bind_pop3_answer_read(struct spec_session *s, enum status st)
{
	maildrop_read_fn *read = s->read;
	lua_Integer slice = bind_pop3_integer(s, "slice", 1 << 30);
	lua_Integer fail_at = bind_pop3_integer(s, "read_fail_at", -1);
	size_t len;

	s->pending = NOTHING;
	push_message_field(s, s->index, "octets");
	const char *octets = lua_tolstring(s->L, -1, &len);
	size_t at = s->offset < len ? (size_t)s->offset : len;
	size_t n = len - at < s->max ? len - at : s->max;

	n = n < (size_t)slice ? n : (size_t)slice;
	if (fail_at >= 0 && s->offset >= (uint64_t)fail_at)
		st = ST_IO;
	/* A copy that ends with its octets, so that sanitizers see who reads too far. */
	char *copy = mem_alloc(n ? n : 1);

	memcpy(copy, octets + at, n);
	lua_pop(s->L, 1);
	read(s->owner, st, st == ST_OK ? slice_of(copy, n) : SLICE_NONE);
	free(copy);
}

static void drop_read(struct maildrop *m, unsigned index, uint64_t offset, size_t max,
                      maildrop_read_fn *done, void *owner)
{
	struct spec_session *s = ((struct spec_maildrop *)m)->session;

	note(s, "reads", (lua_Integer)max);
	s->index = index;
	s->offset = offset;
	s->max = max;
	s->read = done;
	s->owner = owner;
	s->pending = READ;
	if (!bind_pop3_true(s, "read_later"))
		bind_pop3_answer_read(s, ST_OK);
}

static void drop_commit(struct maildrop *m, const unsigned *indexes, unsigned count,
                        maildrop_done_fn *done, void *owner)
{
	struct spec_session *s = ((struct spec_maildrop *)m)->session;

	for (unsigned i = 0; i < count; i++)
		note(s, "committed", (lua_Integer)indexes[i] + 1);
	s->done = done;
	s->owner = owner;
	if (bind_pop3_true(s, "commit_later"))
		s->pending = COMMIT;
	else
		done(owner, option_status(s, "commit"));
}

static void drop_close(struct maildrop *m)
{
	struct spec_session *s = ((struct spec_maildrop *)m)->session;

	if (s->pending == READ || s->pending == COMMIT) {
		s->pending = NOTHING;
		s->cancel_count++;
	}
	s->close_count++;
	s->login_time = m->login_time;
	for (unsigned i = 0; i < m->count; i++)
		free((char *)m->entries[i].uidl);
	if (((struct spec_maildrop *)m)->file >= 0)
		close(((struct spec_maildrop *)m)->file);
	free(m->entries);
	free(m);
}

/* Every message lies in a file when the specs ask for it with a list of `ranges`. */
static bool drop_range(struct maildrop *m, unsigned index, uint64_t offset, size_t max,
                       struct file_range *out)
{
	struct spec_maildrop *drop = (struct spec_maildrop *)m;
	struct spec_session *s = drop->session;
	lua_Integer most = bind_pop3_integer(s, "range", 1 << 30);
	size_t len;

	if (bind_pop3_option(s, "ranges") != LUA_TTABLE || most == 0) {
		lua_pop(s->L, 1);
		return false;
	}
	note(s, "ranges", (lua_Integer)max);
	push_message_field(s, index, "octets");
	const char *octets = lua_tolstring(s->L, -1, &len);

	if (drop->file >= 0)
		close(drop->file);
	drop->file = memfd_create("spec", MFD_CLOEXEC);
	bool written = drop->file >= 0 && write(drop->file, octets, len) == (ssize_t)len;

	lua_pop(s->L, 2);
	*out = (struct file_range){ drop->file, offset, max < (size_t)most ? max : (size_t)most };
	return written;
}

static const struct maildrop_ops drop_ops = { drop_read, drop_commit, drop_close, drop_range };

static void fill_entry(struct spec_session *s, unsigned i, struct maildrop_entry *e)
{
	size_t len;

	push_message_field(s, i, "octets");
	lua_tolstring(s->L, -1, &len);
	e->uid = i + 1;
	e->octets = push_message_field(s, i, "size") == LUA_TNUMBER ? (uint64_t)lua_tointeger(s->L, -1)
	                                                            : len;
	e->uidl = push_message_field(s, i, "uidl") == LUA_TSTRING ? mem_strdup(lua_tostring(s->L, -1))
	                                                          : NULL;
	push_message_field(s, i, "dots");
	e->flags = lua_toboolean(s->L, -1) ? MESSAGE_DOT_LINES : 0;
	e->stuff_unknown = lua_isnil(s->L, -1);
	push_message_field(s, i, "open_end");
	if (lua_toboolean(s->L, -1))
		e->flags |= MESSAGE_OPEN_END;
	lua_pop(s->L, 5);
}

static struct maildrop *make_drop(struct spec_session *s)
{
	struct spec_maildrop *m = MEM_NEW(struct spec_maildrop);

	m->session = s;
	m->file = -1;
	m->drop.ops = &drop_ops;
	m->drop.uidvalidity = 0x5eed;
	m->drop.last_login = bind_pop3_integer(s, "last_login", 0);
	if (bind_pop3_option(s, "mailbox") == LUA_TTABLE)
		m->drop.count = (unsigned)lua_rawlen(s->L, -1);
	lua_pop(s->L, 1);
	m->drop.entries = mem_array(m->drop.count + 1, sizeof(*m->drop.entries));
	for (unsigned i = 0; i < m->drop.count; i++) {
		fill_entry(s, i, &m->drop.entries[i]);
		m->drop.octets += m->drop.entries[i].octets;
	}
	return &m->drop;
}

void bind_pop3_answer_open(struct spec_session *s, enum status st)
{
	s->pending = NOTHING;
	s->opened(s->owner, st, st == ST_OK ? make_drop(s) : NULL);
}

static void provider_open(struct mailbox_provider *p, const struct facts *f, struct slice mailbox,
                          maildrop_opened_fn *done, void *owner)
{
	struct spec_session *s = CONTAINER_OF(p, struct spec_session, provider);

	(void)f;
	s->open_count++;
	s->opened = done;
	s->owner = owner;
	if (bind_pop3_option(s, "opened") == LUA_TTABLE) {
		lua_pushlstring(s->L, mailbox.ptr, mailbox.len);
		lua_rawseti(s->L, -2, (lua_Integer)lua_rawlen(s->L, -2) + 1);
	}
	lua_pop(s->L, 1);
	s->pending = OPEN;
	if (!bind_pop3_true(s, "open_later"))
		bind_pop3_answer_open(s, option_status(s, "open"));
}

static void provider_cancel_open(struct mailbox_provider *p, void *owner)
{
	struct spec_session *s = CONTAINER_OF(p, struct spec_session, provider);

	(void)owner;
	s->pending = NOTHING;
	s->cancel_count++;
}

const struct mailbox_ops bind_pop3_mailboxes = {
	.open = provider_open,
	.cancel_open = provider_cancel_open,
};
