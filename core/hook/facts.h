/* What is known about a session, the same for both protocols: who is at the other end, how the
 * connection came in, TLS, who signed in.  The session owns one; questions, plugins, the log and
 * the transcript read it. */
#ifndef MOONPOST_HOOK_FACTS_H
#define MOONPOST_HOOK_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum protocol { PROTOCOL_SMTP, PROTOCOL_POP3 };

/* What a listener is for; a bit each, so that filters can be masks. */
enum service {
	SERVICE_MTA         = 1 << 0,     /* 25: mail from other servers */
	SERVICE_SUBMISSION  = 1 << 1,     /* 587: mail from signed-in users, STARTTLS */
	SERVICE_SUBMISSIONS = 1 << 2,     /* 465: the same, TLS from the start */
	SERVICE_POP3        = 1 << 3,     /* 110: STLS */
	SERVICE_POP3S       = 1 << 4,     /* 995: TLS from the start */
};

/* Who signed in.  Made by the `auth` hook; lives in memory of the facts' owner. */
struct identity {
	char    *user;                    /* name as the answerer spells it, heap */
	char    *mailbox;                 /* canonical mailbox name, heap */
	uint64_t quota_octets;            /* 0: what the mailbox itself says */
	uint64_t quota_messages;
};

struct tls_facts {
	bool        active;
	bool        resumed;
	const char *version;              /* "TLSv1.3"; static storage */
	const char *cipher;               /* "TLS_AES_256_GCM_SHA384"; static storage */
	char       *server_name;          /* heap; SNI the client sent, or NULL */
};

struct facts {
	char            id[12];           /* random id of the session, in logs and Received */
	enum protocol   protocol;
	enum service    service;
	const char     *listener;         /* name of the listener in the configuration; borrowed */
	const char     *hostname;         /* our name in greetings; borrowed from the configuration */
	char            remote_ip[46];    /* the client (after PROXY and XCLIENT), no brackets */
	uint16_t        remote_port;
	char            local_ip[46];
	uint16_t        local_port;
	bool            trusted;          /* the peer may use XCLIENT */
	bool            loopback;         /* remote_ip is 127.0.0.0/8 or ::1 */
	struct tls_facts tls;
	char           *remote_name;      /* heap; name in DNS, told by XCLIENT; or NULL */
	char           *helo;             /* heap; name the client gave in HELO/EHLO, or NULL */
	bool            esmtp;            /* it was EHLO */
	struct identity identity;         /* user == NULL: nobody signed in */
	void           *script;           /* core/script: the Lua session object, or NULL */
};

void facts_init(struct facts *f);                         /* zeroed, with a fresh id */
void facts_clear(struct facts *f);                        /* frees what the facts own */
void facts_set_helo(struct facts *f, struct slice name, bool esmtp);   /* copies */
void identity_set(struct identity *to, struct slice user, struct slice mailbox);   /* copies */
void identity_clear(struct identity *i);

/* "smtp", "pop3"; "mta", "submission", "submissions", "pop3", "pop3s". */
const char *protocol_name(enum protocol p);
const char *service_name(enum service s);

#endif
