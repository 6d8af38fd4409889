/* The SASL mechanisms as steps of an exchange: what is asked of policy and told to the client.
 * The arithmetic is core/mail/sasl's.
 *
 * Unknown users cost the same work and see the same dialogue as known ones, as far as the core
 * can do it: made-up salts, keys and passwords that no proof fits. */
#include "hook/login_sasl.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"
#include "base/random.h"

static unsigned char salt_secret[32];
static size_t salt_secret_len;

void login_set_secret(struct slice secret)
{
	salt_secret_len = secret.len < sizeof(salt_secret) ? secret.len : sizeof(salt_secret);
	memcpy(salt_secret, secret.ptr, salt_secret_len);
}

static struct login *login_of(void *machine)
{
	return ((struct machine *)machine)->login;
}

/* PLAIN, LOGIN and USER/PASS end here; OAUTH when it is accepted. */
static void on_auth(void *owner, struct question *q)
{
	struct login *l = login_of(owner);

	if (q->verdict.kind != VERDICT_ACCEPT) {
		login_exchange_refuse_answer(l, &q->verdict);
		return;
	}
	login_exchange_keep_answer(l);
	login_exchange_accept(l);
}

/* An empty password is never asked about: some directories take it as "anonymous". */
void login_sasl_ask_auth(struct login *l)
{
	struct login_exchange *e = l->exchange;

	if (!sasl_user_valid(buf_slice(&e->user)) || buf_len(&e->secret) == 0)
		login_exchange_refuse(l, VERDICT_REJECT, "Authentication failed");
	else
		login_exchange_ask(l, HOOK_AUTH, on_auth);
}

void login_sasl_plain(struct login *l, struct slice message)
{
	struct login_exchange *e = l->exchange;
	struct slice authzid, user, password;

	if (sasl_plain_parse(message, &authzid, &user, &password) != ST_OK) {
		login_exchange_stop(l, LOGIN_BAD);
		return;
	}
	(void)buf_append(&e->authzid, authzid);
	(void)buf_append(&e->user, user);
	(void)buf_append(&e->secret, password);
	login_sasl_ask_auth(l);
}

static void login_password_given(struct login *l, struct slice message)
{
	(void)buf_append(&l->exchange->secret, message);
	login_sasl_ask_auth(l);
}

void login_sasl_login_user(struct login *l, struct slice message)
{
	if (!sasl_user_valid(message)) {
		login_exchange_stop(l, LOGIN_BAD);
		return;
	}
	(void)buf_append(&l->exchange->user, message);
	login_exchange_challenge(l, SLICE("Password:"), login_password_given);
}

/* The two prompts are what clients compare with. */
void login_sasl_start_login(struct login *l)
{
	login_exchange_challenge(l, SLICE("Username:"), login_sasl_login_user);
}

/* OAUTHBEARER and XOAUTH2 */

static void on_token(void *owner, struct question *q)
{
	struct login *l = login_of(owner);
	struct login_exchange *e = l->exchange;

	if (q->verdict.kind != VERDICT_REJECT && q->verdict.kind != VERDICT_NONE) {
		on_auth(owner, q);
		return;
	}
	/* The client's dummy response, whatever it is, ends the failed exchange (RFC 7628, 3.2.3). */
	e->verdict = q->verdict;
	e->refused = true;
	login_exchange_challenge(l, strcmp(e->mechanism, "XOAUTH2") == 0
	                                ? SLICE("{\"status\":\"401\",\"schemes\":\"bearer\"}")
	                                : SLICE("{\"status\":\"invalid_token\"}"), NULL);
}

static void ask_token(struct login *l, enum status st, struct slice token)
{
	if (st != ST_OK) {
		login_exchange_stop(l, LOGIN_BAD);
		return;
	}
	(void)buf_append(&l->exchange->secret, token);
	login_exchange_ask(l, HOOK_TOKEN, on_token);
}

void login_sasl_oauthbearer(struct login *l, struct slice message)
{
	struct slice token = SLICE_NONE;
	enum status st = sasl_oauthbearer_parse(message, &l->exchange->user, &token);

	ask_token(l, st, token);
}

void login_sasl_xoauth2(struct login *l, struct slice message)
{
	struct slice token = SLICE_NONE;
	enum status st = sasl_xoauth2_parse(message, &l->exchange->user, &token);

	ask_token(l, st, token);
}

/* CRAM-MD5 and APOP: a digest over our challenge and the password itself. */

static bool refused_for_now(const struct verdict *v)
{
	return v->kind != VERDICT_ACCEPT && v->kind != VERDICT_REJECT && v->kind != VERDICT_NONE;
}

/* Wrong, or nobody's: an answerer that refused the user itself keeps its word. */
static void refuse_proof(struct login *l, const char *detail)
{
	char text[120];

	if (l->exchange->verdict.kind == VERDICT_REJECT) {
		login_exchange_refuse_answer(l, &l->exchange->verdict);
		return;
	}
	snprintf(text, sizeof(text), "Authentication failed%s%s", detail[0] ? ": " : "", detail);
	login_exchange_refuse(l, VERDICT_REJECT, text);
}

static bool apop_fits(struct slice challenge, struct slice password, struct slice digest)
{
	unsigned char md5[MD5_SIZE];
	char hex[2 * MD5_SIZE + 1];
	struct buf text;

	buf_init(&text, 0);
	(void)buf_append(&text, challenge);
	(void)buf_append(&text, password);
	digest_md5(buf_slice(&text), md5);
	digest_hex(md5, sizeof(md5), hex);
	buf_wipe(&text);
	return slice_eq_constant_time(slice_of(hex, 2 * MD5_SIZE), digest);
}

static bool digest_fits(struct login_exchange *e, struct slice password)
{
	struct slice challenge = buf_slice(&e->challenge), digest = buf_slice(&e->secret);

	if (strcmp(e->mechanism, "APOP") == 0)
		return apop_fits(challenge, password, digest);
	return sasl_cram_md5_verify(challenge, password, digest);
}

static void on_digest_secret(void *owner, struct question *q)
{
	struct login *l = login_of(owner);
	char nobody[16];

	if (refused_for_now(&q->verdict)) {
		login_exchange_refuse_answer(l, &q->verdict);
		return;
	}
	bool known = q->verdict.kind == VERDICT_ACCEPT && q->secret.plain.len > 0;

	random_bytes(nobody, sizeof(nobody));
	bool fits = digest_fits(l->exchange, known ? q->secret.plain : slice_of(nobody, sizeof(nobody)));

	login_exchange_keep_answer(l);
	if (known && fits)
		login_exchange_accept(l);
	else
		refuse_proof(l, "");
}

static void cram_md5_answered(struct login *l, struct slice message)
{
	struct login_exchange *e = l->exchange;
	struct slice user, digest;

	if (sasl_cram_md5_parse(message, &user, &digest) != ST_OK) {
		login_exchange_stop(l, LOGIN_BAD);
		return;
	}
	(void)buf_append(&e->user, user);
	(void)buf_append(&e->secret, digest);
	login_exchange_ask(l, HOOK_SECRET, on_digest_secret);
}

/* A msg-id that never was before (RFC 2195, 2). */
void login_sasl_start_cram_md5(struct login *l)
{
	const char *host = l->machine->facts.hostname;
	char id[25];

	random_id(id, sizeof(id) - 1);
	(void)buf_printf(&l->exchange->challenge, "<%s.%lld@%s>", id, (long long)clock_wall(),
	                 host ? host : "localhost");
	login_exchange_challenge(l, buf_slice(&l->exchange->challenge), cram_md5_answered);
}

void login_sasl_apop(struct login *l)
{
	login_exchange_ask(l, HOOK_SECRET, on_digest_secret);
}

/* SCRAM */

static void scram_refuse(struct login *l, enum status st)
{
	if (st == ST_SYNTAX || st == ST_TOOBIG) {
		login_exchange_stop(l, LOGIN_BAD);
		return;
	}
	/* The words of RFC 5802, 7, but never those that tell whether the user exists.  They go into
	 * the reply's text: "e=" would cost a round trip, and the RFC lets the server leave it out. */
	const char *error = l->exchange->scram.error;
	bool tell = error && strcmp(error, "invalid-proof") != 0 && strcmp(error, "other-error") != 0;

	refuse_proof(l, tell ? error : "");
}

/* The client has read our signature and says so with an empty message. */
static void scram_acknowledged(struct login *l, struct slice message)
{
	if (message.len)
		login_exchange_stop(l, LOGIN_BAD);
	else
		login_exchange_accept(l);
}

static void scram_final(struct login *l, struct slice message)
{
	struct login_exchange *e = l->exchange;
	struct machine *m = l->machine;
	unsigned char binding[64];
	size_t len = 0;
	struct buf out;

	buf_init(&out, 0);
	if (e->scram.plus && (!m->channel_binding ||
	                      m->channel_binding(m->host, e->scram.binding_type, binding, &len) != ST_OK))
		len = 0;
	enum status st = sasl_scram_client_final(&e->scram, message, slice_of(binding, len), &out);

	if (st == ST_OK && e->made_up)
		st = ST_DENIED;
	if (st == ST_OK)
		login_exchange_challenge(l, buf_slice(&out), scram_acknowledged);
	else
		scram_refuse(l, st);
	buf_free(&out);
}

/* Keys of the answer, made from the password in clear, or made up. */
static void scram_keys(struct login_exchange *e, struct question *q, struct sasl_scram_keys *keys,
                       unsigned char room[2 * SHA256_SIZE + SASL_SCRAM_SALT_SIZE])
{
	/* Whether answers here come as passwords in clear: then unknown users cost the same. */
	static bool derive_always;
	unsigned char *salt = room + 2 * SHA256_SIZE;
	bool accepted = q->verdict.kind == VERDICT_ACCEPT;

	if (accepted && q->secret.iterations && q->secret.stored_key.len == SHA256_SIZE &&
	    q->secret.server_key.len == SHA256_SIZE && q->secret.salt.len) {
		*keys = (struct sasl_scram_keys){ q->secret.salt, q->secret.stored_key,
		                                  q->secret.server_key, q->secret.iterations };
		return;
	}
	struct slice password = accepted ? q->secret.plain : SLICE_NONE;

	if (salt_secret_len == 0) {
		salt_secret_len = sizeof(salt_secret);
		random_bytes(salt_secret, salt_secret_len);
	}
	sasl_scram_fake_salt(buf_slice(&e->user), slice_of(salt_secret, salt_secret_len), salt);
	e->made_up = password.len == 0;
	derive_always = derive_always || !e->made_up;
	if (derive_always)
		sasl_scram_derive(e->made_up ? SLICE("nobody") : password,
		                  slice_of(salt, SASL_SCRAM_SALT_SIZE), SASL_SCRAM_ITERATIONS, room,
		                  room + SHA256_SIZE);
	else
		random_bytes(room, 2 * SHA256_SIZE);
	*keys = (struct sasl_scram_keys){ slice_of(salt, SASL_SCRAM_SALT_SIZE), slice_of(room, SHA256_SIZE),
	                                  slice_of(room + SHA256_SIZE, SHA256_SIZE),
	                                  SASL_SCRAM_ITERATIONS };
}

static void on_scram_secret(void *owner, struct question *q)
{
	struct login *l = login_of(owner);
	struct login_exchange *e = l->exchange;
	unsigned char room[2 * SHA256_SIZE + SASL_SCRAM_SALT_SIZE];
	struct sasl_scram_keys keys;
	struct buf out;

	if (refused_for_now(&q->verdict)) {
		login_exchange_refuse_answer(l, &q->verdict);
		return;
	}
	buf_init(&out, 0);
	scram_keys(e, q, &keys, room);
	enum status st = sasl_scram_server_first(&e->scram, &keys, &out);

	mem_wipe(room, sizeof(room));
	login_exchange_keep_answer(l);
	if (st == ST_OK)
		login_exchange_challenge(l, buf_slice(&out), scram_final);
	else
		scram_refuse(l, st);
	buf_free(&out);
}

static void scram_first(struct login *l, struct slice message, bool plus)
{
	struct login_exchange *e = l->exchange;

	sasl_scram_init(&e->scram, plus, l->plus_offered);
	enum status st = sasl_scram_client_first(&e->scram, message);

	(void)buf_append(&e->user, buf_slice(&e->scram.user));
	(void)buf_append(&e->authzid, buf_slice(&e->scram.authzid));
	if (st == ST_OK)
		login_exchange_ask(l, HOOK_SECRET, on_scram_secret);
	else
		scram_refuse(l, st);
}

void login_sasl_scram(struct login *l, struct slice message)
{
	scram_first(l, message, false);
}

void login_sasl_scram_plus(struct login *l, struct slice message)
{
	scram_first(l, message, true);
}
