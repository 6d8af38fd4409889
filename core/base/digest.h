/* Digests, keyed digests and encodings that protocols are made of: SASL, APOP, caches of
 * verified passwords.  The one place below core/net that calls libcrypto (it does no I/O). */
#ifndef MOONPOST_BASE_DIGEST_H
#define MOONPOST_BASE_DIGEST_H

#include "base/slice.h"

enum { SHA256_SIZE = 32, MD5_SIZE = 16 };

void digest_sha256(struct slice in, unsigned char out[SHA256_SIZE]);
void digest_md5(struct slice in, unsigned char out[MD5_SIZE]);
void digest_hmac_sha256(struct slice key, struct slice in, unsigned char out[SHA256_SIZE]);
void digest_hmac_md5(struct slice key, struct slice in, unsigned char out[MD5_SIZE]);

/* PBKDF2 with HMAC-SHA-256, the Hi() of SCRAM (RFC 5802, 2.2).  Slow on purpose: off the event
 * loop for large iteration counts. */
void digest_pbkdf2_sha256(struct slice password, struct slice salt, unsigned iterations,
                          unsigned char out[SHA256_SIZE]);

/* len octets as 2 * len lower-case hexadecimal digits and a NUL. */
void digest_hex(const unsigned char *in, size_t len, char *out);

#endif
