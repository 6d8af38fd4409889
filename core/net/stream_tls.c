/* The TLS layer of a stream: OpenSSL on the non-blocking socket, its errors in words, and the
 * facts of a session. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/certificate.h"
#include "net/stream_internal.h"
#include "net/tls.h"

/* What people should read for reasons that OpenSSL words for programmers. */
static const struct { int reason; const char *text; } known_reasons[] = {
	{ SSL_R_HTTP_REQUEST, "the peer speaks HTTP, not TLS" },
	{ SSL_R_WRONG_VERSION_NUMBER, "the peer does not speak TLS here" },
	{ SSL_R_BAD_RECORD_TYPE, "the peer does not speak TLS here" },
	{ SSL_R_RECORD_LENGTH_MISMATCH, "the peer does not speak TLS here" },
	{ SSL_R_UNSUPPORTED_PROTOCOL, "the peer's newest TLS version is older than what is allowed" },
	{ SSL_R_VERSION_TOO_LOW, "the peer's newest TLS version is older than what is allowed" },
	{ SSL_R_NO_SHARED_CIPHER, "no cipher suite in common with the peer" },
	{ SSL_R_NO_SUITABLE_KEY_SHARE, "no key exchange group in common with the peer" },
	{ SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, "no signature algorithm in common with the peer" },
	{ SSL_R_UNEXPECTED_EOF_WHILE_READING, "the peer closed without a TLS close_notify" },
};

static void describe_ssl(struct stream *s, const char *during)
{
	unsigned long e = ERR_peek_error();
	int reason = ERR_GET_REASON(e);
	const char *text = ERR_reason_error_string(e);

	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
		long why = SSL_get_verify_result(s->tls);

		stream_fail(s, ST_IO, "%s: the peer's certificate is not trusted: %s", during,
		            X509_verify_cert_error_string(why));
		return;
	}
	/* Alerts that the peer sent: reason is 1000 and the alert's number (RFC 8446, 6). */
	if (ERR_GET_LIB(e) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET) {
		stream_fail(s, ST_IO, "%s: the peer sent the TLS alert \"%s\"", during,
		            SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
		return;
	}
	for (size_t i = 0; i < COUNT_OF(known_reasons); i++)
		if (ERR_GET_LIB(e) == ERR_LIB_SSL && reason == known_reasons[i].reason)
			text = known_reasons[i].text;
	stream_fail(s, ST_IO, "%s: %s", during, text ? text : "TLS failed");
}

/* What OpenSSL reads from and writes to: the socket, but first the input that was read before it
 * was known that it belongs to the handshake (a ClientHello behind a PROXY header). */
static int bio_read(BIO *bio, char *out, int size)
{
	struct stream *s = BIO_get_data(bio);
	struct slice early = slice_head(buf_slice(&s->early), (size_t)size);

	BIO_clear_retry_flags(bio);
	if (early.len > 0) {
		memcpy(out, early.ptr, early.len);
		buf_consume(&s->early, early.len);
		buf_shrink(&s->early);
		return (int)early.len;
	}
	ssize_t n;

	do
		n = recv(s->fd, out, (size_t)size, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_read(bio);
	if (n == 0)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	return (int)n;
}

static int bio_write(BIO *bio, const char *octets, int size)
{
	struct stream *s = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	ssize_t n = stream_send(s, slice_of(octets, (size_t)size));

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_write(bio);
	return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)number, (void)pointer;
	switch (command) {
	case BIO_CTRL_FLUSH:
		return 1;                                    /* nothing is kept here */
	case BIO_CTRL_EOF:
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	default:
		return 0;
	}
}

/* One method for the process; it lives as long. */
static BIO *new_bio(struct stream *s)
{
	static BIO_METHOD *method;

	if (method == NULL) {
		method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
		if (method == NULL || BIO_meth_set_read(method, bio_read) != 1 ||
		    BIO_meth_set_write(method, bio_write) != 1 || BIO_meth_set_ctrl(method, bio_ctrl) != 1)
			die("out of memory");
	}
	BIO *bio = BIO_new(method);

	if (bio) {
		BIO_set_data(bio, s);
		BIO_set_init(bio, 1);
	}
	return bio;
}

/* After a call that returned ret <= 0: STREAM_AGAIN with *want set, 0 at the end, STREAM_FAILED. */
static long outcome(struct stream *s, int ret, const char *during, int *want)
{
	int saved = errno;

	switch (SSL_get_error(s->tls, ret)) {
	case SSL_ERROR_WANT_READ:
		*want = LOOP_READABLE;
		return STREAM_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		*want = LOOP_WRITABLE;
		return STREAM_AGAIN;
	case SSL_ERROR_WANT_X509_LOOKUP:
		*want = 0;
		return STREAM_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		stream_fail(s, ST_IO, "%s: %s", during, saved ? strerror(saved) : "the peer closed");
		return STREAM_FAILED;
	default:
		describe_ssl(s, during);
		return STREAM_FAILED;
	}
}

/* 1: go on, -1: wait. */
static int on_certificate(SSL *ssl, void *arg)
{
	struct stream *s = arg;

	if (!s->certificate_asked) {
		s->certificate_asked = true;
		if (!s->events->certificate(s->owner, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)))
			s->certificate_told = true;
	}
	return s->certificate_told ? 1 : -1;
}

bool stream_certificate(struct stream *s, const struct certificate *c)
{
	bool shown = true;

	if (!s->tls || s->certificate_told || s->layer != LAYER_HANDSHAKE)
		return false;
	s->certificate_told = true;
	if (c)
		shown = certificate_show(c, s->tls);
	if (s->handshake_events == 0)                        /* it waits for this */
		loop_tick(s->loop, &s->tick);
	return shown;
}

bool stream_tls_new(struct stream *s, struct tls_context *c, bool client, const char *name)
{
	SSL *ssl = SSL_new(tls_context_ssl(c));
	BIO *bio = ssl ? new_bio(s) : NULL;

	if (bio == NULL)
		goto fail;
	SSL_set_bio(ssl, bio, bio);
	if (client)
		SSL_set_connect_state(ssl);
	else
		SSL_set_accept_state(ssl);
	if (!client && s->events->certificate)
		SSL_set_cert_cb(ssl, on_certificate, s);
	if (client && name) {
		unsigned char binary[16];
		bool is_address = inet_pton(AF_INET, name, binary) == 1 ||
		                  inet_pton(AF_INET6, name, binary) == 1;

		/* RFC 6066, 3: addresses are not allowed in SNI. */
		if (is_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) != 1
		               : SSL_set_tlsext_host_name(ssl, name) != 1 || SSL_set1_host(ssl, name) != 1)
			goto fail;
		SSL_SESSION *before = is_address ? NULL : tls_context_session(c, name);

		if (before)
			SSL_set_session(ssl, before);            /* a failure means a full handshake */
	}
	s->tls = ssl;
	s->context = tls_context_ref(c);
	s->client = client;
	return true;
fail:
	SSL_free(ssl);
	s->layer = LAYER_WAITING;                            /* so that secured() tells it */
	stream_fail(s, ST_IO, "TLS handshake: OpenSSL cannot begin a session");
	return false;
}

bool stream_tls_handshake(struct stream *s)
{
	ERR_clear_error();
	errno = 0;
	int ret = SSL_do_handshake(s->tls);

	if (ret == 1) {
		s->layer = LAYER_SECURE;
		return true;
	}
	unsigned long e = ERR_peek_error();

	if (ERR_GET_REASON(e) == SSL_R_UNEXPECTED_EOF_WHILE_READING ||
	    (e == 0 && errno == 0 && SSL_get_error(s->tls, ret) == SSL_ERROR_SYSCALL)) {
		stream_fail(s, ST_CLOSED, "the peer closed during the TLS handshake");
		return false;
	}
	if (outcome(s, ret, "TLS handshake", &s->handshake_events) == 0)
		stream_fail(s, ST_CLOSED, "the peer closed during the TLS handshake");
	return false;
}

long stream_tls_receive(struct stream *s, char *room, size_t size)
{
	int want = 0;

	ERR_clear_error();
	errno = 0;
	int n = SSL_read(s->tls, room, (int)size);

	if (n > 0)
		return n;
	long result = outcome(s, n, "reading from the peer", &want);

	s->read_wants_write = result == STREAM_AGAIN && want == LOOP_WRITABLE;
	return result;
}

long stream_tls_send(struct stream *s, struct slice octets)
{
	int want = 0;
	size_t len = octets.len < INT32_MAX ? octets.len : INT32_MAX;

	ERR_clear_error();
	errno = 0;
	int n = SSL_write(s->tls, octets.ptr, (int)len);

	if (n > 0)
		return n;
	long result = outcome(s, n, "writing to the peer", &want);

	s->write_wants_read = result == STREAM_AGAIN && want == LOOP_READABLE;
	if (result == 0)
		stream_fail(s, ST_CLOSED, "writing to the peer: it closed the TLS session");
	return result == 0 ? STREAM_FAILED : result;
}

bool stream_tls_pending(const struct stream *s)
{
	return s->tls && s->layer == LAYER_SECURE && SSL_has_pending(s->tls);
}

void stream_tls_close_notify(struct stream *s)
{
	ERR_clear_error();
	SSL_shutdown(s->tls);
	ERR_clear_error();
}

void stream_tls_free(struct stream *s)
{
	SSL_free(s->tls);
	s->tls = NULL;
	tls_context_unref(&s->context);
}

static bool secure(const struct stream *s)
{
	return s->tls && s->layer == LAYER_SECURE;
}

const char *stream_tls_version(struct stream *s)
{
	return secure(s) ? SSL_get_version(s->tls) : NULL;
}

/* The standard's name ("TLS_ECDHE_..."), which Received wants too (RFC 8314, 4.3). */
const char *stream_tls_cipher(struct stream *s)
{
	return secure(s) ? SSL_CIPHER_standard_name(SSL_get_current_cipher(s->tls)) : NULL;
}

const char *stream_tls_server_name(struct stream *s)
{
	return secure(s) ? SSL_get_servername(s->tls, TLSEXT_NAMETYPE_host_name) : NULL;
}

bool stream_tls_resumed(struct stream *s)
{
	return secure(s) && SSL_session_reused(s->tls);
}

/* RFC 9266: the context is the empty string, not absent (they differ in TLS 1.2). */
static enum status bind_exporter(struct stream *s, unsigned char *out, size_t *len)
{
	static const char label[] = "EXPORTER-Channel-Binding";

	if (SSL_version(s->tls) < TLS1_3_VERSION && SSL_get_extms_support(s->tls) != 1)
		return ST_UNSUPPORTED;
	if (SSL_export_keying_material(s->tls, out, 32, label, sizeof(label) - 1,
	                               (const unsigned char *)"", 0, 1) != 1)
		return ST_UNSUPPORTED;
	*len = 32;
	return ST_OK;
}

/* The server's certificate.  Its end of a resumed session does not know which one it showed. */
static X509 *server_certificate(struct stream *s)
{
	if (s->client)
		return SSL_get0_peer_certificate(s->tls);
	if (SSL_session_reused(s->tls)) {
		SSL_set_current_cert(s->tls, SSL_CERT_SET_FIRST);
		if (SSL_set_current_cert(s->tls, SSL_CERT_SET_NEXT) == 1)
			return NULL;
	}
	return SSL_get_certificate(s->tls);
}

/* RFC 5929, 4.1: the hash of the certificate's signature, but SHA-256 for MD5 and SHA-1. */
static enum status bind_end_point(struct stream *s, unsigned char out[64], size_t *len)
{
	X509 *certificate = server_certificate(s);
	int hash = NID_undef;
	unsigned size = 0;

	if (certificate == NULL ||
	    X509_get_signature_info(certificate, &hash, NULL, NULL, NULL) != 1 || hash == NID_undef)
		return ST_UNSUPPORTED;
	if (hash == NID_md5 || hash == NID_sha1)
		hash = NID_sha256;
	const EVP_MD *md = EVP_get_digestbynid(hash);

	if (md == NULL || EVP_MD_get_size(md) > 64 || X509_digest(certificate, md, out, &size) != 1)
		return ST_UNSUPPORTED;
	*len = size;
	return ST_OK;
}

enum status stream_channel_binding(struct stream *s, const char *type, unsigned char out[64],
                                   size_t *len)
{
	if (!secure(s))
		return ST_UNSUPPORTED;
	if (strcmp(type, "tls-exporter") == 0)
		return bind_exporter(s, out, len);
	if (strcmp(type, "tls-server-end-point") == 0)
		return bind_end_point(s, out, len);
	return ST_UNSUPPORTED;
}
