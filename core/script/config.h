/* The configuration file: a Lua file that returns (or fills) one table.  Strict: an unknown key, a
 * wrong type, a value out of range or a missing file is an error with file:line, the key and the
 * nearest known name. */
#ifndef MOONPOST_SCRIPT_CONFIG_H
#define MOONPOST_SCRIPT_CONFIG_H

#include <stdio.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/map.h"
#include "net/listen.h"
#include "net/tls.h"
#include "pop3/session.h"
#include "smtp/session.h"
#include "store/store.h"

struct config_listener {
	const char    *name;              /* "submission"; unique; made from service and address if not given */
	enum service   service;
	const char   **addresses;         /* as written; NULL-terminated */
	struct address *parsed;           /* the same, "*" expanded to IPv4 and IPv6 */
	unsigned       address_count;
	bool           tls;               /* STARTTLS/STLS offered or implicit; needs certificates */
	bool           proxy;             /* a PROXY header comes first, from `proxy_trusted` alone */
	const char    *where;             /* "moonpost.lua:12", for messages */
};

/* What a plugin's hooks answer while it is left alone because it failed too often. */
enum config_on_failure { CONFIG_ON_FAILURE_TEMPFAIL, CONFIG_ON_FAILURE_SKIP };

struct config_plugin {
	const char *name;                 /* "auth_users" (plugin path) or a path with a slash */
	const char *file;                 /* the file that was found */
	bool        trusted;
	enum config_on_failure on_failure;
	int         options;              /* index into the options kept by config (core/script's own) */
	const char *where;
};

struct config_alias { const char *address; const char **targets; };   /* targets: NULL-terminated */
struct config_catch_all { const char *domain, *target; };

struct config_user {
	const char *name;                 /* "carol@example.test", lower case */
	const char *password;             /* crypt(3) hash */
	const char *mailbox;              /* NULL: the name */
	uint64_t    quota_octets, quota_messages;     /* 0: the store's default */
};

struct config_network { unsigned char bytes[16]; unsigned bits; bool ipv6; };

struct config {
	struct arena arena;               /* owns every string below */
	const char *file;
	const char *hostname;             /* "mail.example.test" */
	const char *default_domain;
	const char **domains;             /* local ones of the configuration; NULL-terminated */
	const char *user, *group;         /* to run as when started as root */
	const char *runtime;              /* directory of control socket and pid file */
	unsigned    workers;
	uint32_t    stop_grace_ms;        /* SIGTERM: time for running commands */
	uint32_t    reload_grace_ms;      /* old workers after a reload; 0: as long as sessions last */
	uint32_t    heartbeat_ms;         /* a worker silent that long is killed and replaced; 5000 */
	uint32_t    handshake_timeout_ms; /* PROXY header and TLS handshake together; 30000 */
	uint32_t    max_session_ms;       /* a session of any kind ends after that; 14400000 (4 h) */
	uint32_t    max_sessions;         /* per worker */
	uint32_t    max_sessions_per_ip;  /* over all workers; IPv6: per /64 */
	uint32_t    password_cache_s;     /* a verified password is remembered; 0: never */
	int         reply_ids;            /* enum reply_ids */
	char        recipient_delimiter;  /* '+' or 0 */
	const char *postmaster;           /* where <postmaster> without domain goes */
	struct config_network *proxy_trusted, *xclient_trusted;
	unsigned    proxy_trusted_count, xclient_trusted_count;
	struct { enum log_level level; enum log_format format; enum log_target target; const char *path; } log;
	struct config_listener *listeners; unsigned listener_count;
	struct config_alias     *aliases;   unsigned alias_count;
	struct config_catch_all *catch_all; unsigned catch_all_count;
	struct config_user      *users;     unsigned user_count;
	struct map               user_names;      /* canonical name -> its struct config_user */
	struct config_plugin   *plugins;   unsigned plugin_count;
	const char **plugin_path;         /* directories; NULL-terminated */
	struct tls_settings   tls;
	struct store_settings store;
	struct smtp_settings  smtp;       /* service-dependent switches are set per listener */
	struct pop3_settings  pop3;
	struct {
		uint32_t slice_ms, cpu_ms, wall_ms;       /* per hook call: 10, 50, 30000 */
		uint64_t memory_octets;                   /* per worker: 256 MiB */
		uint32_t parallel_calls;                  /* children of one call: 100 */
		uint32_t background_calls;                /* of mail.spawn, per worker: 100 */
		uint32_t background_cpu_ms, background_wall_ms;   /* of each: 1 s, 1 h (0: none) */
		uint32_t breaker_failures;                /* 20; 0: off */
		uint32_t breaker_window_ms, breaker_pause_ms;     /* 60 s, 30 s */
		uint32_t timers;                          /* of one plugin: 100 */
		uint32_t reload_wall_ms;                  /* for what waits in replaced code: 60 s */
		uint32_t start_wall_ms, stop_wall_ms;     /* on_start, on_stop: 10 s, 5 s */
	} lua;
	struct slice lua_options;         /* plugins' option tables as Lua text (config_options.h) */
};

/* Reads and checks.  NULL: errors (heap, the caller frees) has one line per problem, each
 * "file:line: key: what is wrong, what to do". */
struct config *config_load(const char *file, char **errors);
void config_free(struct config *c);

/* Every key with type, default, range, unit and meaning, for people. */
void config_keys_print(FILE *out);

/* Whether an address lies in one of the networks. */
bool config_network_match(const struct config_network *n, unsigned count, const char *ip);

#endif
