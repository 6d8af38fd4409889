/* Formatting of log lines and their targets.  A line is one write(2), so lines of several
 * processes that share a file do not mix. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

static const struct { const char *name; int syslog; } levels[] = {
	[LOG_LEVEL_DEBUG]  = { "debug",  LOG_DEBUG },
	[LOG_LEVEL_INFO]   = { "info",   LOG_INFO },
	[LOG_LEVEL_NOTICE] = { "notice", LOG_NOTICE },
	[LOG_LEVEL_WARN]   = { "warn",   LOG_WARNING },
	[LOG_LEVEL_ERROR]  = { "error",  LOG_ERR },
};

static struct {
	enum log_level  level;
	enum log_format format;
	enum log_target target;
	int             fd;               /* stderr, the file or the journal's socket */
	char            path[256];
	char            process[32];
} state = { .level = LOG_LEVEL_INFO, .fd = STDERR_FILENO, .process = "moonpost" };

void log_set_process(const char *name)
{
	snprintf(state.process, sizeof(state.process), "%s", name);
}

void log_set_level(enum log_level level)
{
	state.level = level;
}

void log_set_format(enum log_format format)
{
	state.format = format;
}

bool log_wants(enum log_level level)
{
	return level >= state.level;
}

static int open_journal(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

enum status log_open(enum log_target target, const char *path)
{
	int fd = STDERR_FILENO;

	if (target == LOG_TO_FILE)
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	else if (target == LOG_TO_JOURNAL)
		fd = open_journal();
	else if (target == LOG_TO_SYSLOG)
		openlog("moonpost", LOG_PID | LOG_NDELAY, LOG_MAIL);
	if (fd < 0)
		return ST_IO;
	if (state.fd != STDERR_FILENO)
		close(state.fd);
	state.fd = fd;
	state.target = target;
	snprintf(state.path, sizeof(state.path), "%s", path ? path : "");
	return ST_OK;
}

enum status log_reopen(void)
{
	char path[sizeof(state.path)];

	memcpy(path, state.path, sizeof(path));
	return state.target == LOG_TO_FILE ? log_open(LOG_TO_FILE, path) : ST_OK;
}

const char *log_u64(uint64_t n)
{
	static __thread char ring[16][24];
	static __thread unsigned next;
	char *out = ring[next++ % 16];

	snprintf(out, sizeof(ring[0]), "%" PRIu64, n);
	return out;
}

/* Lines are cut, not refused, when they reach the ceiling of the buffer. */
static void put(struct buf *line, const char *text)
{
	(void)buf_append(line, slice_from(text));
}

/* Octets of the well-formed UTF-8 sequence at c (RFC 3629, 4), or 0. */
static size_t utf8_sequence(const unsigned char *c)
{
	size_t len = *c < 0x80 ? 1 : *c < 0xc2 ? 0 : *c < 0xe0 ? 2 : *c < 0xf0 ? 3 : *c < 0xf5 ? 4 : 0;
	unsigned char low = *c == 0xe0 ? 0xa0 : *c == 0xf0 ? 0x90 : 0x80;
	unsigned char high = *c == 0xed ? 0x9f : *c == 0xf4 ? 0x8f : 0xbf;

	for (size_t i = 1; i < len; i++) {
		if (c[i] < low || c[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return len;
}

/* What is not UTF-8 becomes U+FFFD: a JSON line stays readable whatever octets a peer sent. */
static void put_escaped(struct buf *line, const char *value)
{
	const unsigned char *c = (const unsigned char *)value;

	while (*c) {
		size_t len = utf8_sequence(c);

		if (len == 0)
			put(line, "\xef\xbf\xbd");
		else if (*c == '"' || *c == '\\')
			(void)buf_printf(line, "\\%c", *c);
		else if (*c < 0x20 || *c == 0x7f)
			(void)buf_printf(line, "\\u%04x", *c);
		else
			(void)buf_append(line, slice_of(c, len));
		c += len ? len : 1;
	}
}

static bool plain_word(const char *value)
{
	if (!*value)
		return false;
	for (const unsigned char *c = (const unsigned char *)value; *c; c++)
		if (*c <= 0x20 || *c == '"' || *c == '\\' || *c == '=' || *c == 0x7f)
			return false;
	return true;
}

static void put_pair(struct buf *line, const char *key, const char *value)
{
	if (state.format == LOG_JSON) {
		(void)buf_printf(line, ",\"%s\":\"", key);
		put_escaped(line, value);
		put(line, "\"");
	} else if (plain_word(value)) {
		(void)buf_printf(line, " %s=%s", key, value);
	} else {
		(void)buf_printf(line, " %s=\"", key);
		put_escaped(line, value);
		put(line, "\"");
	}
}

static void put_time(struct buf *line)
{
	int64_t us = clock_wall_us();
	time_t seconds = (time_t)(us / 1000000);
	struct tm tm;
	char text[32];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)buf_printf(line, "%s.%03dZ", text, (int)(us / 1000 % 1000));
}

static void put_head(struct buf *line, enum log_level level, const char *event)
{
	if (state.format == LOG_JSON) {
		put(line, "{\"time\":\"");
		put_time(line);
		(void)buf_printf(line, "\",\"level\":\"%s\",\"process\":\"%s\",\"event\":\"",
		                 levels[level].name, state.process);
		put_escaped(line, event);
		put(line, "\"");
		return;
	}
	if (state.target == LOG_TO_STDERR || state.target == LOG_TO_FILE) {
		put_time(line);
		(void)buf_printf(line, " %s ", levels[level].name);
	}
	(void)buf_printf(line, "%s ", state.process);
	for (const char *c = event; *c; c++)
		(void)buf_append_byte(line, (unsigned char)*c < 0x20 ? ' ' : *c);
}

static void send_line(enum log_level level, struct buf *line)
{
	if (state.target == LOG_TO_SYSLOG) {
		syslog(levels[level].syslog, "%s", buf_cstr(line));
		return;
	}
	if (state.target == LOG_TO_JOURNAL) {
		char head[96];
		int n = snprintf(head, sizeof(head), "SYSLOG_IDENTIFIER=moonpost\nPRIORITY=%d\nMESSAGE=",
		                 levels[level].syslog);
		struct slice text = buf_slice(line);
		struct buf message;

		buf_init(&message, 0);
		(void)buf_append(&message, slice_of(head, (size_t)n));
		(void)buf_append(&message, text);
		put(&message, "\n");
		(void)!write(state.fd, buf_slice(&message).ptr, buf_len(&message));
		buf_free(&message);
		return;
	}
	put(line, "\n");
	(void)!write(state.fd, buf_slice(line).ptr, buf_len(line));
}

void log_event(enum log_level level, const char *event, ...)
{
	struct buf line;
	va_list ap;
	const char *key;

	if (!log_wants(level))
		return;
	int saved = errno;

	buf_init(&line, 0);
	put_head(&line, level, event);
	va_start(ap, event);
	while ((key = va_arg(ap, const char *)) != NULL) {
		const char *value = va_arg(ap, const char *);

		if (value)
			put_pair(&line, key, value);
	}
	va_end(ap);
	if (state.format == LOG_JSON)
		put(&line, "}");
	send_line(level, &line);
	buf_free(&line);
	errno = saved;
}

void die(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error(text, NULL);
	exit(70);
}
