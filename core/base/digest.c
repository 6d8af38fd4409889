/* Thin calls into libcrypto; a failure there is out of memory or a broken library. */
#include "base/digest.h"

#include <pthread.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "base/log.h"

/* EVP_sha256() and HMAC() look the algorithm up by its name in every call, which costs more than
 * a digest of a few octets: look once. */
struct algorithm {
	const char *name;
	EVP_MD     *md;
	EVP_MAC_CTX *hmac;               /* without key; each call works on a copy */
};

static struct algorithm sha256 = { .name = "SHA256" }, md5 = { .name = "MD5" };

static void look_up(struct algorithm *a)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)a->name, 0),
		OSSL_PARAM_END,
	};

	a->md = EVP_MD_fetch(NULL, a->name, NULL);
	a->hmac = mac ? EVP_MAC_CTX_new(mac) : NULL;
	if (!a->md || !a->hmac || !EVP_MAC_CTX_set_params(a->hmac, params))
		die("libcrypto does not know %s", a->name);
	EVP_MAC_free(mac);
}

static void look_up_all(void)
{
	look_up(&sha256);
	look_up(&md5);
}

static void ready(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, look_up_all);
}

static void digest(const struct algorithm *a, struct slice in, unsigned char *out)
{
	ready();
	if (!EVP_Digest(in.ptr, in.len, out, NULL, a->md, NULL))
		die("libcrypto refused the digest %s", a->name);
}

static void hmac(const struct algorithm *a, struct slice key, struct slice in, unsigned char *out)
{
	ready();
	EVP_MAC_CTX *c = EVP_MAC_CTX_dup(a->hmac);
	/* An empty key must still be a pointer: NULL means that there is one already. */
	const unsigned char *octets = (const unsigned char *)(key.len ? key.ptr : "");
	size_t len;

	if (!c || !EVP_MAC_init(c, octets, key.len, NULL) ||
	    !EVP_MAC_update(c, (const unsigned char *)in.ptr, in.len) ||
	    !EVP_MAC_final(c, out, &len, (size_t)EVP_MD_get_size(a->md)))
		die("libcrypto refused HMAC with %s", a->name);
	EVP_MAC_CTX_free(c);
}

void digest_sha256(struct slice in, unsigned char out[SHA256_SIZE])
{
	digest(&sha256, in, out);
}

void digest_md5(struct slice in, unsigned char out[MD5_SIZE])
{
	digest(&md5, in, out);
}

void digest_hmac_sha256(struct slice key, struct slice in, unsigned char out[SHA256_SIZE])
{
	hmac(&sha256, key, in, out);
}

void digest_hmac_md5(struct slice key, struct slice in, unsigned char out[MD5_SIZE])
{
	hmac(&md5, key, in, out);
}

void digest_pbkdf2_sha256(struct slice password, struct slice salt, unsigned iterations,
                          unsigned char out[SHA256_SIZE])
{
	ready();
	if (!PKCS5_PBKDF2_HMAC(password.ptr, (int)password.len, (const unsigned char *)salt.ptr,
	                       (int)salt.len, (int)iterations, sha256.md, SHA256_SIZE, out))
		die("libcrypto refused PBKDF2");
}

void digest_hex(const unsigned char *in, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[in[i] >> 4];
		out[2 * i + 1] = digits[in[i] & 15];
	}
	out[2 * len] = '\0';
}
