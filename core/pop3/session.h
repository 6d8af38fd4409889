/* The POP3 server's protocol machine (RFC 1939): bytes in, replies and questions out, no I/O. */
#ifndef MOONPOST_POP3_SESSION_H
#define MOONPOST_POP3_SESSION_H

#include "hook/login.h"
#include "hook/machine.h"

enum pop3_language { POP3_LANGUAGE_EN, POP3_LANGUAGE_RU, POP3_LANGUAGE__COUNT };

/* All limits have a configuration key of the same name under `pop3`. */
struct pop3_settings {
	const char *hostname;
	const char *banner;                   /* text behind +OK in the greeting, or NULL */
	const char *default_domain;           /* USER kcope means kcope@default_domain, or NULL */
	enum pop3_language language;          /* what LANG * chooses; default English */
	uint32_t max_command_octets;          /* line with CRLF; RFC 2449, 4: 255; default 512 */
	uint32_t max_auth_line_octets;        /* default 12288 */
	uint32_t max_errors;                  /* bad commands in a row before closing; default 20 */
	uint32_t max_auth_failures;           /* default 3 */
	uint32_t auth_failure_delay_ms;       /* default 2000 */
	uint32_t idle_timeout_ms;             /* RFC 1939, 3: at least 10 min */
	uint32_t login_timeout_ms;            /* in AUTHORIZATION state; default 1 min */
	uint32_t login_delay_s;               /* LOGIN-DELAY (RFC 2449, 6.8); 0: none */
	int32_t  expire_days;                 /* EXPIRE (RFC 2449, 6.7); -1: NEVER */
	unsigned auth_mechanisms;             /* bits of enum login_mechanism */
	bool     apop;
	bool     auth_without_tls;
	bool     auth_without_tls_on_loopback;
};

void pop3_settings_default(struct pop3_settings *s);

/* Returns the machine embedded in the session; settings are borrowed and outlive it. */
struct machine *pop3_session_new(const struct pop3_settings *settings, const struct machine_setup *setup);

#endif
