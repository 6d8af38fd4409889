/* The keys of the configuration file: one table for the reader, the messages and the listing. */
#include "script/config_read.h"
#include "script/config_parts.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/dict.h"

#define KEY(name, kind, field, text, ...) \
	{ .path = name, .type = CONFIG_##kind, .offset = AT(field), .help = text, __VA_ARGS__ }
#define AT(field) offsetof(struct config, field)

static const struct config_choice pop3_languages[] = {
	{ "en", POP3_LANGUAGE_EN }, { "ru", POP3_LANGUAGE_RU }, { NULL, 0 },
};

static const struct config_choice log_levels[] = {
	{ "debug", LOG_LEVEL_DEBUG }, { "info", LOG_LEVEL_INFO }, { "notice", LOG_LEVEL_NOTICE },
	{ "warn", LOG_LEVEL_WARN }, { "error", LOG_LEVEL_ERROR }, { NULL, 0 },
};
static const struct config_choice reply_ids[] = {
	{ "none", REPLY_IDS_NONE }, { "refusals", REPLY_IDS_REFUSALS }, { "all", REPLY_IDS_ALL },
	{ NULL, 0 },
};
static const struct config_choice log_formats[] = {
	{ "text", LOG_KEY_VALUE }, { "json", LOG_JSON }, { NULL, 0 },
};
static const struct config_choice log_targets[] = {
	{ "stderr", LOG_TO_STDERR }, { "file", LOG_TO_FILE }, { "syslog", LOG_TO_SYSLOG },
	{ "journal", LOG_TO_JOURNAL }, { NULL, 0 },
};
static const struct config_choice services[] = {
	{ "mta", SERVICE_MTA }, { "submission", SERVICE_SUBMISSION },
	{ "submissions", SERVICE_SUBMISSIONS }, { "pop3", SERVICE_POP3 }, { "pop3s", SERVICE_POP3S },
	{ NULL, 0 },
};

static const struct config_choice on_failure[] = {
	{ "tempfail", CONFIG_ON_FAILURE_TEMPFAIL }, { "skip", CONFIG_ON_FAILURE_SKIP }, { NULL, 0 },
};

enum { HOUR = 3600, DAY = 86400 };
#define KIB 1024.0
#define MIB (1024.0 * 1024)
#define GIB (1024.0 * 1024 * 1024)
#define TIB (1024.0 * GIB)

static const struct config_key file_keys[] = {
	KEY("hostname", STRING, hostname,
	    "our name in greetings and Received; default: the machine's name"),
	KEY("domains", CUSTOM, domains,
	    "local domains, beside those added with `moonpost domain`",
	    .read = config_parts_domains, .shape = "list of domain names"),
	KEY("default_domain", STRING, default_domain,
	    "completes a user name without domain; default: the first of domains"),
	KEY("user", STRING, user,
	    "system user to run as when started as root"),
	KEY("group", STRING, group,
	    "system group; default: the user's"),
	KEY("runtime", PATH, runtime,
	    "directory of control socket and pid file"),
	KEY("workers", U32, workers,
	    "worker processes; default: number of processor cores",
	    .min = 1, .max = 256),
	KEY("stop_grace", MS, stop_grace_ms,
	    "time for running commands when the server stops",
	    .unit = "seconds", .max = HOUR),
	KEY("reload_grace", MS, reload_grace_ms,
	    "time for sessions of the workers before a reload; 0: as long as they last",
	    .unit = "seconds", .max = 7 * DAY),
	KEY("heartbeat", MS, heartbeat_ms,
	    "a worker or store silent that long is killed and replaced",
	    .unit = "seconds", .min = 1, .max = HOUR),
	KEY("handshake_timeout", MS, handshake_timeout_ms,
	    "time for PROXY header and TLS handshake",
	    .unit = "seconds", .min = 0.1, .max = HOUR),
	KEY("max_session_time", MS, max_session_ms,
	    "a session of any kind ends after that",
	    .unit = "seconds", .min = 1, .max = 7 * DAY),
	KEY("max_sessions", U32, max_sessions,
	    "sessions of one worker",
	    .min = 1, .max = 1000000),
	KEY("max_sessions_per_ip", U32, max_sessions_per_ip,
	    "sessions of one client address; of one /64 with IPv6",
	    .min = 1, .max = 1000000),
	KEY("password_cache", U32, password_cache_s,
	    "how long a verified password is remembered; 0: never",
	    .unit = "seconds", .max = DAY),
	KEY("reply_ids", CHOICE, reply_ids,
	    "replies that end with an id for `moonpost why`",
	    .choices = reply_ids),
	KEY("recipient_delimiter", CUSTOM, recipient_delimiter,
	    "between name and detail in user+detail@domain; \"\": none",
	    .read = config_parts_delimiter, .shape = "one character or \"\""),
	KEY("postmaster", STRING, postmaster,
	    "who gets mail to <postmaster> without domain"),
	KEY("proxy_trusted", CUSTOM, proxy_trusted,
	    "networks whose PROXY header is believed",
	    .read = config_parts_proxy_trusted, .shape = "list of networks"),
	KEY("xclient_trusted", CUSTOM, xclient_trusted,
	    "networks that may use XCLIENT",
	    .read = config_parts_xclient_trusted, .shape = "list of networks"),

	KEY("store.path", PATH, store.path,
	    "data directory"),
	KEY("store.map_octets", U64, store.map_octets,
	    "address space of the database",
	    .unit = "octets", .min = MIB, .max = 64 * TIB),
	KEY("store.min_free_octets", U64, store.min_free_octets,
	    "free disk space below which mail is refused for now",
	    .unit = "octets"),
	KEY("store.ballast_octets", U64, store.ballast_octets,
	    "file given up when the disk is full, so that deleting works",
	    .unit = "octets", .max = TIB),
	KEY("store.max_batch_messages", U32, store.max_batch_messages,
	    "messages of one commit",
	    .min = 1, .max = 100000),
	KEY("store.max_batch_octets", U32, store.max_batch_octets,
	    "octets of one commit",
	    .unit = "octets", .min = 64 * KIB, .max = GIB),
	KEY("store.max_queued_requests", U32, store.max_queued_requests,
	    "requests waiting for the store",
	    .min = 1, .max = 1000000),
	KEY("store.max_queued_octets", U64, store.max_queued_octets,
	    "octets waiting for the store",
	    .unit = "octets", .min = MIB, .max = TIB),
	KEY("store.flush_threads", U32, store.flush_threads,
	    "threads that flush large messages",
	    .min = 1, .max = 64),
	KEY("store.default_quota_octets", U64, store.default_quota_octets,
	    "quota of a mailbox; 0: none",
	    .unit = "octets"),
	KEY("store.default_quota_messages", U64, store.default_quota_messages,
	    "quota of a mailbox; 0: none",
	    .unit = "messages"),

	KEY("dict.max_key_octets", U32, store.dict.max_key_octets,
	    "key of a dictionary's entry",
	    .unit = "octets", .min = 16, .max = DICT_USER_KEY_MAX),
	KEY("dict.max_value_octets", U32, store.dict.max_value_octets,
	    "value of a dictionary's entry",
	    .unit = "octets", .min = 16, .max = DICT_VALUE_MAX),
	KEY("dict.max_entries", U64, store.dict.max_entries,
	    "entries of all dictionaries and limits in memory",
	    .min = 1, .max = 1e9),
	KEY("dict.max_octets", U64, store.dict.max_octets,
	    "their memory; what was unused longest goes when it is full",
	    .unit = "octets", .min = 64 * KIB, .max = TIB),
	KEY("dict.max_plugin_octets", U64, store.dict.max_plugin_octets,
	    "the same for one plugin",
	    .unit = "octets", .min = 64 * KIB, .max = TIB),
	KEY("dict.durable_max_entries", U64, store.dict.durable_max_entries,
	    "entries of all durable dictionaries",
	    .min = 1, .max = 1e9),
	KEY("dict.durable_max_octets", U64, store.dict.durable_max_octets,
	    "their octets on disk; new entries are refused when they are full",
	    .unit = "octets", .min = 64 * KIB, .max = TIB),
	KEY("dict.durable_max_plugin_octets", U64, store.dict.durable_max_plugin_octets,
	    "the same for one plugin",
	    .unit = "octets", .min = 64 * KIB, .max = TIB),

	KEY("log.level", CHOICE, log.level,
	    "least level that is logged",
	    .choices = log_levels),
	KEY("log.format", CHOICE, log.format,
	    "key=value text or JSON",
	    .choices = log_formats),
	KEY("log.target", CHOICE, log.target,
	    "where the log goes",
	    .choices = log_targets),
	KEY("log.path", PATH, log.path,
	    "file of log.target = \"file\""),

	KEY("tls.certificates", CUSTOM, tls.certificates,
	    "certificates; the one without name is the default",
	    .read = config_parts_certificates, .shape = "list of { name =, chain =, key = }"),
	KEY("tls.min_version", CUSTOM, tls.min_version,
	    "oldest TLS version",
	    .read = config_parts_tls_version, .shape = "\"1.2\" or \"1.3\""),
	KEY("tls.ciphers", STRING, tls.ciphers,
	    "TLS 1.2 cipher list; default: OpenSSL's"),
	KEY("tls.ciphersuites", STRING, tls.ciphersuites,
	    "TLS 1.3 cipher suites; default: OpenSSL's"),
	KEY("tls.tickets", BOOL, tls.tickets,
	    "session tickets"),
	KEY("tls.ticket_lifetime", U32, tls.ticket_lifetime_s,
	    "life of a session ticket",
	    .unit = "seconds", .min = 60, .max = 7 * DAY),

	KEY("listeners", CUSTOM, listeners,
	    "what to listen on",
	    .read = config_parts_listeners, .shape = "list of { service =, address = }", .required = true),

	KEY("aliases", CUSTOM, aliases,
	    "addresses that stand for others",
	    .read = config_parts_aliases, .shape = "table { [\"address\"] = { \"target\" } }"),
	KEY("catch_all", CUSTOM, catch_all,
	    "who gets mail to unknown names of a domain",
	    .read = config_parts_catch_all, .shape = "table { [\"domain\"] = \"address\" }"),
	KEY("users", CUSTOM, users,
	    "accounts, beside those added with `moonpost user`",
	    .read = config_parts_users, .shape = "list of { name =, password = }"),

	KEY("smtp.banner", STRING, smtp.banner,
	    "text behind our name in the greeting"),
	KEY("smtp.max_message_octets", U64, smtp.max_message_octets,
	    "largest message (SIZE)",
	    .unit = "octets", .min = KIB, .max = TIB),
	KEY("smtp.max_recipients", U32, smtp.max_recipients,
	    "recipients of one message (RFC 5321 wants 100)",
	    .min = 1, .max = 1000000),
	KEY("smtp.max_transactions", U32, smtp.max_transactions,
	    "messages of one session; 0: no limit"),
	KEY("smtp.max_command_octets", U32, smtp.max_command_octets,
	    "command line with CRLF",
	    .unit = "octets", .min = 512, .max = 65536),
	KEY("smtp.max_auth_line_octets", U32, smtp.max_auth_line_octets,
	    "line of an AUTH exchange",
	    .unit = "octets", .min = 512, .max = 65536),
	KEY("smtp.max_text_line_octets", U32, smtp.max_text_line_octets,
	    "line of a message that is borne",
	    .unit = "octets", .min = 1000, .max = 16 * MIB),
	KEY("smtp.max_header_octets", U32, smtp.max_header_octets,
	    "header of a message",
	    .unit = "octets", .min = KIB, .max = 64 * MIB),
	KEY("smtp.max_received", U32, smtp.max_received,
	    "Received fields before it is a loop",
	    .min = 1, .max = 1000),
	KEY("smtp.max_errors", U32, smtp.max_errors,
	    "bad commands before the session is closed",
	    .min = 0, .max = 10000),
	KEY("smtp.max_idle_commands", U32, smtp.max_idle_commands,
	    "commands without progress before the session is closed",
	    .min = 0, .max = 100000),
	KEY("smtp.max_auth_failures", U32, smtp.max_auth_failures,
	    "failed logins before the session is closed",
	    .min = 1, .max = 1000),
	KEY("smtp.auth_failure_delay", MS, smtp.auth_failure_delay_ms,
	    "wait before a failed login is answered",
	    .unit = "seconds", .max = 60),
	KEY("smtp.command_timeout", MS, smtp.command_timeout_ms,
	    "wait for a command (RFC 5321, 4.5.3.2.7: 5 minutes)",
	    .unit = "seconds", .min = 0.001, .max = DAY),
	KEY("smtp.data_timeout", MS, smtp.data_timeout_ms,
	    "wait for more of a message (4.5.3.2.5: 3 minutes)",
	    .unit = "seconds", .min = 0.001, .max = DAY),
	KEY("smtp.auth_mechanisms", CUSTOM, smtp.auth_mechanisms,
	    "SASL mechanisms on offer",
	    .read = config_parts_mechanisms, .shape = "list of mechanism names"),
	KEY("smtp.auth_without_tls", BOOL, smtp.auth_without_tls,
	    "plain-text mechanisms in clear, from anywhere"),
	KEY("smtp.auth_without_tls_on_loopback", BOOL, smtp.auth_without_tls_on_loopback,
	    "the same from 127.0.0.0/8 and ::1"),
	KEY("smtp.vrfy", BOOL, smtp.vrfy,
	    "VRFY and EXPN answer from the directory; else 252 and 550"),
	KEY("smtp.quota_tempfail", BOOL, smtp.quota_tempfail,
	    "a full mailbox is 452 4.2.2 (try again); else 552 5.2.2"),

	KEY("pop3.banner", STRING, pop3.banner,
	    "text behind +OK in the greeting"),
	KEY("pop3.language", CHOICE, pop3.language,
	    "language of the texts that LANG * chooses",
	    .choices = pop3_languages),
	KEY("pop3.max_command_octets", U32, pop3.max_command_octets,
	    "command line with CRLF (RFC 2449, 4: 255)",
	    .unit = "octets", .min = 255, .max = 65536),
	KEY("pop3.max_auth_line_octets", U32, pop3.max_auth_line_octets,
	    "line of an AUTH exchange",
	    .unit = "octets", .min = 512, .max = 65536),
	KEY("pop3.max_errors", U32, pop3.max_errors,
	    "bad commands in a row before the session is closed",
	    .min = 1, .max = 10000),
	KEY("pop3.max_auth_failures", U32, pop3.max_auth_failures,
	    "failed logins before the session is closed",
	    .min = 1, .max = 1000),
	KEY("pop3.auth_failure_delay", MS, pop3.auth_failure_delay_ms,
	    "wait before a failed login is answered",
	    .unit = "seconds", .max = 60),
	KEY("pop3.idle_timeout", MS, pop3.idle_timeout_ms,
	    "wait for a command (RFC 1939, 3: at least 10 minutes)",
	    .unit = "seconds", .min = 0.001, .max = DAY),
	KEY("pop3.login_timeout", MS, pop3.login_timeout_ms,
	    "wait for a command before login",
	    .unit = "seconds", .min = 0.001, .max = DAY),
	KEY("pop3.login_delay", U32, pop3.login_delay_s,
	    "least time between logins (LOGIN-DELAY); 0: none",
	    .unit = "seconds", .max = DAY),
	KEY("pop3.expire", CUSTOM, pop3.expire_days,
	    "days that mail is kept (EXPIRE)",
	    .read = config_parts_expire, .shape = "days or \"never\"", .unit = "days"),
	KEY("pop3.auth_mechanisms", CUSTOM, pop3.auth_mechanisms,
	    "SASL mechanisms on offer",
	    .read = config_parts_mechanisms, .shape = "list of mechanism names"),
	KEY("pop3.apop", BOOL, pop3.apop,
	    "APOP; needs accounts with a password in clear"),
	KEY("pop3.auth_without_tls", BOOL, pop3.auth_without_tls,
	    "USER and plain-text mechanisms in clear, from anywhere"),
	KEY("pop3.auth_without_tls_on_loopback", BOOL, pop3.auth_without_tls_on_loopback,
	    "the same from 127.0.0.0/8 and ::1"),

	KEY("lua.slice", MS, lua.slice_ms,
	    "longest turn of a hook before others are served",
	    .unit = "seconds", .min = 0.001, .max = 10),
	KEY("lua.cpu", MS, lua.cpu_ms,
	    "computing time of one hook call",
	    .unit = "seconds", .min = 0.001, .max = 60),
	KEY("lua.wall", MS, lua.wall_ms,
	    "time of one hook call, waits included",
	    .unit = "seconds", .min = 0.001, .max = HOUR),
	KEY("lua.memory", U64, lua.memory_octets,
	    "Lua's memory in one worker",
	    .unit = "octets", .min = 4 * MIB, .max = TIB),
	KEY("lua.parallel_calls", U32, lua.parallel_calls,
	    "functions of mail.all, any and timeout alive in one hook call",
	    .min = 1, .max = 100000),
	KEY("lua.background_calls", U32, lua.background_calls,
	    "calls of mail.spawn alive in one worker",
	    .min = 0, .max = 100000),
	KEY("lua.background_cpu", MS, lua.background_cpu_ms,
	    "computing time of one background call or run of a timer",
	    .unit = "seconds", .min = 0.001, .max = HOUR),
	KEY("lua.background_wall", MS, lua.background_wall_ms,
	    "time of one background call, waits included; 0: no limit",
	    .unit = "seconds", .max = 7 * DAY),
	KEY("lua.reload_wall", MS, lua.reload_wall_ms,
	    "time for what waits in a plugin's old code after `moonpost reload --plugin`",
	    .unit = "seconds", .max = DAY),
	KEY("lua.breaker_failures", U32, lua.breaker_failures,
	    "failures of a plugin after which it is left alone for a while; 0: never",
	    .max = 1000000),
	KEY("lua.breaker_window", MS, lua.breaker_window_ms,
	    "time within which they must fall",
	    .unit = "seconds", .min = 0.001, .max = DAY),
	KEY("lua.breaker_pause", MS, lua.breaker_pause_ms,
	    "how long it is left alone before one call is tried",
	    .unit = "seconds", .min = 0.001, .max = DAY),
	KEY("lua.timers", U32, lua.timers,
	    "timers of one plugin (plugin:every)",
	    .min = 0, .max = 100000),
	KEY("lua.start_wall", MS, lua.start_wall_ms,
	    "time of an on_start hook before the worker serves without it",
	    .unit = "seconds", .min = 0.001, .max = 50),
	KEY("lua.stop_wall", MS, lua.stop_wall_ms,
	    "time of an on_stop hook before the worker ends without it",
	    .unit = "seconds", .min = 0.001, .max = HOUR),

	KEY("plugin_path", PATHS, plugin_path,
	    "directories with plugins"),
	KEY("plugins", CUSTOM, plugins,
	    "plugins in the order of asking; none given: auth_users",
	    .read = config_parts_plugins,
	    .shape = "list of names or { name, options = {}, trusted = false }"),
};

#undef AT
#define AT(field) offsetof(struct config_listener, field)
static const struct config_key listener_keys[] = {
	KEY("name", STRING, name,
	    "name in logs and filters; default: service@address"),
	KEY("service", CHOICE, service,
	    "what is served there",
	    .choices = services, .required = true),
	KEY("address", STRINGS, addresses,
	    "\"127.0.0.1:25\", \"[::1]:25\", \"*:25\"",
	    .required = true),
	KEY("tls", BOOL, tls,
	    "offer STARTTLS/STLS; default: when there is a certificate"),
	KEY("proxy", BOOL, proxy,
	    "a PROXY header comes first, from proxy_trusted alone"),
};
#undef AT
#define AT(field) offsetof(struct tls_certificate, field)
static const struct config_key certificate_keys[] = {
	KEY("name", STRING, name,
	    "server name, also \"*.example.test\"; none: the default"),
	KEY("chain", FILE, chain,
	    "PEM file with the certificate and its intermediates",
	    .required = true),
	KEY("key", FILE, key,
	    "PEM file with the private key",
	    .required = true),
};
#undef AT
#define AT(field) offsetof(struct config_plugin, field)
static const struct config_key plugin_keys[] = {
	KEY("trusted", BOOL, trusted,
	    "without sandbox: io, os and all of Lua"),
	KEY("on_failure", CHOICE, on_failure,
	    "while it is left alone: its hooks fail for now, or are not asked",
	    .choices = on_failure),
	KEY("options", CUSTOM, options,
	    "what the plugin's own plugin:options{} asks for",
	    .read = config_parts_options, .shape = "table"),
};
#undef AT
#define AT(field) offsetof(struct config_user, field)
static const struct config_key user_keys[] = {
	KEY("name", STRING, name,
	    "address to sign in with and to receive mail for",
	    .required = true),
	KEY("password", STRING, password,
	    "crypt(3) hash",
	    .required = true, .secret = true),
	KEY("mailbox", STRING, mailbox,
	    "mailbox; default: the name"),
	KEY("quota_octets", U64, quota_octets,
	    "0: the store's default",
	    .unit = "octets"),
	KEY("quota_messages", U64, quota_messages,
	    "0: the store's default",
	    .unit = "messages"),
};
#undef AT

const struct config_keys config_keys_file = { file_keys, COUNT_OF(file_keys), "" };
const struct config_keys config_keys_listener =
	{ listener_keys, COUNT_OF(listener_keys), "listeners[n]" };
const struct config_keys config_keys_certificate =
	{ certificate_keys, COUNT_OF(certificate_keys), "tls.certificates[n]" };
const struct config_keys config_keys_plugin =
	{ plugin_keys, COUNT_OF(plugin_keys), "plugins[n], beside the name" };
const struct config_keys config_keys_user = { user_keys, COUNT_OF(user_keys), "users[n]" };

/* ---- the listing ---- */

static const char *type_text(const struct config_key *k)
{
	switch (k->type) {
	case CONFIG_BOOL:    return "true or false";
	case CONFIG_STRING:  return "string";
	case CONFIG_PATH:
	case CONFIG_FILE:    return "path";
	case CONFIG_STRINGS: return "string or list of strings";
	case CONFIG_PATHS:   return "list of paths";
	case CONFIG_CUSTOM:  return k->shape;
	case CONFIG_CHOICE:  return NULL;
	default:             return "number";
	}
}

/* The default as it would stand in the file; nothing where the help text says it. */
static void print_default(FILE *out, const struct config_key *k, const char *base)
{
	const void *at = base + k->offset;

	switch (k->type) {
	case CONFIG_BOOL:   fprintf(out, " = %s", *(const bool *)at ? "true" : "false"); break;
	case CONFIG_U32:    fprintf(out, " = %" PRIu32, *(const uint32_t *)at); break;
	case CONFIG_U64:    fprintf(out, " = %" PRIu64, *(const uint64_t *)at); break;
	case CONFIG_MS:     fprintf(out, " = %.14g", *(const uint32_t *)at / 1000.0); break;
	case CONFIG_STRING:
	case CONFIG_PATH:
		if (*(const char *const *)at)
			fprintf(out, " = \"%s\"", *(const char *const *)at);
		break;
	case CONFIG_CHOICE:
		for (const struct config_choice *c = k->choices; c->name; c++)
			if (c->value == *(const int *)at)
				fprintf(out, " = \"%s\"", c->name);
		break;
	default: break;
	}
}

static void print_type(FILE *out, const struct config_key *k)
{
	const char *type = type_text(k);

	fputs(type ? type : "", out);
	for (const struct config_choice *c = k->choices; c && c->name; c++)
		fprintf(out, "%s\"%s\"", c == k->choices ? "" : " | ", c->name);
	if (k->unit)
		fprintf(out, ", %s", k->unit);
	if (k->max > 0)
		fprintf(out, ", %.14g to %.14g", k->min, k->max);
	else if (k->min > 0)
		fprintf(out, ", at least %.14g", k->min);
	if (k->required)
		fputs(", required", out);
}

static void print_keys(FILE *out, const struct config_keys *keys, const void *base)
{
	if (*keys->title)
		fprintf(out, "\nKeys of %s:\n", keys->title);
	for (size_t i = 0; i < keys->count; i++) {
		const struct config_key *k = &keys->keys[i];

		fprintf(out, "%s", k->path);
		if (base)
			print_default(out, k, base);
		fputs("\n    (", out);
		print_type(out, k);
		fprintf(out, ") %s\n", k->help);
	}
}

void config_keys_print(FILE *out)
{
	struct config *c = MEM_NEW(struct config);

	config_parts_defaults(c);
	c->hostname = NULL;               /* of this machine and not of interest here */
	c->workers = 1;
	print_keys(out, &config_keys_file, c);
	print_keys(out, &config_keys_listener, NULL);
	print_keys(out, &config_keys_certificate, NULL);
	print_keys(out, &config_keys_plugin, NULL);
	print_keys(out, &config_keys_user, NULL);
	arena_reset(&c->arena);
	free(c);
}
