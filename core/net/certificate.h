/* One certificate with its chain and key, read from PEM files and checked.
 * Contexts and sessions hold their own references to what is inside. */
#ifndef MOONPOST_NET_CERTIFICATE_H
#define MOONPOST_NET_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>

#include "net/tls.h"

struct certificate;
struct ssl_ctx_st;
struct ssl_st;

/* Read both files, check that they fit; log what will be a problem soon.  NULL: *error is a heap
 * string that names the file, the fault and the remedy. */
struct certificate *certificate_load(const struct tls_certificate *settings, char **error);
/* The same from PEM texts; `from` says in messages where they come from. */
struct certificate *certificate_parse(struct slice chain, struct slice key, const char *from, char **error);
void certificate_free(struct certificate *c);     /* NULL is fine */

/* The configured name in lower case, or NULL. */
const char *certificate_name(const struct certificate *c);

/* The i-th DNS name of the certificate itself, lower case; NULL behind the last. */
const char *certificate_inner_name(const struct certificate *c, size_t i);

/* Whether the context has a certificate of this key type (ECDSA, RSA ...). */
bool certificate_type_taken(const struct certificate *c, struct ssl_ctx_st *ctx);

/* Let one session show it, and no other.  False: OpenSSL refuses it (logged). */
bool certificate_show(const struct certificate *c, struct ssl_st *ssl);

/* Let the context show it.  False with *error when it has another of this key type; a name found
 * inside gives way to what is there. */
bool certificate_use(const struct certificate *c, struct ssl_ctx_st *ctx, const char *name,
                     char **error);

#endif
