/* Certificate files: reading PEM, checking that key and chain fit, warning before the end.
 * Every message says which file and what to do, for these are the errors people meet first. */
#include "net/certificate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum { TEXT_MAX = 1 << 20, NAMES_MAX = 1000, WARN_DAYS = 14, DAY_S = 86400 };

struct certificate {
	char           *name;             /* configured, lower case, or NULL */
	char           *chain_file, *key_file;    /* or where the texts come from */
	struct slice    chain_text, key_text;     /* while they are read; or SLICE_NONE: files */
	X509           *leaf;
	STACK_OF(X509) *chain;
	EVP_PKEY       *key;
	char          **inner;            /* NULL-terminated */
};

static char *lower(const char *text)
{
	char *copy = mem_strdup(text);

	for (char *c = copy; c && *c; c++)
		*c = ascii_lower(*c);
	return copy;
}

static BIO *open_file(const char *path, struct slice text, const char *what, char **error)
{
	if (text.ptr && text.len <= TEXT_MAX) {
		BIO *memory = BIO_new_mem_buf(text.ptr, (int)text.len);

		if (memory == NULL)
			die("out of memory");
		return memory;
	}
	errno = 0;
	BIO *file = path ? BIO_new_file(path, "r") : NULL;

	if (file == NULL && path)
		*error = mem_printf("%s: cannot read the %s: %s", path, what,
		                    errno ? strerror(errno) : "not a readable file");
	else if (file == NULL)
		*error = mem_printf("the %s of a certificate is not configured", what);
	ERR_clear_error();
	return file;
}

/* The end of a PEM file is an error to OpenSSL; any other one is an error to us. */
static bool at_end_of_pem(void)
{
	unsigned long e = ERR_peek_last_error();

	return ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

static bool read_chain(struct certificate *c, char **error)
{
	BIO *file = open_file(c->chain_file, c->chain_text, "certificate", error);
	X509 *next;

	if (file == NULL)
		return false;
	c->leaf = PEM_read_bio_X509_AUX(file, NULL, NULL, NULL);
	while (c->leaf && (next = PEM_read_bio_X509(file, NULL, NULL, NULL)) != NULL)
		if (!sk_X509_push(c->chain, next))
			X509_free(next);
	BIO_free(file);
	if (c->leaf && at_end_of_pem()) {
		ERR_clear_error();
		return true;
	}
	*error = c->leaf || !at_end_of_pem()
		? mem_printf("%s: the certificate is damaged: %s", c->chain_file,
		             ERR_reason_error_string(ERR_peek_last_error()))
		: mem_printf("%s: there is no certificate in it: it must be a PEM file that begins with "
		             "the server's own certificate (-----BEGIN CERTIFICATE-----)", c->chain_file);
	ERR_clear_error();
	return false;
}

static int refuse_password(char *out, int size, int writing, void *asked)
{
	(void)out, (void)size, (void)writing;
	*(bool *)asked = true;
	return -1;
}

static bool read_key(struct certificate *c, char **error)
{
	BIO *file = open_file(c->key_file, c->key_text, "private key", error);
	bool encrypted = false;
	struct stat st;

	if (file == NULL)
		return false;
	c->key = PEM_read_bio_PrivateKey(file, NULL, refuse_password, &encrypted);
	BIO_free(file);
	ERR_clear_error();
	if (c->key == NULL && encrypted)
		*error = mem_printf("%s: the private key is locked with a passphrase: a server starts alone "
		                    "and cannot type it; take it off with: openssl pkey -in %s -out new.key",
		                    c->key_file, c->key_file);
	else if (c->key == NULL)
		*error = mem_printf("%s: there is no private key in it: it must be a PEM file "
		                    "(-----BEGIN PRIVATE KEY-----)", c->key_file);
	else if (!c->key_text.ptr && stat(c->key_file, &st) == 0 && (st.st_mode & S_IRWXO))
		log_warn("private key is open to everybody on this machine", "file", c->key_file,
		         "remedy", "chmod o= on it", NULL);
	return c->key != NULL;
}

static bool check_pair(const struct certificate *c, char **error)
{
	bool fits = X509_check_private_key(c->leaf, c->key) == 1;

	ERR_clear_error();
	if (!fits)
		*error = mem_printf("%s: this private key does not belong to the first certificate in %s: "
		                    "the server's own certificate must come first, intermediates behind it",
		                    c->key_file, c->chain_file);
	return fits;
}

/* Clients cannot build the path when the intermediates are in the wrong order or not ours. */
static void check_chain(const struct certificate *c)
{
	X509 *child = c->leaf;

	for (int i = 0; i < sk_X509_num(c->chain); i++) {
		X509 *parent = sk_X509_value(c->chain, i);

		if (X509_check_issued(parent, child) != X509_V_OK) {
			log_warn("certificate chain is broken", "file", c->chain_file, "position",
			         log_u64((uint64_t)i + 2), "remedy",
			         "each certificate must be followed by the one that signed it", NULL);
			return;
		}
		child = parent;
	}
}

static void date_text(const ASN1_TIME *t, char *out, size_t size)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1 || strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		out[0] = '\0';
}

static void check_dates(const struct certificate *c)
{
	time_t now = (time_t)clock_wall(), soon = now + WARN_DAYS * DAY_S;
	const ASN1_TIME *begin = X509_get0_notBefore(c->leaf), *end = X509_get0_notAfter(c->leaf);
	char date[32];

	date_text(end, date, sizeof(date));
	if (X509_cmp_time(end, &now) < 0)
		log_warn("certificate is no longer valid", "file", c->chain_file, "ended", date,
		         "remedy", "renew it; clients refuse it", NULL);
	else if (X509_cmp_time(end, &soon) < 0)
		log_warn("certificate ends soon", "file", c->chain_file, "ends", date, NULL);
	date_text(begin, date, sizeof(date));
	if (X509_cmp_time(begin, &now) > 0)
		log_warn("certificate is not valid yet", "file", c->chain_file, "begins", date,
		         "remedy", "check the clock of this machine", NULL);
}

static void check_name(const struct certificate *c)
{
	if (c->name == NULL)
		return;
	/* A wildcard of ours must be the same wildcard inside; any label stands for it. */
	char *probe = c->name[0] == '*' ? mem_printf("x%s", c->name + 1) : mem_strdup(c->name);

	if (X509_check_host(c->leaf, probe, 0, 0, NULL) != 1)
		log_warn("certificate is not for the name it is configured for", "file", c->chain_file,
		         "name", c->name, "remedy", "clients that check the name refuse it", NULL);
	free(probe);
}

static void read_inner_names(struct certificate *c)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(c->leaf, NID_subject_alt_name, NULL, NULL);
	int count = names ? sk_GENERAL_NAME_num(names) : 0;
	size_t kept = 0;

	c->inner = mem_array((size_t)count + 1, sizeof(*c->inner));
	for (int i = 0; i < count && kept < NAMES_MAX; i++) {
		int type;
		ASN1_IA5STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);

		if (type != GEN_DNS)
			continue;
		char *name = mem_slice_dup(slice_of(ASN1_STRING_get0_data(value),
		                                    (size_t)ASN1_STRING_length(value)));

		c->inner[kept++] = lower(name);
		free(name);
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
}

/* Both texts are read; NULL when something is wrong with them. */
static struct certificate *read_all(struct certificate *c, char **error)
{
	c->chain = sk_X509_new_null();
	if (c->chain == NULL)
		die("out of memory");
	if (!read_chain(c, error) || !read_key(c, error) || !check_pair(c, error)) {
		certificate_free(c);
		return NULL;
	}
	c->chain_text = c->key_text = SLICE_NONE;
	check_chain(c);
	check_dates(c);
	check_name(c);
	read_inner_names(c);
	return c;
}

struct certificate *certificate_load(const struct tls_certificate *settings, char **error)
{
	struct certificate *c = MEM_NEW(struct certificate);

	c->name = lower(settings->name);
	c->chain_file = mem_strdup(settings->chain);
	c->key_file = mem_strdup(settings->key);
	return read_all(c, error);
}

struct certificate *certificate_parse(struct slice chain, struct slice key, const char *from, char **error)
{
	struct certificate *c = MEM_NEW(struct certificate);

	c->chain_file = mem_strdup(from);
	c->key_file = mem_strdup(from);
	c->chain_text = chain;
	c->key_text = key;
	return read_all(c, error);
}

void certificate_free(struct certificate *c)
{
	if (c == NULL)
		return;
	for (char **name = c->inner; name && *name; name++)
		free(*name);
	free(c->inner);
	free(c->name);
	free(c->chain_file);
	free(c->key_file);
	X509_free(c->leaf);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	free(c);
}

const char *certificate_name(const struct certificate *c)
{
	return c->name;
}

const char *certificate_inner_name(const struct certificate *c, size_t i)
{
	for (size_t n = 0; n < i; n++)
		if (c->inner[n] == NULL)
			return NULL;
	return c->inner[i];
}

bool certificate_type_taken(const struct certificate *c, struct ssl_ctx_st *ctx)
{
	int type = EVP_PKEY_get_base_id(c->key);
	bool found = false;

	for (long at = SSL_CTX_set_current_cert(ctx, SSL_CERT_SET_FIRST); at == 1 && !found;
	     at = SSL_CTX_set_current_cert(ctx, SSL_CERT_SET_NEXT))
		found = EVP_PKEY_get_base_id(SSL_CTX_get0_privatekey(ctx)) == type;
	return found;
}

bool certificate_use(const struct certificate *c, struct ssl_ctx_st *ctx, const char *name,
                     char **error)
{
	if (certificate_type_taken(c, ctx)) {
		if (c->name == NULL)
			return true;
		*error = mem_printf("%s: \"%s\" has another %s certificate already: keep one of each key "
		                    "type per name", c->chain_file, name,
		                    OBJ_nid2sn(EVP_PKEY_get_base_id(c->key)));
		return false;
	}
	ERR_clear_error();
	if (SSL_CTX_use_certificate(ctx, c->leaf) == 1 && SSL_CTX_use_PrivateKey(ctx, c->key) == 1 &&
	    SSL_CTX_set1_chain(ctx, c->chain) == 1)
		return true;
	*error = mem_printf("%s: OpenSSL refuses the certificate: %s", c->chain_file,
	                    ERR_reason_error_string(ERR_peek_last_error()));
	ERR_clear_error();
	return false;
}

bool certificate_show(const struct certificate *c, struct ssl_st *ssl)
{
	ERR_clear_error();
	SSL_certs_clear(ssl);
	if (SSL_use_certificate(ssl, c->leaf) == 1 && SSL_use_PrivateKey(ssl, c->key) == 1 &&
	    SSL_set1_chain(ssl, c->chain) == 1)
		return true;
	log_warn("OpenSSL refuses a certificate", "from", c->chain_file, "why",
	         ERR_reason_error_string(ERR_peek_last_error()), NULL);
	ERR_clear_error();
	return false;
}
