/* Looking up accounts; remembering verified passwords without keeping them: the map's keys are
 * HMACs under a random key of this process, its values the times until which they are good. */
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
	const struct config_user *u = map_get(&c->user_names, name);

	if (!u)
		return false;
	*out = (struct store_user){
		.name = arena_strdup(a, name), .password = arena_strdup(a, slice_from(u->password)),
		.quota_octets = u->quota_octets, .quota_messages = u->quota_messages,
	};
	*mailbox = u->mailbox ? u->mailbox : out->name;
	return true;
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

	digest_sha256(hash, both);
	digest_sha256(password, both + SHA256_SIZE);
	digest_hmac_sha256(slice_of(s->verified_key, sizeof(s->verified_key)),
	                   slice_of(both, sizeof(both)), out);
	mem_wipe(both, sizeof(both));
}

static uintptr_t now_s(void)
{
	return (uintptr_t)(clock_ms() / 1000);
}

bool users_verified(struct script *s, struct slice hash, struct slice password)
{
	unsigned char key[SHA256_SIZE];

	if (s->setup.config->password_cache_s == 0 || s->verified.count == 0)
		return false;
	make_key(s, hash, password, key);
	uintptr_t until = (uintptr_t)map_get(&s->verified, slice_of(key, sizeof(key)));

	if (until > now_s())
		return true;
	if (until)
		(void)map_remove(&s->verified, slice_of(key, sizeof(key)));
	return false;
}

void users_remember(struct script *s, struct slice hash, struct slice password)
{
	uintptr_t until = now_s() + s->setup.config->password_cache_s;
	unsigned char key[SHA256_SIZE];

	if (s->setup.config->password_cache_s == 0)
		return;
	if (s->verified.count >= REMEMBERED_MAX)
		map_free(&s->verified, NULL);     /* forgetting costs time, never safety */
	make_key(s, hash, password, key);
	(void)map_put(&s->verified, slice_of(key, sizeof(key)), (void *)until);
}

void users_forget(struct script *s)
{
	map_free(&s->verified, NULL);
	mem_wipe(s->verified_key, sizeof(s->verified_key));
}
