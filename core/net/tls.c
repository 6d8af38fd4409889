/* TLS contexts: one SSL_CTX per server name, chosen by SNI.  Reading and checking certificate
 * files is in net/certificate.c. */
#include "net/tls.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/map.h"
#include "base/mem.h"
#include "net/certificate.h"

enum { NAME_MAX_LEN = 255, SESSIONS_MAX = 1000 };

/* Forward secrecy and AEAD alone (RFC 9325, 4.2); TLS 1.3 has no others. */
static const char default_ciphers[] =
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char groups[] = "X25519:P-256:P-384";

struct tls_context {
	unsigned   references;
	SSL_CTX   *fallback;              /* where every handshake starts */
	struct map names;                 /* lower case -> SSL_CTX *, one reference each */
	struct map sessions;              /* client: server name -> SSL_SESSION *, to resume */
};

static SSL_CTX *find_name(const struct tls_context *c, const char *name)
{
	char lower[NAME_MAX_LEN + 1];
	size_t len = strlen(name);

	if (len > NAME_MAX_LEN)
		return NULL;
	if (len > 0 && name[len - 1] == '.')
		len--;
	for (size_t i = 0; i < len; i++)
		lower[i] = ascii_lower(name[i]);
	SSL_CTX *found = map_get(&c->names, slice_of(lower, len));
	size_t dot = slice_find(slice_of(lower, len), '.');

	/* "*.example.test" is for exactly one label (RFC 6125, 6.4.3). */
	if (found || dot == 0 || dot == len)
		return found;
	lower[dot - 1] = '*';
	return map_get(&c->names, slice_of(lower + dot - 1, len - dot + 1));
}

/* An unknown name is no reason to refuse: mail clients often send the name of their domain. */
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
	const struct tls_context *c = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	SSL_CTX *found = name ? find_name(c, name) : NULL;

	(void)alert;
	if (found && found != SSL_get_SSL_CTX(ssl) && SSL_set_SSL_CTX(ssl, found) == NULL)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return name ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* A client that offers protocols gets ours confirmed (RFC 9325, 3.7); one that offers others
 * goes on without. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
	static const struct slice ours[] = {
		{ "pop3", 4 }, { "smtp", 4 }, { "submission", 10 },
	};

	(void)ssl, (void)arg;
	for (unsigned at = 0; at < in_len; at += 1u + in[at]) {
		struct slice offered = slice_of(in + at + 1, in[at]);

		for (size_t i = 0; i < COUNT_OF(ours); i++) {
			if (!slice_eq(offered, ours[i]))
				continue;
			*out = in + at + 1;
			*out_len = in[at];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_NOACK;
}

static char *openssl_text(void)
{
	char text[256];
	unsigned long e = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(e);

	ERR_error_string_n(e, text, sizeof(text));
	return mem_strdup(reason ? reason : text);
}

static bool fail_setting(char **error, const char *key, const char *value)
{
	char *why = openssl_text();

	*error = mem_printf("tls.%s = \"%s\" is not understood by OpenSSL: %s", key, value, why);
	free(why);
	return false;
}

static bool set_versions(SSL_CTX *ctx, const char *min, char **error)
{
	int version = TLS1_2_VERSION;

	if (min && strcmp(min, "1.3") == 0) {
		version = TLS1_3_VERSION;
	} else if (min && strcmp(min, "1.2") != 0) {
		*error = mem_printf("tls.min_version = \"%s\" is not possible: write \"1.2\" or \"1.3\" "
		                    "(older versions are broken, RFC 8996)", min);
		return false;
	}
	return SSL_CTX_set_min_proto_version(ctx, version) == 1;
}

static bool set_ciphers(SSL_CTX *ctx, const struct tls_settings *s, char **error)
{
	const char *ciphers = s->ciphers ? s->ciphers : default_ciphers;

	ERR_clear_error();
	if (SSL_CTX_set_cipher_list(ctx, ciphers) != 1)
		return fail_setting(error, "ciphers", ciphers);
	if (s->ciphersuites && SSL_CTX_set_ciphersuites(ctx, s->ciphersuites) != 1)
		return fail_setting(error, "ciphersuites", s->ciphersuites);
	if (SSL_CTX_set1_groups_list(ctx, groups) != 1)
		return fail_setting(error, "groups", groups);
	return true;
}

/* All workers and all names share the key, so a ticket is good wherever the client comes back. */
static bool set_tickets(SSL_CTX *ctx, const struct tls_settings *s)
{
	unsigned char key[TLS_TICKET_KEY_SIZE];

	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"moonpost", 8);
	if (!s->tickets) {
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		return SSL_CTX_set_num_tickets(ctx, 0) == 1;
	}
	if (s->ticket_lifetime_s)
		SSL_CTX_set_timeout(ctx, (long)s->ticket_lifetime_s);
	memcpy(key, s->ticket_key, sizeof(key));
	bool done = SSL_CTX_set_tlsext_ticket_keys(ctx, key, sizeof(key)) == 1 &&
	            SSL_CTX_set_num_tickets(ctx, 1) == 1;
	mem_wipe(key, sizeof(key));
	return done;
}

static void set_common(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* One read() per record instead of one for its head and one for its body. */
	SSL_CTX_set_read_ahead(ctx, 1);
}

static SSL_CTX *new_server_ctx(struct tls_context *c, const struct tls_settings *s, char **error)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL || !set_versions(ctx, s->min_version, error) || !set_ciphers(ctx, s, error) ||
	    !set_tickets(ctx, s)) {
		if (*error == NULL)
			*error = openssl_text();
		SSL_CTX_free(ctx);
		return NULL;
	}
	set_common(ctx);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	SSL_CTX_set_tlsext_servername_arg(ctx, c);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	return ctx;
}

/* The certificate for that name; the name's context is made when it is new. */
static bool add_name(struct tls_context *c, const struct tls_settings *s, const char *name,
                     const struct certificate *cert, char **error)
{
	struct slice key = slice_from(name);
	SSL_CTX *ctx = map_get(&c->names, key);

	if (ctx == NULL) {
		ctx = new_server_ctx(c, s, error);
		if (ctx == NULL)
			return false;
		map_put(&c->names, key, ctx);
	}
	return certificate_use(cert, ctx, name, error);
}

static bool add_certificate(struct tls_context *c, const struct tls_settings *s,
                            const struct certificate *cert, char **error)
{
	const char *explicit_name = certificate_name(cert);

	if (explicit_name)
		return add_name(c, s, explicit_name, cert, error);
	for (size_t i = 0; certificate_inner_name(cert, i); i++)
		if (!add_name(c, s, certificate_inner_name(cert, i), cert, error))
			return false;
	return true;
}

/* Certificates without a name are for every client that none of the names fits. */
static bool add_fallback(struct tls_context *c, const struct tls_settings *s,
                         struct certificate **certs, char **error)
{
	const char *name = NULL;
	bool unnamed = false;

	for (unsigned i = 0; i < s->certificate_count; i++)
		unnamed |= certificate_name(certs[i]) == NULL;
	if (!unnamed)
		name = certificate_name(certs[0]);
	for (unsigned i = 0; i < s->certificate_count; i++) {
		const char *own = certificate_name(certs[i]);
		bool mine = unnamed ? own == NULL : strcmp(own, name) == 0;

		/* The first of each key type; others are found by the names inside. */
		if (mine && !(unnamed && certificate_type_taken(certs[i], c->fallback)) &&
		    !certificate_use(certs[i], c->fallback, "default", error))
			return false;
	}
	return true;
}

static bool fill(struct tls_context *c, const struct tls_settings *s, struct certificate **certs,
                 char **error)
{
	if (s->certificate_count == 0) {
		*error = mem_strdup("no certificate is configured: TLS needs at least one");
		return false;
	}
	c->fallback = new_server_ctx(c, s, error);
	if (c->fallback == NULL)
		return false;
	for (unsigned i = 0; i < s->certificate_count; i++) {
		certs[i] = certificate_load(&s->certificates[i], error);
		if (certs[i] == NULL)
			return false;
	}
	/* Names that the configuration gives go before those found inside. */
	for (int named = 1; named >= 0; named--)
		for (unsigned i = 0; i < s->certificate_count; i++)
			if ((certificate_name(certs[i]) != NULL) == named &&
			    !add_certificate(c, s, certs[i], error))
				return false;
	return add_fallback(c, s, certs, error);
}

struct tls_context *tls_context_new(const struct tls_settings *settings, char **error)
{
	struct tls_context *c = MEM_NEW(struct tls_context);
	struct certificate **certs = mem_array(settings->certificate_count + 1, sizeof(*certs));

	*error = NULL;
	c->references = 1;
	map_init(&c->names);
	map_init(&c->sessions);
	if (!fill(c, settings, certs, error))
		tls_context_unref(&c);
	for (unsigned i = 0; i < settings->certificate_count; i++)
		certificate_free(certs[i]);
	free(certs);
	ERR_clear_error();
	return c;
}

static void free_ctx(void *ctx)
{
	SSL_CTX_free(ctx);
}

static void free_session(void *session)
{
	SSL_SESSION_free(session);
}

/* A ticket came from the server.  1: we keep the reference. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_context *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	if (name == NULL)
		return 0;
	if (c->sessions.count >= SESSIONS_MAX) {
		map_free(&c->sessions, free_session);
		map_init(&c->sessions);
	}
	SSL_SESSION_free(map_put(&c->sessions, slice_from(name), session));
	return 1;
}

struct ssl_session_st *tls_context_session(struct tls_context *c, const char *name)
{
	return map_get(&c->sessions, slice_from(name));
}

struct tls_context *tls_context_new_client(const char *ca, bool verify, char **error)
{
	struct tls_context *c = MEM_NEW(struct tls_context);
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	*error = NULL;
	c->references = 1;
	c->fallback = ctx;
	map_init(&c->names);
	map_init(&c->sessions);
	ERR_clear_error();
	if (ctx == NULL || !set_versions(ctx, NULL, error)) {
		*error = *error ? *error : openssl_text();
	} else if (ca ? SSL_CTX_load_verify_file(ctx, ca) != 1
	              : verify && SSL_CTX_set_default_verify_paths(ctx) != 1) {
		char *why = openssl_text();

		*error = mem_printf("%s: cannot read trusted certificates: %s",
		                    ca ? ca : "the system's certificates", why);
		free(why);
	}
	if (*error) {
		tls_context_unref(&c);
		return NULL;
	}
	set_common(ctx);
	SSL_CTX_set_verify(ctx, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	SSL_CTX_set_app_data(ctx, c);
	return c;
}

struct tls_context *tls_context_ref(struct tls_context *c)
{
	c->references++;
	return c;
}

void tls_context_unref(struct tls_context **c)
{
	struct tls_context *context = *c;

	*c = NULL;
	if (context == NULL || --context->references > 0)
		return;
	map_free(&context->names, free_ctx);
	map_free(&context->sessions, free_session);
	SSL_CTX_free(context->fallback);
	free(context);
}

struct ssl_ctx_st *tls_context_ssl(struct tls_context *c)
{
	return c->fallback;
}
