/* Where the mail of a recipient goes.
 *
 *   address -> alias -> user -> the same without "+detail" -> catch-all -> postmaster -> unknown
 *
 * An alias may name other aliases; one that names itself means the mailbox of that name (the
 * usual "alice: alice, bob").  RFC 5321, 4.5.1: postmaster is always there. */
#include "server/directory.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "mail/address.h"
#include "mail/idna.h"

enum { DEPTH_MAX = 10, TARGETS_MAX = 1000 };      /* aliases of aliases; mailboxes of one address */

struct directory {
	struct policy        policy;
	const struct config *config;
	struct store_client *store;
	struct map           aliases, catch_all;              /* of the configuration */
};

/* One name on the way from the recipient to a mailbox. */
struct step {
	const struct step *from;
	struct slice       address;       /* canonical, with its detail */
	struct slice       plain, domain;
	unsigned           depth;
};

struct search {
	struct directory *d;
	struct question  *q;
	unsigned          count;
	bool              any_mailbox;    /* a plugin said yes: unknown users have a mailbox too */
};

/* Go on looking, found, or refused: the verdict is set. */
enum found { FOUND_NOTHING, FOUND, FOUND_REFUSED };

static enum found resolve(struct search *s, struct slice address, const struct step *from);

static enum found refuse(struct search *s, enum verdict_kind kind, const char *status,
                         const char *text)
{
	verdict_set(&s->q->verdict, kind, status, "%s", text);
	return FOUND_REFUSED;
}

static enum found broken(struct search *s)
{
	return refuse(s, VERDICT_TEMPFAIL, "4.3.0", "The directory cannot be read now, try again later");
}

static bool configured_domain(const struct config *c, struct slice domain)
{
	for (const char **d = c->domains; d && *d; d++)
		if (slice_ieq(slice_from(*d), domain))
			return true;
	return false;
}

static enum status known_domain(const struct config *c, struct store_client *store,
                                struct slice domain, struct arena *a, struct store_domain *out)
{
	enum status st = store ? store_domain_get(store, domain, a, out) : ST_NOTFOUND;

	if (st == ST_NOTFOUND && configured_domain(c, domain)) {
		*out = (struct store_domain){ 0 };
		return ST_OK;
	}
	return st;
}

/* The domain as it was said, or in the spelling in which we know it: then *domain becomes that. */
static enum status local_domain(const struct config *c, struct store_client *store,
                                struct slice *domain, struct arena *a, struct store_domain *out)
{
	enum status st = known_domain(c, store, *domain, a, out);
	struct idna_spellings other;

	if (st != ST_NOTFOUND || idna_spell(*domain, a, &other) != ST_OK)
		return st;
	st = known_domain(c, store, other.ascii, a, out);
	if (st == ST_OK)
		*domain = other.ascii;
	if (st != ST_NOTFOUND)
		return st;
	st = known_domain(c, store, other.unicode, a, out);
	if (st == ST_OK)
		*domain = other.unicode;
	return st;
}

bool server_directory_local(const struct config *config, struct store_client *store,
                            struct slice domain)
{
	struct store_domain ignored;
	struct arena a;
	bool local;

	arena_init(&a);
	local = local_domain(config, store, &domain, &a, &ignored) == ST_OK;
	arena_reset(&a);
	return local;
}

static struct slice join(struct arena *a, struct slice plain, struct slice domain)
{
	return slice_from(arena_printf(a, "%.*s@%.*s", SLICE_ARG(plain), SLICE_ARG(domain)));
}

/* The mailbox has room for one message more, and for one of the size that the client declared. */
static enum found check_quota(struct search *s, struct slice mailbox, const struct store_user *user)
{
	const struct store_settings *defaults = &s->d->config->store;
	uint64_t size = s->q->recipient.size;
	struct store_mailbox m = { 0 };
	uint64_t octets, messages;
	enum status st = store_mailbox_get(s->d->store, mailbox, &s->q->arena, &m);

	if (st != ST_OK && st != ST_NOTFOUND)
		return broken(s);
	octets = m.quota_octets ? m.quota_octets : user && user->quota_octets ? user->quota_octets :
	         defaults->default_quota_octets;
	messages = m.quota_messages ? m.quota_messages :
	           user && user->quota_messages ? user->quota_messages :
	           defaults->default_quota_messages;
	if (octets && size > octets)
		return refuse(s, VERDICT_REJECT, "5.2.2", "The message is larger than the mailbox may be");
	if ((octets && (m.octets >= octets || size > octets - m.octets)) ||
	    (messages && m.count >= messages))
		return s->d->config->smtp.quota_tempfail ?
		       refuse(s, VERDICT_TEMPFAIL, "4.2.2", "The mailbox is full, try again later") :
		       refuse(s, VERDICT_REJECT, "5.2.2", "The mailbox is full");
	return FOUND;
}

static enum found deliver_to(struct search *s, struct slice mailbox, struct slice address,
                             const struct store_user *user)
{
	struct recipient_target **end = &s->q->targets, *t;
	enum found found = s->d->store ? check_quota(s, mailbox, user) : FOUND;

	if (found != FOUND)
		return found;
	for (; *end; end = &(*end)->next)
		if (slice_eq(slice_from((*end)->mailbox), mailbox))
			return FOUND;         /* two aliases that meet in one mailbox: one copy */
	if (++s->count > TARGETS_MAX)
		return refuse(s, VERDICT_REJECT, "5.5.3", "The alias has too many recipients");
	t = arena_alloc(&s->q->arena, sizeof(*t));
	t->mailbox = arena_strdup(&s->q->arena, mailbox);
	t->address = arena_strdup(&s->q->arena, address);
	*end = t;
	return FOUND;
}

static bool visited(const struct step *step, struct slice address)
{
	for (; step; step = step->from)
		if (slice_eq(step->address, address))
			return true;
	return false;
}

/* The configuration's word goes before the store's. */
static enum status get_alias(struct search *s, struct slice address, struct store_alias *out)
{
	const struct config_alias *a = map_get(&s->d->aliases, address);

	if (!a)
		return s->d->store ? store_alias_get(s->d->store, address, &s->q->arena, out) :
		                     ST_NOTFOUND;
	out->address = (char *)a->address;
	out->targets = (char **)a->targets;
	for (out->target_count = 0; a->targets[out->target_count]; out->target_count++)
		;
	return ST_OK;
}

static enum found follow_alias(struct search *s, const struct step *step, struct slice address)
{
	struct step here = *step;
	struct store_alias alias;
	enum found found = FOUND_NOTHING;
	enum status st = get_alias(s, address, &alias);

	if (st == ST_NOTFOUND)
		return FOUND_NOTHING;
	if (st != ST_OK)
		return broken(s);
	here.address = address;
	if (step->depth >= DEPTH_MAX) {
		log_warn("aliases go round in circles", "alias", alias.address, NULL);
		return refuse(s, VERDICT_REJECT, "5.4.6", "The alias of this address goes round in circles");
	}
	for (unsigned i = 0; i < alias.target_count; i++) {
		enum found one = resolve(s, slice_from(alias.targets[i]), &here);

		if (one == FOUND_REFUSED)
			return one;
		if (one == FOUND)
			found = FOUND;
		else
			log_warn("an alias names an address that does not exist here", "alias", alias.address,
			         "target", alias.targets[i], NULL);
	}
	if (found == FOUND)
		return found;
	return refuse(s, VERDICT_TEMPFAIL, "4.3.5", "The alias of this address leads nowhere");
}

static enum found find_user(struct search *s, struct slice name, struct slice address)
{
	const struct config_user *configured = map_get(&s->d->config->user_names, name);
	struct store_user user = { 0 };
	enum status st;

	if (configured) {
		user.quota_octets = configured->quota_octets;
		user.quota_messages = configured->quota_messages;
		return deliver_to(s, configured->mailbox ? slice_from(configured->mailbox) : name, address,
		                  &user);
	}
	if (!s->d->store)
		return FOUND_NOTHING;
	st = store_user_get(s->d->store, name, &s->q->arena, &user);
	if (st == ST_NOTFOUND)
		return FOUND_NOTHING;
	if (st != ST_OK)
		return broken(s);
	if (user.disabled)
		return refuse(s, VERDICT_REJECT, "5.2.1", "This mailbox is disabled");
	return deliver_to(s, name, address, &user);
}

/* Alias first, then the user: an alias may so redirect an existing user.  A name that we came from
 * is a mailbox, not an alias again. */
static enum found find_name(struct search *s, const struct step *step, struct slice name)
{
	enum found found = FOUND_NOTHING;

	if (!visited(step->from, name))
		found = follow_alias(s, step, name);
	return found != FOUND_NOTHING ? found : find_user(s, name, step->address);
}

static enum found find_postmaster(struct search *s, const struct step *step)
{
	const struct config *c = s->d->config;
	struct slice to;

	if (!slice_ieq(step->plain, SLICE("postmaster")))
		return FOUND_NOTHING;
	if (c->postmaster && !visited(step, slice_from(c->postmaster)))
		to = slice_from(c->postmaster);
	else if (c->default_domain)
		to = join(&s->q->arena, SLICE("postmaster"), slice_from(c->default_domain));
	else
		to = step->address;
	if (!visited(step, to)) {
		enum found found = resolve(s, to, step);

		if (found != FOUND_NOTHING)
			return found;
	}
	return deliver_to(s, to, step->address, NULL);
}

static enum found find_catch_all(struct search *s, const struct step *step,
                                 const struct store_domain *domain)
{
	struct slice name = join(&s->q->arena, SLICE(""), step->domain);
	const struct config_catch_all *configured = map_get(&s->d->catch_all, step->domain);
	const char *to = configured ? configured->target : domain->catch_all;
	enum found found = FOUND_NOTHING;

	/* "@example.test" in the table of aliases, or the domain's own catch-all. */
	if (!visited(step, name))
		found = follow_alias(s, step, name);
	if (found != FOUND_NOTHING || !to)
		return found;
	name = slice_from(to);
	if (!visited(step, name)) {
		found = resolve(s, name, step);
		if (found != FOUND_NOTHING)
			return found;
	}
	return deliver_to(s, name, step->address, NULL);
}

static enum found search_domain(struct search *s, const struct step *step,
                                const struct store_domain *domain)
{
	struct slice user, detail, base = step->address;
	enum found found = find_name(s, step, step->address);

	if (found != FOUND_NOTHING)
		return found;
	address_split_detail(step->plain, s->d->config->recipient_delimiter, &user, &detail);
	if (user.len && user.len < step->plain.len) {
		base = join(&s->q->arena, user, step->domain);
		found = find_name(s, step, base);
		if (found != FOUND_NOTHING)
			return found;
	}
	if (s->any_mailbox && !step->from)
		return deliver_to(s, base, step->address, NULL);
	found = find_postmaster(s, step);
	return found != FOUND_NOTHING ? found : find_catch_all(s, step, domain);
}

/* "[127.0.0.1]" and "[IPv6:::1]" where they name this end of the connection, and our host name for
 * its postmaster, stand for the default domain (RFC 5321, 4.1.3 and 4.5.1). */
static bool stands_for_us(const struct search *s, const struct address_parts *p)
{
	const struct facts *f = s->q->facts;
	struct slice ip = p->domain;

	if (!p->literal)
		return slice_ieq(p->plain, SLICE("postmaster")) &&
		       slice_ieq(p->domain, slice_from(s->d->config->hostname));
	ip = slice_head(slice_skip(ip, 1), ip.len >= 2 ? ip.len - 2 : 0);
	if (slice_istarts(ip, SLICE("IPv6:")))
		ip = slice_skip(ip, 5);
	return f && slice_ieq(ip, slice_from(f->local_ip));
}

static enum found resolve(struct search *s, struct slice address, const struct step *from)
{
	const struct config *c = s->d->config;
	struct step step = { .from = from, .depth = from ? from->depth + 1 : 0 };
	struct address_parts parts;
	struct store_domain domain;
	enum status st;

	if (address_parse_mailbox(address, ADDRESS_UTF8 | ADDRESS_NO_DOMAIN_OK, &s->q->arena,
	                          &parts) != ST_OK)
		return FOUND_NOTHING;
	if (parts.domain.len == 0 || stands_for_us(s, &parts))
		parts.domain = slice_from(c->default_domain ? c->default_domain : c->hostname);
	st = local_domain(c, s->d->store, &parts.domain, &s->q->arena, &domain);
	step.address = address_canonical(&parts, &s->q->arena);
	step.domain = parts.domain;
	step.plain = slice_head(step.address, step.address.len - parts.domain.len - 1);
	if (st == ST_OK)
		return search_domain(s, &step, &domain);
	if (st != ST_NOTFOUND)
		return broken(s);
	/* No local domain at all, but postmaster without a domain has to work. */
	return slice_eq(parts.domain, slice_from(c->hostname)) ? find_postmaster(s, &step) :
	                                                           FOUND_NOTHING;
}

static void refuse_remote(struct search *s, struct slice domain)
{
	if (s->q->facts && s->q->facts->identity.user)
		verdict_set(&s->q->verdict, VERDICT_REJECT, "5.7.1",
		            "This server delivers to its own domains only: %.*s is not one of them, and "
		            "relaying to other servers is not supported", SLICE_ARG(domain));
	else
		verdict_set(&s->q->verdict, VERDICT_REJECT, "5.7.1", "Relaying denied");
}

static void answer_recipient(struct directory *d, struct question *q)
{
	struct search s = { .d = d, .q = q, .any_mailbox = q->verdict.kind == VERDICT_ACCEPT };
	struct slice address = q->recipient.address;
	size_t at = slice_rfind(address, '@');
	struct slice domain = slice_skip(address, at + 1);

	q->targets = NULL;
	switch (resolve(&s, address, NULL)) {
	case FOUND:
		q->verdict.kind = VERDICT_ACCEPT;
		return;
	case FOUND_REFUSED:
		q->targets = NULL;
		return;
	case FOUND_NOTHING:
		break;
	}
	if (at == address.len || server_directory_local(d->config, d->store, domain))
		verdict_set(&q->verdict, VERDICT_REJECT, "5.1.1", "No such user here");
	else
		refuse_remote(&s, domain);
}

static void ask(struct policy *p, struct question *q)
{
	struct directory *d = CONTAINER_OF(p, struct directory, policy);

	if (q->hook == HOOK_ACCEPT_RECIPIENT && !q->targets)
		answer_recipient(d, q);
	question_answer(q);
}

struct policy *server_directory_new(const struct config *config, struct store_client *store)
{
	struct directory *d = MEM_NEW(struct directory);

	d->policy = (struct policy){ .ask = ask, .hooks = 1u << HOOK_ACCEPT_RECIPIENT };
	d->config = config;
	d->store = store;
	map_init(&d->aliases);
	map_init(&d->catch_all);
	for (unsigned i = 0; i < config->alias_count; i++)
		(void)map_put(&d->aliases, slice_from(config->aliases[i].address), &config->aliases[i]);
	for (unsigned i = 0; i < config->catch_all_count; i++)
		(void)map_put(&d->catch_all, slice_from(config->catch_all[i].domain),
		              &config->catch_all[i]);
	return &d->policy;
}

void server_directory_free(struct policy *p)
{
	struct directory *d = p ? CONTAINER_OF(p, struct directory, policy) : NULL;

	if (!d)
		return;
	map_free(&d->aliases, NULL);
	map_free(&d->catch_all, NULL);
	free(d);
}
