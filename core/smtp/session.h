/* The SMTP server's protocol machine (RFC 5321): bytes in, replies and questions out, no I/O. */
#ifndef MOONPOST_SMTP_SESSION_H
#define MOONPOST_SMTP_SESSION_H

#include "hook/login.h"
#include "hook/machine.h"

/* All limits have a configuration key of the same name under `smtp`. */
struct smtp_settings {
	const char *hostname;                 /* in the greeting, EHLO and Received */
	const char *banner;                   /* text behind the name in the greeting, or NULL */
	uint64_t max_message_octets;          /* SIZE; default 50 MiB */
	uint32_t max_recipients;              /* per transaction, at least 100; default 1000 */
	uint32_t max_transactions;            /* MAIL commands per session; 0: no limit */
	uint32_t max_command_octets;          /* line with CRLF: 512 and extensions; default 4096 */
	uint32_t max_auth_line_octets;        /* default 12288 (RFC 4954, 4.5.3.1.x) */
	uint32_t max_text_line_octets;        /* announced 1000, borne 64 KiB; default 65536 */
	uint32_t max_header_octets;           /* default 256 KiB */
	uint32_t max_received;                /* more Received fields are a loop; default 100 */
	uint32_t max_errors;                  /* more bad commands: 421; default 20; 0: no limit */
	uint32_t max_idle_commands;           /* more without progress: 421; default 100; 0: no limit */
	uint32_t max_auth_failures;           /* default 3, then 421 */
	uint32_t auth_failure_delay_ms;       /* default 2000 */
	uint32_t command_timeout_ms;          /* RFC 5321, 4.5.3.2.7: 5 min */
	uint32_t data_timeout_ms;             /* 4.5.3.2.5: 3 min between reads */
	unsigned auth_mechanisms;             /* bits of enum login_mechanism */
	bool     auth_without_tls;            /* plain-text mechanisms in clear */
	bool     auth_without_tls_on_loopback;
	bool     require_auth;                /* MAIL before AUTH: 530 5.7.0 (submission) */
	bool     require_tls;                 /* anything but EHLO NOOP QUIT STARTTLS: 530 5.7.0 */
	bool     vrfy;                        /* answer VRFY and EXPN from the directory; else 252, 550 */
	bool     quota_tempfail;              /* full mailbox: 452 4.2.2; else 552 5.2.2 */
	char     recipient_delimiter;         /* user+detail; 0: none; default '+' */
};

struct smtp_session;

void smtp_settings_default(struct smtp_settings *s);

/* Returns the machine embedded in the session; settings are borrowed and outlive it. */
struct machine *smtp_session_new(const struct smtp_settings *settings, const struct machine_setup *setup);

#endif
