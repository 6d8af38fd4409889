/* Thin calls into libcrypto; a failure there is out of memory or a broken library. */
#include "base/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/log.h"

static void digest(const EVP_MD *md, struct slice in, unsigned char *out)
{
	if (!EVP_Digest(in.ptr, in.len, out, NULL, md, NULL))
		die("libcrypto refused the digest %s", EVP_MD_get0_name(md));
}

static void hmac(const EVP_MD *md, struct slice key, struct slice in, unsigned char *out)
{
	/* An empty key must still be a pointer: NULL means "the key of the last call" to HMAC(). */
	const void *octets = key.len ? key.ptr : "";

	if (!HMAC(md, octets, (int)key.len, (const unsigned char *)in.ptr, in.len, out, NULL))
		die("libcrypto refused HMAC with %s", EVP_MD_get0_name(md));
}

void digest_sha256(struct slice in, unsigned char out[SHA256_SIZE])
{
	digest(EVP_sha256(), in, out);
}

void digest_md5(struct slice in, unsigned char out[MD5_SIZE])
{
	digest(EVP_md5(), in, out);
}

void digest_hmac_sha256(struct slice key, struct slice in, unsigned char out[SHA256_SIZE])
{
	hmac(EVP_sha256(), key, in, out);
}

void digest_hmac_md5(struct slice key, struct slice in, unsigned char out[MD5_SIZE])
{
	hmac(EVP_md5(), key, in, out);
}

void digest_pbkdf2_sha256(struct slice password, struct slice salt, unsigned iterations,
                          unsigned char out[SHA256_SIZE])
{
	if (!PKCS5_PBKDF2_HMAC(password.ptr, (int)password.len, (const unsigned char *)salt.ptr,
	                       (int)salt.len, (int)iterations, EVP_sha256(), SHA256_SIZE, out))
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
