/* The fakes around the machines, and the host that feeds them. */
#include "machines.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "bench.h"

enum { MAILDROP = 100 };

struct smtp_settings machines_smtp;
struct pop3_settings machines_pop3;
struct buf           machines_message;
unsigned             machines_delivered;

static struct buf stored;

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
	machines_delivered++;
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

struct policy machines_policy = { .ask = ask, .hooks = 1u << HOOK_ACCEPT_RECIPIENT };

/* ---- the host ---- */

static void host_changed(void *host)
{
	(void)host;
}

static struct machine_setup setup(struct policy *policy)
{
	static const struct mailbox_ops mailbox_ops = { open_maildrop, cancel_open, deliver, room };
	static struct mailbox_provider provider = { .ops = &mailbox_ops };
	struct machine_setup s = {
		.policy = policy, .mailboxes = &provider, .host_changed = host_changed,
	};

	facts_init(&s.facts);
	s.facts.service = SERVICE_MTA;
	s.facts.hostname = "mail.example.test";
	s.facts.loopback = true;
	snprintf(s.facts.remote_ip, sizeof(s.facts.remote_ip), "127.0.0.1");
	snprintf(s.facts.local_ip, sizeof(s.facts.local_ip), "127.0.0.1");
	return s;
}

void machines_say(struct machine *m, struct slice in)
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

void machines_quit(struct machine *m)
{
	machines_say(m, SLICE("QUIT\r\n"));
	if (m->wants != MACHINE_CLOSE)
		die("the session does not end");
	m->ops->free(m);
}

struct machine *machines_greet(bool mail, struct policy *policy)
{
	struct machine_setup s = setup(policy);

	s.facts.protocol = mail ? PROTOCOL_SMTP : PROTOCOL_POP3;
	struct machine *m = mail ? smtp_session_new(&machines_smtp, &s) : pop3_session_new(&machines_pop3, &s);

	m->ops->start(m);
	buf_reset(&m->out);
	if (mail)
		machines_say(m, SLICE("EHLO client.example\r\n"));
	return m;
}

void machines_prepare(void)
{
	log_set_level(LOG_LEVEL_WARN);
	bench_message(&machines_message, 4096);
	(void)buf_append(&stored, slice_head(buf_slice(&machines_message), buf_len(&machines_message) - 3));
	smtp_settings_default(&machines_smtp);
	pop3_settings_default(&machines_pop3);
	machines_smtp.hostname = machines_pop3.hostname = "mail.example.test";
	machines_pop3.auth_without_tls_on_loopback = true;
}
