/* Trace header fields (RFC 5321, 4.4): Return-Path and Received. */
#ifndef MOONPOST_MAIL_TRACE_H
#define MOONPOST_MAIL_TRACE_H

#include "base/buf.h"

struct trace {
	struct slice helo, remote_ip;     /* remote_ip without brackets; IPv6 gets its tag here */
	struct slice remote_name;         /* of that address in DNS, or "" */
	struct slice hostname;            /* by */
	const char  *protocol;            /* ESMTPSA and friends (RFC 3848): see trace_protocol */
	struct slice id;
	struct slice recipient;           /* for; "" when there are several */
	struct slice tls;                 /* "TLSv1.3 TLS_AES_256_GCM_SHA384", or "" */
	int64_t      when;                /* seconds since 1970 */
};

/* "SMTP", "ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA"; UTF8SMTP forms of RFC 6531, 4.3. */
const char *trace_protocol(bool esmtp, bool tls, bool authenticated, bool smtputf8);

void trace_received(const struct trace *t, struct buf *out);          /* folded at 78, CRLF */
void trace_return_path(struct slice reverse_path, struct buf *out);

#endif
