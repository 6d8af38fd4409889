/* mailbox import: a Maildir or an mbox file into a mailbox, with the UIDLs that the old system
 * gave, so that mail programs do not fetch everything again.  Running it twice brings what is new:
 * a message whose UIDL is there already is left out. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "command/access.h"
#include "command/foreign.h"
#include "command/groups.h"
#include "hook/message.h"

enum { IN_FLIGHT = 64 };

struct import {
	struct access access;
	const char   *mailbox;
	bool          uidls;
	unsigned      in_flight;
	uint64_t      added, known, wrong;
};

struct item { struct import *import; struct message *message; char *name; };

static void item_done(void *owner, enum status st)
{
	struct item *i = owner;
	struct import *im = i->import;

	im->in_flight--;
	if (st == ST_OK) {
		im->added++;
	} else if (st == ST_EXISTS) {
		im->known++;
	} else {
		im->wrong++;
		command_warn(im->access.call, "%s: %s", i->name, status_text(st));
	}
	message_free(i->message);
	free(i->name);
	free(i);
	if (im->access.waiting)
		access_done(&im->access, ST_OK);
}

static void wait_for(struct import *im, unsigned limit)
{
	while (im->in_flight > limit) {
		im->access.outcome = ST_AGAIN;
		(void)access_wait(&im->access);
	}
}

static void put(struct import *im, const char *name, const struct foreign_message *f,
                struct slice text)
{
	struct item *i = MEM_NEW(struct item);
	struct buf octets;
	size_t octets_len;

	buf_init(&octets, 0);
	foreign_to_crlf(text, &octets);
	i->import = im;
	i->name = mem_strdup(name);
	i->message = message_new(store_client_mailboxes(im->access.store)->spool);
	im->in_flight++;
	if (message_append(i->message, buf_slice(&octets)) != ST_OK)
		item_done(i, ST_IO);
	else
		store_mailbox_import(im->access.store, slice_from(im->mailbox), i->message,
		                     im->uidls ? f->uidl : NULL, f->received, item_done, i);
	octets_len = buf_len(&octets);
	buf_free(&octets);
	/* A large message goes another way into the store, and small ones would overtake it there. */
	wait_for(im, octets_len > MESSAGE_IN_MEMORY_MAX ? 0 : IN_FLIGHT);
}

static bool read_file(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	buf_reset(out);
	do {
		char *room;

		if (fd < 0 || buf_reserve(out, 65536, &room) != ST_OK)
			break;
		n = read(fd, room, 65536);
		if (n > 0)
			buf_commit(out, (size_t)n);
	} while (n > 0);
	if (fd >= 0)
		close(fd);
	return fd >= 0 && n == 0;
}

static int import_maildir(struct import *im, const char *path)
{
	struct foreign_maildir m;
	struct buf text;
	char *error = NULL;

	if (!foreign_maildir_open(&m, path, &error)) {
		command_fail(im->access.call, COMMAND_IO, "%s", error);
		free(error);
		foreign_maildir_close(&m);
		return COMMAND_IO;
	}
	buf_init(&text, 0);
	for (unsigned i = 0; i < m.count; i++) {
		if (read_file(m.messages[i].path, &text)) {
			put(im, m.messages[i].path, &m.messages[i], buf_slice(&text));
		} else {
			im->wrong++;
			command_warn(im->access.call, "%s: %s", m.messages[i].path, strerror(errno));
		}
		command_progress(im->access.call, "messages", i + 1, m.count);
	}
	wait_for(im, 0);
	buf_free(&text);
	foreign_maildir_close(&m);
	return COMMAND_OK;
}

static int import_mbox(struct import *im, const char *path)
{
	uint64_t octets = 0;
	struct foreign_mbox *m = foreign_mbox_open(path, &octets);
	struct foreign_message f;
	struct buf text;
	unsigned number = 0;
	enum status st;

	if (!m)
		return command_fail(im->access.call, COMMAND_IO, "%s: %s", path, strerror(errno));
	buf_init(&text, 0);
	while ((st = foreign_mbox_next(m, &f, &text)) == ST_OK) {
		char *name = mem_printf("%s: message %u", path, ++number);

		put(im, name, &f, buf_slice(&text));
		free(name);
		command_progress(im->access.call, "octets", foreign_mbox_position(m), octets);
	}
	wait_for(im, 0);
	buf_free(&text);
	foreign_mbox_close(m);
	if (st == ST_END)
		return COMMAND_OK;
	return command_fail(im->access.call, COMMAND_FAILED, "%s: behind message %u: %s", path, number,
	                    status_text(st));
}

static int run(struct import *im)
{
	struct command_call *call = im->access.call;
	const char *path = call->argv[1], *format = command_option(call, "format");
	int code;

	im->mailbox = access_name(&im->access, call->argv[0]);
	if (!im->mailbox)
		return COMMAND_USAGE;
	if (!format)
		format = foreign_recognise(path);
	im->uidls = !command_option(call, "new-uidls");
	if (format && strcmp(format, "maildir") == 0)
		code = import_maildir(im, path);
	else if (format && strcmp(format, "mbox") == 0)
		code = import_mbox(im, path);
	else
		return command_fail(call, COMMAND_USAGE, "%s is neither a Maildir (with cur/ and new/) nor an "
		                    "mbox file", path);
	if (call->json)
		printf("{\"added\":%llu,\"known\":%llu,\"wrong\":%llu}\n", (unsigned long long)im->added,
		       (unsigned long long)im->known, (unsigned long long)im->wrong);
	command_say(call, "%llu messages added to %s, %llu were there already, %llu could not be added",
	            (unsigned long long)im->added, im->mailbox, (unsigned long long)im->known,
	            (unsigned long long)im->wrong);
	return code == COMMAND_OK && im->wrong ? COMMAND_FAILED : code;
}

int command_mailbox_import(struct command_call *call)
{
	struct import im = { 0 };
	int code = access_open(&im.access, call);

	if (code == COMMAND_OK)
		code = run(&im);
	access_close(&im.access);
	return code;
}
