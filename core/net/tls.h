/* TLS contexts: certificates by name, tickets, reload (OpenSSL 3, TLS 1.2 and 1.3).
 * A context is immutable after tls_context_new; a reload makes a new one and old sessions keep
 * theirs (reference counted). */
#ifndef MOONPOST_NET_TLS_H
#define MOONPOST_NET_TLS_H

#include <stdbool.h>

#include "base/slice.h"

struct tls_certificate {
	const char *name;                 /* server name, "*.example.test"; NULL: the names inside */
	const char *chain;                /* PEM file: certificate and intermediates */
	const char *key;                  /* PEM file */
};

enum { TLS_TICKET_KEY_SIZE = 80 };

struct tls_settings {
	const struct tls_certificate *certificates;   /* an ECDSA and an RSA one may share a name */
	unsigned    certificate_count;
	const char *min_version;                      /* "1.2" (also NULL) or "1.3" */
	const char *ciphers;                          /* TLS 1.2 list, NULL: ECDHE and AEAD alone */
	const char *ciphersuites;                     /* TLS 1.3 list, NULL: OpenSSL's */
	unsigned char ticket_key[TLS_TICKET_KEY_SIZE];  /* the same in all workers */
	bool        tickets;
	unsigned    ticket_lifetime_s;
};

struct tls_context;

/* For clients that name no server, or one that no certificate is for: the first certificate
 * without a name, else the first (and its partner of the other key type).
 * Reads all files; warns in the log about certificates that end soon or do not fit their name.
 * NULL on failure: error (a heap string, the caller frees) says which file and
 * why.  One reference is the caller's. */
struct tls_context *tls_context_new(const struct tls_settings *settings, char **error);

/* For connections that we open; they resume sessions by server name.
 * ca: PEM file of trusted certificates, NULL: the system's.
 * verify false: encrypted but not authenticated (opportunistic TLS, RFC 7435). */
struct tls_context *tls_context_new_client(const char *ca, bool verify, char **error);

struct tls_context *tls_context_ref(struct tls_context *c);
void tls_context_unref(struct tls_context **c);   /* *c becomes NULL */

/* For files of core/net alone: what a session is made from, and the last session with that server
 * to resume, or NULL. */
struct ssl_ctx_st *tls_context_ssl(struct tls_context *c);
struct ssl_session_st *tls_context_session(struct tls_context *c, const char *name);

#endif
