/* The door to authentication: which mechanisms there are, which may be offered, and the way of
 * the client's base64 lines to the mechanism that waits for them. */
#include "hook/login.h"

#include "base/log.h"
#include "base/mem.h"
#include "mail/base64.h"
#include "hook/login_exchange.h"
#include "hook/login_sasl.h"

enum need {
	NEED_PRIVACY = 1,        /* the password or token itself goes over the wire */
	NEED_SECRET  = 2,        /* somebody answers HOOK_SECRET */
	NEED_TOKEN   = 4,        /* somebody answers HOOK_TOKEN */
	NEED_BINDING = 8,        /* the TLS session has channel binding data */
};

/* Strongest first.  start: the server speaks first; first: takes the client's first message,
 * NULL when the mechanism knows no initial response (RFC 4954, 4). */
static const struct mechanism {
	const char           *name;
	enum login_mechanism  bit;
	unsigned              needs;
	void                (*start)(struct login *l);
	login_message_fn     *first;
} mechanisms[] = {
	{ "SCRAM-SHA-256-PLUS", LOGIN_SCRAM_SHA_256_PLUS, NEED_SECRET | NEED_BINDING, NULL,
	  login_sasl_scram_plus },
	{ "SCRAM-SHA-256", LOGIN_SCRAM_SHA_256, NEED_SECRET, NULL, login_sasl_scram },
	{ "OAUTHBEARER", LOGIN_OAUTHBEARER, NEED_TOKEN | NEED_PRIVACY, NULL, login_sasl_oauthbearer },
	{ "XOAUTH2",     LOGIN_XOAUTH2,     NEED_TOKEN | NEED_PRIVACY, NULL, login_sasl_xoauth2 },
	{ "CRAM-MD5",    LOGIN_CRAM_MD5,    NEED_SECRET,  login_sasl_start_cram_md5, NULL },
	{ "PLAIN",       LOGIN_PLAIN,       NEED_PRIVACY, NULL, login_sasl_plain },
	{ "LOGIN",       LOGIN_LOGIN,       NEED_PRIVACY, login_sasl_start_login, login_sasl_login_user },
};

void login_init(struct login *l, struct machine *m, login_step_fn *step, void *owner)
{
	*l = (struct login){ .machine = m, .owner = owner, .step = step };
	buf_init(&l->challenge, 0);
	buf_init(&l->user, 0);
	m->login = l;
}

/* The question borrows from the exchange: it goes first. */
void login_clear(struct login *l)
{
	if (!l->machine)
		return;
	if (l->exchange)
		question_cancel(l->machine->question);
	login_exchange_free(l);
	buf_wipe(&l->challenge);
	buf_free(&l->user);
	l->machine->login = NULL;
}

static bool has_binding(const struct machine *m)
{
	unsigned char data[64];
	size_t len;

	return m->facts.tls.active && m->channel_binding &&
	       (m->channel_binding(m->host, "tls-exporter", data, &len) == ST_OK ||
	        m->channel_binding(m->host, "tls-server-end-point", data, &len) == ST_OK);
}

unsigned login_offered(struct login *l, unsigned configured, bool plain_allowed)
{
	const struct machine *m = l->machine;
	uint32_t hooks = m->policy ? m->policy->hooks : 0;
	unsigned met = 0, offered = 0;

	if (m->facts.tls.active || plain_allowed)
		met |= NEED_PRIVACY;
	if (hooks & 1u << HOOK_SECRET)
		met |= NEED_SECRET;
	if (hooks & 1u << HOOK_TOKEN)
		met |= NEED_TOKEN;
	if (configured & LOGIN_SCRAM_SHA_256_PLUS && has_binding(m))
		met |= NEED_BINDING;
	for (size_t i = 0; i < COUNT_OF(mechanisms); i++)
		if ((mechanisms[i].needs & ~met) == 0)
			offered |= mechanisms[i].bit;
	offered &= configured;
	l->plus_offered = offered & LOGIN_SCRAM_SHA_256_PLUS;
	return offered;
}

void login_names(unsigned bits, struct buf *out)
{
	const char *space = "";

	for (size_t i = 0; i < COUNT_OF(mechanisms); i++) {
		if (bits & mechanisms[i].bit) {
			(void)buf_printf(out, "%s%s", space, mechanisms[i].name);
			space = " ";
		}
	}
}

unsigned login_mechanism(struct slice name)
{
	for (size_t i = 0; i < COUNT_OF(mechanisms); i++)
		if (slice_ieq(name, slice_from(mechanisms[i].name)))
			return mechanisms[i].bit;
	return 0;
}

/* Decode a line for the mechanism.  The message outlives the call: it is the exchange's. */
static void take(struct login *l, struct slice line, login_message_fn *expect)
{
	struct login_exchange *e = l->exchange;

	buf_wipe(&e->message);
	if (!expect || base64_decode(line, &e->message) != ST_OK)
		login_exchange_stop(l, LOGIN_BAD);
	else
		expect(l, buf_slice(&e->message));
}

void login_start(struct login *l, unsigned mechanism, bool has_initial, struct slice initial)
{
	const struct mechanism *m = mechanisms;

	while (m < mechanisms + COUNT_OF(mechanisms) && !(m->bit & mechanism))
		m++;
	if (m == mechanisms + COUNT_OF(mechanisms))
		die("login with mechanism %u, which does not exist", mechanism);
	login_exchange_begin(l, m->name);
	if (has_initial)
		take(l, slice_eq(initial, SLICE("=")) ? SLICE_NONE : initial, m->first);
	else if (m->start)
		m->start(l);
	else
		login_exchange_challenge(l, SLICE_NONE, m->first);
}

void login_feed(struct login *l, struct slice line)
{
	struct login_exchange *e = l->exchange;

	if (!e || !(e->expect || e->refused))
		die("a login was fed while it expected nothing");
	if (e->refused)
		login_exchange_refuse_answer(l, &e->verdict);
	else if (slice_eq(line, SLICE("*")))
		login_exchange_stop(l, LOGIN_CANCELED);
	else
		take(l, line, e->expect);
}

void login_password(struct login *l, struct slice user, struct slice password)
{
	login_exchange_begin(l, "USER");
	(void)buf_append(&l->exchange->user, user);
	(void)buf_append(&l->exchange->secret, password);
	login_sasl_ask_auth(l);
}

void login_apop(struct login *l, struct slice user, struct slice timestamp, struct slice digest)
{
	struct login_exchange *e;

	login_exchange_begin(l, "APOP");
	e = l->exchange;
	(void)buf_append(&e->user, user);
	(void)buf_append(&e->challenge, timestamp);
	(void)buf_append(&e->secret, digest);
	if (sasl_user_valid(user) && digest.len == 32)
		login_sasl_apop(l);
	else
		login_exchange_stop(l, LOGIN_BAD);
}
