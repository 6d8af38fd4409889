/* Server-side TLS: certificates by name, tickets, reload (OpenSSL 3, TLS 1.2 and 1.3).
 * A context is immutable after tls_context_new; a reload makes a new one and old sessions keep
 * theirs (reference counted). */
#ifndef MOONPOST_NET_TLS_H
#define MOONPOST_NET_TLS_H

#include <stdbool.h>

#include "base/slice.h"

struct tls_certificate {
	const char *name;                 /* server name, "*.example.test", or NULL: the default */
	const char *chain;                /* PEM file: certificate and intermediates */
	const char *key;                  /* PEM file */
};

enum { TLS_TICKET_KEY_SIZE = 80 };

struct tls_settings {
	const struct tls_certificate *certificates;   /* an ECDSA and an RSA one may share a name */
	unsigned    certificate_count;
	const char *min_version;                      /* "1.2" or "1.3" */
	const char *ciphers;                          /* TLS 1.2 list, NULL: OpenSSL's */
	const char *ciphersuites;                     /* TLS 1.3 list, NULL: OpenSSL's */
	unsigned char ticket_key[TLS_TICKET_KEY_SIZE];  /* the same in all workers */
	bool        tickets;
	unsigned    ticket_lifetime_s;
};

struct tls_context;

/* Reads all files.  NULL on failure: error (a heap string, the caller frees) says which file and
 * why.  One reference is the caller's. */
struct tls_context *tls_context_new(const struct tls_settings *settings, char **error);
struct tls_context *tls_context_ref(struct tls_context *c);
void tls_context_unref(struct tls_context **c);   /* *c becomes NULL */

#endif
