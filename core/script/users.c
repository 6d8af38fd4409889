/* Looking up accounts; remembering verified passwords without keeping them: the map's keys are
 * HMACs under a random key of this process. */
#include "script/users.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"
#include "script/state.h"

enum { REMEMBERED_MAX = 100000 };

static struct slice full_name(struct script *s, struct slice name, struct arena *a)
{
	const char *domain = s->setup.config->default_domain;
	char *copy = slice_find(name, '@') == name.len && domain
	                 ? arena_printf(a, "%.*s@%s", SLICE_ARG(name), domain)
	                 : arena_strdup(a, name);

	for (char *c = copy; *c; c++)
		*c = ascii_lower(*c);
	return slice_from(copy);
}

static bool in_configuration(const struct config *c, struct slice name, struct arena *a,
                             struct store_user *out, const char **mailbox)
{
	for (unsigned i = 0; i < c->user_count; i++) {
		const struct config_user *u = &c->users[i];

		if (!slice_eq(slice_from(u->name), name))
			continue;
		*out = (struct store_user){
			.name = arena_strdup(a, name), .password = arena_strdup(a, slice_from(u->password)),
			.quota_octets = u->quota_octets, .quota_messages = u->quota_messages,
		};
		*mailbox = u->mailbox ? u->mailbox : out->name;
		return true;
	}
	return false;
}

enum status users_get(struct script *s, struct slice name, struct arena *a, struct store_user *out,
                      const char **mailbox)
{
	enum status st;

	name = full_name(s, name, a);
	if (in_configuration(s->setup.config, name, a, out, mailbox))
		return ST_OK;
	if (!s->setup.store)
		return ST_UNSUPPORTED;
	st = store_user_get(s->setup.store, name, a, out);
	if (st == ST_OK)
		*mailbox = out->name;
	return st;
}

/* ---- remembered passwords ---- */

static void make_key(struct script *s, struct slice hash, struct slice password,
                     unsigned char out[SHA256_SIZE])
{
	unsigned char both[2 * SHA256_SIZE];

	digest_hmac_sha256(slice_of(s->verified_key, sizeof(s->verified_key)), hash, both);
	digest_hmac_sha256(slice_of(s->verified_key, sizeof(s->verified_key)), password,
	                   both + SHA256_SIZE);
	digest_hmac_sha256(slice_of(s->verified_key, sizeof(s->verified_key)),
	                   slice_of(both, sizeof(both)), out);
	mem_wipe(both, sizeof(both));
}

bool users_verified(struct script *s, struct slice hash, struct slice password)
{
	unsigned char key[SHA256_SIZE];
	uint64_t *until;

	if (s->setup.config->password_cache_s == 0 || s->verified.count == 0)
		return false;
	make_key(s, hash, password, key);
	until = map_get(&s->verified, slice_of(key, sizeof(key)));
	if (until && *until > clock_ms())
		return true;
	if (until)
		free(map_remove(&s->verified, slice_of(key, sizeof(key))));
	return false;
}

void users_remember(struct script *s, struct slice hash, struct slice password)
{
	unsigned char key[SHA256_SIZE];
	uint64_t *until;

	if (s->setup.config->password_cache_s == 0)
		return;
	if (s->verified.count >= REMEMBERED_MAX)
		map_free(&s->verified, free);     /* forgetting costs time, never safety */
	make_key(s, hash, password, key);
	until = MEM_NEW(uint64_t);
	*until = clock_ms() + (uint64_t)s->setup.config->password_cache_s * 1000;
	free(map_put(&s->verified, slice_of(key, sizeof(key)), until));
}

void users_forget(struct script *s)
{
	map_free(&s->verified, free);
	mem_wipe(s->verified_key, sizeof(s->verified_key));
}
