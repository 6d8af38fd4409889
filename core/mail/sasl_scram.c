/* SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the server's side (RFC 5802, RFC 7677). */
#include "base/digest.h"
#include "base/mem.h"
#include "base/random.h"
#include "mail/base64.h"
#include "mail/sasl.h"
#include "mail/saslprep.h"

enum { FIELD_MAX = 4096, KEY_SIZE = SHA256_SIZE };

void sasl_scram_init(struct sasl_scram *s, bool plus, bool plus_offered)
{
	*s = (struct sasl_scram){ .plus = plus, .plus_offered = plus_offered };
	buf_init(&s->client_first_bare, FIELD_MAX);
	buf_init(&s->server_first, 3 * FIELD_MAX);
	buf_init(&s->gs2_header, FIELD_MAX);
	buf_init(&s->nonce, FIELD_MAX + sizeof(s->server_nonce));
	buf_init(&s->user, FIELD_MAX);
	buf_init(&s->authzid, FIELD_MAX);
	random_id(s->server_nonce, sizeof(s->server_nonce) - 1);
}

void sasl_scram_clear(struct sasl_scram *s)
{
	buf_wipe(&s->client_first_bare);
	buf_wipe(&s->server_first);
	buf_wipe(&s->gs2_header);
	buf_wipe(&s->nonce);
	buf_wipe(&s->user);
	buf_wipe(&s->authzid);
	mem_wipe(s->stored_key, KEY_SIZE);
	mem_wipe(s->server_key, KEY_SIZE);
}

static enum status refuse(struct sasl_scram *s, enum status st, const char *error)
{
	s->error = error;
	return st;
}

/* "x=value" off the front of *in, with the comma behind it. */
static bool attribute(struct slice *in, char name, struct slice *value)
{
	struct slice word;

	if (in->len < 2 || in->ptr[0] != name || in->ptr[1] != '=')
		return false;
	(void)slice_cut(in, ',', &word);
	*value = slice_skip(word, 2);
	return true;
}

/* printable = %x21-2B / %x2D-7E */
static bool is_nonce(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < 0x21 || s.ptr[i] > 0x7e || s.ptr[i] == ',')
			return false;
	return s.len > 0;
}

/* extensions = attr-val *("," attr-val): unknown ones are to be ignored (RFC 5802, 5.1). */
static bool are_extensions(struct slice in)
{
	struct slice word;

	while (slice_cut(&in, ',', &word) == ST_OK) {
		char letter = word.len ? ascii_lower(word.ptr[0]) : '\0';

		if (word.len < 3 || letter < 'a' || letter > 'z' || word.ptr[1] != '=')
			return false;
	}
	return true;
}

/* gs2-cbind-flag = ("p=" cb-name) / "n" / "y"; what each means with and without -PLUS is in
 * RFC 5802, 6. */
static enum status binding_flag(struct sasl_scram *s, struct slice flag)
{
	if (slice_starts(flag, SLICE("p="))) {
		struct slice type = slice_skip(flag, 2);

		if (!s->plus)
			return refuse(s, ST_DENIED, "channel-binding-not-supported");
		if (!slice_eq(type, SLICE("tls-exporter")) &&
		    !slice_eq(type, SLICE("tls-server-end-point")))
			return refuse(s, ST_DENIED, "unsupported-channel-binding-type");
		memcpy(s->binding_type, type.ptr, type.len);
		return ST_OK;
	}
	if (!slice_eq(flag, SLICE("n")) && !slice_eq(flag, SLICE("y")))
		return refuse(s, ST_SYNTAX, "invalid-encoding");
	if (s->plus)
		return refuse(s, ST_DENIED, "channel-bindings-dont-match");
	/* The client can bind and believes that we cannot, although we said so: somebody in between
	 * took -PLUS out of our list. */
	if (flag.ptr[0] == 'y' && s->plus_offered)
		return refuse(s, ST_DENIED, "server-does-support-channel-binding");
	return ST_OK;
}

static enum status prepared_name(struct slice in, struct buf *out)
{
	struct buf name;

	buf_init(&name, FIELD_MAX);
	enum status st = sasl_name_decode(in, &name);

	if (st == ST_OK)
		st = saslprep(buf_slice(&name), out);
	buf_wipe(&name);
	return st;
}

/* gs2-header = gs2-cbind-flag "," ["a=" authzid] "," */
static enum status gs2_header(struct sasl_scram *s, struct slice *in)
{
	struct slice start = *in, flag, authzid;

	if (slice_cut(in, ',', &flag) != ST_OK || slice_cut(in, ',', &authzid) != ST_OK)
		return refuse(s, ST_SYNTAX, "invalid-encoding");
	enum status st = binding_flag(s, flag);

	if (st != ST_OK)
		return st;
	if (authzid.len && (!slice_starts(authzid, SLICE("a=")) ||
	                    prepared_name(slice_skip(authzid, 2), &s->authzid) != ST_OK))
		return refuse(s, ST_SYNTAX, "invalid-username-encoding");
	return buf_append(&s->gs2_header, slice_head(start, start.len - in->len));
}

enum status sasl_scram_client_first(struct sasl_scram *s, struct slice in)
{
	struct slice name, nonce;
	enum status st = gs2_header(s, &in);

	if (st == ST_OK)
		st = buf_append(&s->client_first_bare, in);
	if (st != ST_OK)
		return st == ST_TOOBIG ? ST_SYNTAX : st;
	if (slice_starts(in, SLICE("m=")))
		return refuse(s, ST_DENIED, "extensions-not-supported");
	if (!attribute(&in, 'n', &name))
		return refuse(s, ST_SYNTAX, "invalid-encoding");
	if (prepared_name(name, &s->user) != ST_OK)
		return refuse(s, ST_SYNTAX, "invalid-username-encoding");
	if (!attribute(&in, 'r', &nonce) || !is_nonce(nonce) || !are_extensions(in))
		return refuse(s, ST_SYNTAX, "invalid-encoding");
	(void)buf_append(&s->nonce, nonce);
	return ST_OK;
}

enum status sasl_scram_server_first(struct sasl_scram *s, const struct sasl_scram_keys *keys,
                                    struct buf *out)
{
	struct buf *first = &s->server_first;

	if (keys->stored_key.len != KEY_SIZE || keys->server_key.len != KEY_SIZE ||
	    keys->iterations == 0 || keys->salt.len == 0)
		return refuse(s, ST_SYNTAX, "other-error");
	memcpy(s->stored_key, keys->stored_key.ptr, KEY_SIZE);
	memcpy(s->server_key, keys->server_key.ptr, KEY_SIZE);
	(void)buf_append(&s->nonce, slice_from(s->server_nonce));
	if (buf_printf(first, "r=%.*s,s=", SLICE_ARG(buf_slice(&s->nonce))) != ST_OK ||
	    base64_encode(keys->salt, first) != ST_OK ||
	    buf_printf(first, ",i=%u", keys->iterations) != ST_OK)
		return refuse(s, ST_TOOBIG, "other-error");
	return buf_append(out, buf_slice(first));
}

/* Whether cbind-input is our gs2-header followed by the channel's own data. */
static bool same_binding(struct sasl_scram *s, struct slice base64, struct slice binding)
{
	struct buf got, want;
	bool same;

	buf_init(&got, 2 * FIELD_MAX);
	buf_init(&want, 0);
	(void)buf_append(&want, buf_slice(&s->gs2_header));
	if (s->plus)
		(void)buf_append(&want, binding);
	same = base64_decode(base64, &got) == ST_OK &&
	       slice_eq_constant_time(buf_slice(&got), buf_slice(&want)) &&
	       (!s->plus || binding.len);
	buf_free(&got);
	buf_free(&want);
	return same;
}

static void auth_message(struct sasl_scram *s, struct slice without_proof, struct buf *out)
{
	(void)buf_append(out, buf_slice(&s->client_first_bare));
	(void)buf_append_byte(out, ',');
	(void)buf_append(out, buf_slice(&s->server_first));
	(void)buf_append_byte(out, ',');
	(void)buf_append(out, without_proof);
}

/* H(ClientProof XOR ClientSignature) == StoredKey (RFC 5802, 3). */
static bool proof_fits(struct sasl_scram *s, struct slice message, struct slice proof)
{
	unsigned char key[KEY_SIZE], hash[KEY_SIZE];

	digest_hmac_sha256(slice_of(s->stored_key, KEY_SIZE), message, key);
	for (size_t i = 0; i < KEY_SIZE; i++)
		key[i] ^= (unsigned char)proof.ptr[i];
	digest_sha256(slice_of(key, KEY_SIZE), hash);
	bool fits = slice_eq_constant_time(slice_of(hash, KEY_SIZE), slice_of(s->stored_key, KEY_SIZE));

	mem_wipe(key, sizeof(key));
	mem_wipe(hash, sizeof(hash));
	return fits;
}

static enum status server_final(struct sasl_scram *s, struct slice message, struct buf *out)
{
	unsigned char signature[KEY_SIZE];

	digest_hmac_sha256(slice_of(s->server_key, KEY_SIZE), message, signature);
	enum status st = buf_append(out, SLICE("v="));

	return st == ST_OK ? base64_encode(slice_of(signature, KEY_SIZE), out) : st;
}

/* client-final-message = "c=" base64 ",r=" nonce ["," extensions] ",p=" base64 */
static enum status parse_final(struct sasl_scram *s, struct slice in, struct slice *binding,
                               struct slice *without_proof, struct buf *proof)
{
	size_t last = slice_rfind(in, ',');
	struct slice rest = slice_skip(in, last + 1), head = slice_head(in, last), nonce, base64;

	*without_proof = head;
	if (!attribute(&rest, 'p', &base64) || rest.len || base64_decode(base64, proof) != ST_OK ||
	    buf_len(proof) != KEY_SIZE)
		return refuse(s, ST_SYNTAX, "invalid-encoding");
	if (!attribute(&head, 'c', binding) || !attribute(&head, 'r', &nonce) || !are_extensions(head))
		return refuse(s, ST_SYNTAX, "invalid-encoding");
	if (!slice_eq(nonce, buf_slice(&s->nonce)))
		return refuse(s, ST_DENIED, "other-error");
	return ST_OK;
}

enum status sasl_scram_client_final(struct sasl_scram *s, struct slice in, struct slice binding,
                                    struct buf *out)
{
	struct slice got_binding, without_proof;
	struct buf proof, message;

	buf_init(&proof, FIELD_MAX);
	buf_init(&message, 0);
	enum status st = parse_final(s, in, &got_binding, &without_proof, &proof);

	if (st == ST_OK && !same_binding(s, got_binding, binding))
		st = refuse(s, ST_DENIED, "channel-bindings-dont-match");
	if (st == ST_OK) {
		auth_message(s, without_proof, &message);
		if (proof_fits(s, buf_slice(&message), buf_slice(&proof)))
			st = server_final(s, buf_slice(&message), out);
		else
			st = refuse(s, ST_DENIED, "invalid-proof");
	}
	buf_wipe(&proof);
	buf_wipe(&message);
	return st;
}

void sasl_scram_derive(struct slice password, struct slice salt, unsigned iterations,
                       unsigned char stored_key[32], unsigned char server_key[32])
{
	unsigned char salted[KEY_SIZE], client_key[KEY_SIZE];
	struct buf prepared;

	buf_init(&prepared, FIELD_MAX);
	if (saslprep(password, &prepared) == ST_OK)
		password = buf_slice(&prepared);
	digest_pbkdf2_sha256(password, salt, iterations, salted);
	digest_hmac_sha256(slice_of(salted, KEY_SIZE), SLICE("Client Key"), client_key);
	digest_sha256(slice_of(client_key, KEY_SIZE), stored_key);
	digest_hmac_sha256(slice_of(salted, KEY_SIZE), SLICE("Server Key"), server_key);
	mem_wipe(salted, sizeof(salted));
	mem_wipe(client_key, sizeof(client_key));
	buf_wipe(&prepared);
}

void sasl_scram_fake_salt(struct slice user, struct slice secret,
                          unsigned char salt[SASL_SCRAM_SALT_SIZE])
{
	unsigned char mac[SHA256_SIZE];

	digest_hmac_sha256(secret, user, mac);
	memcpy(salt, mac, SASL_SCRAM_SALT_SIZE);
}
