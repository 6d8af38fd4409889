/* Whole sessions in this process, without sockets, Lua or a store, to count their instructions:
 *
 *   valgrind --tool=callgrind --toggle-collect=counted build/release/count smtp|pop3|hello
 *
 * The session runs once before, so that what happens once in a process is not counted.  The bounds
 * are in spec/bench/count_spec.lua. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "bench.h"
#include "hook/machine.h"
#include "pop3/session.h"
#include "smtp/session.h"

void counted(void (*session)(void));

enum { MAILDROP = 100, RETRIEVED = 10 };

static struct smtp_settings smtp;
static struct pop3_settings pop3;
static struct buf           message, stored;
static unsigned             deliveries;

/* ---- who answers ---- */

static void ask(struct policy *p, struct question *q)
{
	static char box[] = "alice@example.test";
	static struct recipient_target target = { .mailbox = box, .address = box };

	(void)p;
	if (q->hook == HOOK_ACCEPT_RECIPIENT) {
		q->verdict.kind = VERDICT_ACCEPT;
		q->targets = &target;
	} else if (q->hook == HOOK_AUTH) {
		q->verdict.kind = VERDICT_ACCEPT;
		identity_set(&q->identity, slice_from(box), slice_from(box));
	}
	question_answer(q);
}

static void deliver(struct mailbox_provider *p, struct delivery *d)
{
	(void)p;
	for (unsigned i = 0; i < d->envelope->recipient_count; i++)
		d->results[i] = ST_OK;
	deliveries++;
	d->done(d->owner, ST_OK);
}

static enum status room(struct mailbox_provider *p, uint64_t octets)
{
	(void)p, (void)octets;
	return ST_OK;
}

static void read_entry(struct maildrop *m, unsigned index, uint64_t offset, size_t max,
                       maildrop_read_fn *done, void *owner)
{
	(void)m, (void)index;
	done(owner, ST_OK, slice_head(slice_skip(buf_slice(&stored), (size_t)offset), max));
}

static void close_maildrop(struct maildrop *m)
{
	free(m->entries);
	free(m);
}

static const struct maildrop_ops maildrop_ops = { .read = read_entry, .close = close_maildrop };

static void open_maildrop(struct mailbox_provider *p, const struct facts *f, struct slice mailbox,
                          maildrop_opened_fn *done, void *owner)
{
	struct maildrop *m = MEM_NEW(struct maildrop);

	(void)p, (void)f, (void)mailbox;
	m->ops = &maildrop_ops;
	m->uidvalidity = 1;
	m->entries = mem_array(MAILDROP, sizeof(*m->entries));
	for (unsigned i = 0; i < MAILDROP; i++)
		m->entries[i] = (struct maildrop_entry){ .uid = i + 1, .octets = buf_len(&stored) };
	m->count = MAILDROP;
	m->octets = MAILDROP * buf_len(&stored);
	done(owner, ST_OK, m);
}

static void cancel_open(struct mailbox_provider *p, void *owner)
{
	(void)p, (void)owner;
}

/* ---- the host ---- */

static void host_changed(void *host)
{
	(void)host;
}

static struct machine_setup setup(void)
{
	static const struct mailbox_ops mailbox_ops = { open_maildrop, cancel_open, deliver, room };
	static struct mailbox_provider provider = { .ops = &mailbox_ops };
	static struct policy policy = { .ask = ask, .hooks = 1u << HOOK_ACCEPT_RECIPIENT };
	struct machine_setup s = {
		.policy = &policy, .mailboxes = &provider, .host_changed = host_changed,
	};

	facts_init(&s.facts);
	s.facts.service = SERVICE_MTA;
	s.facts.hostname = "mail.example.test";
	s.facts.loopback = true;
	snprintf(s.facts.remote_ip, sizeof(s.facts.remote_ip), "127.0.0.1");
	snprintf(s.facts.local_ip, sizeof(s.facts.local_ip), "127.0.0.1");
	return s;
}

/* Feed one pipelined group; the replies must be as many octets as a real session would have. */
static void say(struct machine *m, struct slice in)
{
	while (in.len) {
		size_t before = in.len;

		m->ops->feed(m, &in);
		while (m->wants == MACHINE_DRAIN) {
			buf_reset(&m->out);
			m->ops->drained(m);
		}
		if (in.len == before)
			die("the session takes no input");
	}
	if (buf_len(&m->out) == 0)
		die("the session does not reply");
	buf_reset(&m->out);
	machine_rest(m);                 /* as the host does between groups */
}

static void end(struct machine *m)
{
	say(m, SLICE("QUIT\r\n"));
	if (m->wants != MACHINE_CLOSE)
		die("the session does not end");
	m->ops->free(m);
}

static struct machine *greet(bool mail)
{
	struct machine_setup s = setup();

	s.facts.protocol = mail ? PROTOCOL_SMTP : PROTOCOL_POP3;
	struct machine *m = mail ? smtp_session_new(&smtp, &s) : pop3_session_new(&pop3, &s);

	m->ops->start(m);
	buf_reset(&m->out);
	if (mail)
		say(m, SLICE("EHLO client.example\r\n"));
	return m;
}

static void hello(void)
{
	end(greet(true));
}

static void send_mail(void)
{
	struct machine *m = greet(true);
	unsigned before = deliveries;

	say(m, SLICE("MAIL FROM:<bench@client.example>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"));
	say(m, buf_slice(&message));
	if (deliveries != before + 1)
		die("the message was not delivered");
	end(m);
}

static void fetch(void)
{
	struct machine *m = greet(false);

	say(m, SLICE("USER alice@example.test\r\nPASS secret\r\n"));
	say(m, SLICE("UIDL\r\nLIST\r\n"));
	for (unsigned i = 1; i <= RETRIEVED; i++) {
		char line[32];

		snprintf(line, sizeof(line), "RETR %u\r\n", i);
		say(m, slice_from(line));
	}
	end(m);
}

__attribute__((noinline)) void counted(void (*session)(void))
{
	session();
}

int main(int argc, char **argv)
{
	static const struct { const char *name; void (*session)(void); } sessions[] = {
		{ "hello", hello }, { "smtp", send_mail }, { "pop3", fetch },
	};

	log_set_level(LOG_LEVEL_WARN);
	bench_message(&message, 4096);
	(void)buf_append(&stored, slice_head(buf_slice(&message), buf_len(&message) - 3));
	smtp_settings_default(&smtp);
	pop3_settings_default(&pop3);
	smtp.hostname = pop3.hostname = "mail.example.test";
	pop3.auth_without_tls_on_loopback = true;
	for (size_t i = 0; i < COUNT_OF(sessions); i++)
		if (argc == 2 && strcmp(argv[1], sessions[i].name) == 0) {
			sessions[i].session();
			counted(sessions[i].session);
			return 0;
		}
	fputs("usage: count hello|smtp|pop3\n", stderr);
	return 64;
}
