/* SASL mechanisms as steps of pure computing: what the client sent, what to answer.  Policy and
 * base64 are core/hook/login's business.  The simple mechanisms are in sasl.c, SCRAM in
 * sasl_scram.c. */
#ifndef MOONPOST_MAIL_SASL_H
#define MOONPOST_MAIL_SASL_H

#include "base/buf.h"

/* A user name as any mechanism may carry it: not empty, UTF-8, no control characters. */
bool sasl_user_valid(struct slice user);

/* saslname of RFC 5802, 5.1: "=2C" and "=3D" become "," and "="; any other "=" is SYNTAX. */
enum status sasl_name_decode(struct slice in, struct buf *out);

/* PLAIN (RFC 4616): authzid NUL authcid NUL password.  SYNTAX.  The password is not SASLprepped:
 * crypt(3) hashes, also those that came from other systems, are of the octets as sent. */
enum status sasl_plain_parse(struct slice in, struct slice *authzid, struct slice *user,
                             struct slice *password);

/* OAUTHBEARER (RFC 7628, 3.1) and XOAUTH2: the user, appended to *user (empty when OAUTHBEARER
 * names none), and the bearer token, borrowed.  SYNTAX. */
enum status sasl_oauthbearer_parse(struct slice in, struct buf *user, struct slice *token);
enum status sasl_xoauth2_parse(struct slice in, struct buf *user, struct slice *token);

/* CRAM-MD5 (RFC 2195): "user digest". */
enum status sasl_cram_md5_parse(struct slice in, struct slice *user, struct slice *digest);
bool sasl_cram_md5_verify(struct slice challenge, struct slice password, struct slice digest);

/* SCRAM-SHA-256 and -PLUS, the server's side (RFC 5802, RFC 7677). */
enum {
	SASL_SCRAM_ITERATIONS = 10000,    /* of keys we make, made-up ones too */
	SASL_SCRAM_SALT_SIZE  = 16,
};

struct sasl_scram_keys {
	struct slice salt, stored_key, server_key;    /* the keys are 32 octets */
	unsigned     iterations;
};

struct sasl_scram {
	struct buf client_first_bare, server_first, gs2_header, nonce;   /* kept for the proof */
	struct buf user, authzid;
	bool       plus;                  /* mechanism name was -PLUS */
	bool       plus_offered;          /* we announced -PLUS (a "y" flag is then an attack) */
	char       binding_type[32];      /* "tls-exporter", "tls-server-end-point" or "" */
	char       server_nonce[33];      /* made by init; specs put the one of a vector here */
	unsigned char stored_key[32], server_key[32];
	const char *error;                /* why it was refused, in the words of RFC 5802, 7, or NULL */
};

void sasl_scram_init(struct sasl_scram *s, bool plus, bool plus_offered);
void sasl_scram_clear(struct sasl_scram *s);      /* wipes */

/* client-first-message; afterwards user, authzid and binding_type are set.  SYNTAX, DENIED
 * (channel binding missing or downgraded). */
enum status sasl_scram_client_first(struct sasl_scram *s, struct slice in);

/* server-first-message for those keys.  For an unknown user give made-up ones
 * (sasl_scram_fake_salt and any keys), so that nobody can tell. */
enum status sasl_scram_server_first(struct sasl_scram *s, const struct sasl_scram_keys *keys,
                                    struct buf *out);

/* client-final-message; binding: the channel binding data, or empty.  OK: out is the
 * server-final-message (v=...).  DENIED: wrong password or binding.  SYNTAX. */
enum status sasl_scram_client_final(struct sasl_scram *s, struct slice in, struct slice binding,
                                    struct buf *out);

/* Keys for a password, which is SASLprepped here (RFC 5802, 3); one that SASLprep refuses is
 * taken as it is, so that it works with clients that do the same.  32 octets each. */
void sasl_scram_derive(struct slice password, struct slice salt, unsigned iterations,
                       unsigned char stored_key[32], unsigned char server_key[32]);

/* Stable made-up salt for a user; secret is the same in all workers of an installation. */
void sasl_scram_fake_salt(struct slice user, struct slice secret,
                          unsigned char salt[SASL_SCRAM_SALT_SIZE]);

#endif
