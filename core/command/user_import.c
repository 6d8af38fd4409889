/* user import: thousands of "name:hash" lines, many requests in flight at once, so that group
 * commit carries them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "command/access.h"
#include "command/groups.h"
#include "command/password.h"

enum { IN_FLIGHT = 256, LINE_MAX_OCTETS = 4096 };

struct import {
	struct access access;
	const char   *file;
	bool          replace, dry;
	unsigned      line, in_flight;
	uint64_t      added, skipped, wrong;
	uint64_t      octets_read, octets;
};

struct row {
	struct import    *import;
	unsigned          line;
	struct arena      arena;
	struct store_user user;
	bool              create;
};

static void problem(struct import *im, unsigned line, const char *text)
{
	im->wrong++;
	command_warn(im->access.call, "%s:%u: %s", im->file, line, text);
}

static void row_free(struct row *r)
{
	arena_reset(&r->arena);
	free(r);
}

static void row_done(void *owner, enum status st)
{
	struct row *r = owner;
	struct import *im = r->import;

	im->in_flight--;
	if (st == ST_OK) {
		im->added++;
	} else if (st == ST_EXISTS && im->replace) {
		/* The second try is a replacement. */
		im->in_flight++;
		r->create = false;
		store_user_put(im->access.store, &r->user, false, row_done, r);
		return;
	} else if (st == ST_EXISTS) {
		im->skipped++;
		problem(im, r->line, arena_printf(&r->arena, "user %s is there already (--replace changes "
		                                  "the password)", r->user.name));
		im->wrong--;
	} else {
		problem(im, r->line, arena_printf(&r->arena, "user %s: %s", r->user.name, status_text(st)));
	}
	row_free(r);
	if (im->access.waiting)
		access_done(&im->access, ST_OK);
}

/* "{PLAIN}secret" is hashed here; everything else is a hash already. */
static bool set_password(struct row *r, const char *hash)
{
	struct command_call *call = r->import->access.call;
	const char *crypted, *why = NULL;

	if (slice_istarts(slice_from(hash), SLICE("{PLAIN}")))
		return password_set(call, &r->user, hash + strlen("{PLAIN}"), false, &r->arena);
	crypted = password_foreign(hash, &why);
	if (!crypted) {
		problem(r->import, r->line, why);
		return false;
	}
	r->user.password = arena_strdup(&r->arena, slice_from(crypted));
	return true;
}

/* name:hash[:anything], as in passwd, shadow and Dovecot's passwd-file. */
static void take_line(struct import *im, struct slice line)
{
	struct access *a = &im->access;
	struct slice name, hash = SLICE_NONE;
	struct row *r;
	const char *canonical;

	line = slice_trim(line);
	if (line.len == 0 || line.ptr[0] == '#')
		return;
	if (slice_cut(&line, ':', &name) != ST_OK || slice_cut(&line, ':', &hash) != ST_OK ||
	    name.len == 0 || hash.len == 0) {
		problem(im, im->line, "a line is name:hash");
		return;
	}
	r = MEM_NEW(struct row);
	r->import = im;
	r->line = im->line;
	arena_init(&r->arena);
	canonical = access_name(a, arena_strdup(&a->arena, name));
	if (!canonical) {
		problem(im, im->line, "the line is left out");
		row_free(r);
		return;
	}
	r->user = (struct store_user){ .name = arena_strdup(&r->arena, slice_from(canonical)),
	                               .created = clock_wall() };
	arena_reset(&a->arena);
	if (!set_password(r, arena_strdup(&r->arena, hash))) {
		row_free(r);
		return;
	}
	if (im->dry) {
		im->added++;
		row_free(r);
		return;
	}
	im->in_flight++;
	store_user_put(a->store, &r->user, true, row_done, r);
}

static void wait_for(struct import *im, unsigned limit)
{
	while (im->in_flight > limit) {
		im->access.outcome = ST_AGAIN;
		(void)access_wait(&im->access);
	}
}

static void read_lines(struct import *im, FILE *in)
{
	char line[LINE_MAX_OCTETS];

	while (fgets(line, sizeof(line), in)) {
		size_t len = strlen(line);

		im->line++;
		im->octets_read += len;
		if (len + 1 == sizeof(line) && line[len - 1] != '\n') {
			problem(im, im->line, "the line is too long");
			while (fgets(line, sizeof(line), in) && !strchr(line, '\n'))
				;
			continue;
		}
		while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
			len--;
		take_line(im, slice_of(line, len));
		wait_for(im, IN_FLIGHT);
		if (im->octets)
			command_progress(im->access.call, "octets read", im->octets_read, im->octets);
	}
	wait_for(im, 0);
	mem_wipe(line, sizeof(line));
}

int command_user_import(struct command_call *call)
{
	struct import im = { .file = call->argv[0] };
	bool from_stdin = strcmp(call->argv[0], "-") == 0;
	struct stat st;
	FILE *in;
	int code = access_open(&im.access, call);

	if (code != COMMAND_OK) {
		access_close(&im.access);
		return code;
	}
	im.replace = command_option(call, "replace") != NULL;
	im.dry = command_option(call, "dry-run") != NULL;
	in = from_stdin ? stdin : fopen(im.file, "r");
	if (!in) {
		code = command_fail(call, COMMAND_IO, "%s: %s", im.file, strerror(errno));
	} else {
		im.octets = fstat(fileno(in), &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
		read_lines(&im, in);
		if (!from_stdin)
			fclose(in);
		if (call->json)
			printf("{\"added\":%llu,\"skipped\":%llu,\"wrong\":%llu}\n", (unsigned long long)im.added,
			       (unsigned long long)im.skipped, (unsigned long long)im.wrong);
		command_say(call, "%llu users %s, %llu were there already, %llu lines are wrong",
		            (unsigned long long)im.added, im.dry ? "would be added" : "added",
		            (unsigned long long)im.skipped, (unsigned long long)im.wrong);
		code = im.wrong || im.skipped ? COMMAND_FAILED : COMMAND_OK;
	}
	access_close(&im.access);
	return code;
}
