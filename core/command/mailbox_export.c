/* mailbox export: a mailbox as Maildir (UIDLs in dovecot-uidlist) or mbox (UIDLs in X-UIDL), so
 * that nobody is locked in. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "command/access.h"
#include "command/drop.h"
#include "command/foreign.h"
#include "command/groups.h"
#include "mail/date.h"
#include "mail/header.h"

struct export {
	struct access   *access;
	struct maildrop *drop;
	const char      *to;
	FILE            *out;             /* mbox; Maildir: dovecot-uidlist */
	struct buf       octets, text;    /* of one message: true octets, with LF */
};

static enum status read_message(struct export *e, unsigned index)
{
	enum status st = ST_OK;
	size_t before;

	buf_reset(&e->octets);
	buf_reset(&e->text);
	do {
		before = buf_len(&e->octets);
		st = drop_read(e->access, e->drop, index, before, &e->octets);
	} while (st == ST_OK && buf_len(&e->octets) > before);
	foreign_to_lf(buf_slice(&e->octets), &e->text);
	return st;
}

/* When we got it: behind the ';' of the newest Received field, else its Date. */
static int64_t received(struct slice octets)
{
	struct header_field f;
	int64_t seconds = 0;
	enum status st;

	while ((st = header_next(&octets, &f)) != ST_END && st != ST_AGAIN) {
		struct slice date = f.value;

		if (st != ST_OK)
			continue;
		if (slice_ieq(f.name, SLICE("Received")))
			date = slice_skip(date, slice_rfind(date, ';') + 1);
		else if (!slice_ieq(f.name, SLICE("Date")))
			continue;
		while (date.len && (*date.ptr == ' ' || *date.ptr == '\t' || *date.ptr == '\r' ||
		                    *date.ptr == '\n'))
			date = slice_skip(date, 1);
		if (date_parse(slice_trim(date), &seconds) == ST_OK)
			return seconds;
	}
	return clock_wall();
}

static int fail(struct export *e, const char *path)
{
	return command_fail(e->access->call, COMMAND_IO, "%s: %s", path, strerror(errno));
}

/* ---- Maildir ---- */

static int maildir_message(struct export *e, unsigned index)
{
	struct slice text = buf_slice(&e->text);
	int64_t when = received(buf_slice(&e->octets));
	char uidl[UIDL_SIZE], unique[16];
	char *name, *tmp, *final;
	uint64_t uid = e->drop->entries[index].uid;
	int code = COMMAND_OK;
	FILE *f;

	random_id(unique, sizeof(unique) - 1);
	maildrop_uidl(e->drop, index, uidl);
	name = mem_printf("%" PRId64 ".%s_%u.moonpost,S=%zu", when, unique, index + 1, text.len);
	tmp = mem_printf("%s/tmp/%s", e->to, name);
	final = mem_printf("%s/cur/%s:2,", e->to, name);
	f = fopen(tmp, "wx");
	if (!f || fwrite(text.ptr, 1, text.len, f) != text.len || fflush(f) != 0 ||
	    rename(tmp, final) < 0)
		code = fail(e, tmp);
	if (f)
		fclose(f);
	/* UIDs of Dovecot have 32 bits and ascend; ours ascend and are longer. */
	fprintf(e->out, "%" PRIu64 " P%s :%s\n", uid < UINT32_MAX ? uid : index + 1, uidl, name);
	free(final);
	free(tmp);
	free(name);
	return code;
}

static int maildir_begin(struct export *e)
{
	static const char *const parts[] = { "", "/cur", "/new", "/tmp" };
	char *path, guid[33];
	uint64_t next = 1;

	for (unsigned i = 0; i < COUNT_OF(parts); i++) {
		path = mem_printf("%s%s", e->to, parts[i]);
		if (mkdir(path, 0700) < 0 && (errno != EEXIST || i == 1)) {
			int code = i == 1 && errno == EEXIST ?
			           command_fail(e->access->call, COMMAND_FAILED, "%s is a Maildir already; export "
			                        "into a new directory", e->to) : fail(e, path);

			free(path);
			return code;
		}
		free(path);
	}
	path = mem_printf("%s/dovecot-uidlist", e->to);
	e->out = fopen(path, "w");
	if (!e->out) {
		int code = fail(e, path);

		free(path);
		return code;
	}
	free(path);
	for (unsigned i = 0; i < e->drop->count; i++)
		next = e->drop->entries[i].uid + 1 > next ? e->drop->entries[i].uid + 1 : next;
	for (unsigned i = 0; i < 4; i++)
		snprintf(guid + 8 * i, 9, "%08x", (unsigned)random_u64());
	fprintf(e->out, "3 V%u N%" PRIu64 " G%s\n", e->drop->uidvalidity,
	        next < UINT32_MAX ? next : (uint64_t)e->drop->count + 1, guid);
	return COMMAND_OK;
}

/* ---- mbox ---- */

static int mbox_begin(struct export *e)
{
	e->out = strcmp(e->to, "-") == 0 ? stdout : fopen(e->to, "wx");
	if (e->out)
		return COMMAND_OK;
	return errno == EEXIST ? command_fail(e->access->call, COMMAND_FAILED, "%s is there already",
	                                      e->to) : fail(e, e->to);
}

static int mbox_message(struct export *e, unsigned index)
{
	struct slice rest = buf_slice(&e->text), line;
	time_t when = (time_t)received(buf_slice(&e->octets));
	char uidl[UIDL_SIZE], date[32];
	struct tm tm;

	gmtime_r(&when, &tm);
	strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", &tm);
	maildrop_uidl(e->drop, index, uidl);
	fprintf(e->out, "From MAILER-DAEMON %s\nX-UIDL: %s\n", date, uidl);
	while (rest.len) {
		size_t quotes = 0, end = slice_find(rest, '\n');

		line = slice_head(rest, end);
		rest = slice_skip(rest, end + 1);
		while (quotes < line.len && line.ptr[quotes] == '>')
			quotes++;
		if (slice_starts(slice_skip(line, quotes), SLICE("From ")))
			fputc('>', e->out);
		fwrite(line.ptr, 1, line.len, e->out);
		fputc('\n', e->out);
	}
	fputc('\n', e->out);
	return ferror(e->out) ? fail(e, e->to) : COMMAND_OK;
}

/* ---- the command ---- */

static int write_all(struct export *e, bool maildir)
{
	struct command_call *call = e->access->call;
	int code = maildir ? maildir_begin(e) : mbox_begin(e);

	for (unsigned i = 0; i < e->drop->count && code == COMMAND_OK; i++) {
		enum status st = read_message(e, i);

		if (st != ST_OK)
			return command_fail(call, COMMAND_IO, "message %u cannot be read: %s", i + 1,
			                    status_text(st));
		code = maildir ? maildir_message(e, i) : mbox_message(e, i);
		command_progress(call, "messages", i + 1, e->drop->count);
	}
	return code;
}

static int run(struct access *a)
{
	struct command_call *call = a->call;
	const char *argument = access_name(a, call->argv[0]), *format = command_option(call, "format");
	bool maildir = !format || strcmp(format, "maildir") == 0;
	struct export e = { .access = a, .to = call->argv[1] };
	int code = COMMAND_USAGE;

	if (!argument)
		return COMMAND_USAGE;
	if (!maildir && strcmp(format, "mbox") != 0)
		return command_fail(call, COMMAND_USAGE, "--format is maildir or mbox, not \"%s\"", format);
	e.drop = drop_open(a, argument, &code);
	if (!e.drop)
		return code;
	buf_init(&e.octets, 0);
	buf_init(&e.text, 0);
	code = write_all(&e, maildir);
	if (e.out && e.out != stdout && fclose(e.out) != 0 && code == COMMAND_OK)
		code = fail(&e, e.to);
	if (code == COMMAND_OK && e.out != stdout)
		command_say(call, "%u messages of %s are in %s", e.drop->count, call->argv[0], e.to);
	e.drop->ops->close(e.drop);
	buf_free(&e.octets);
	buf_free(&e.text);
	return code;
}

int command_mailbox_export(struct command_call *call)
{
	return access_run(call, run);
}
