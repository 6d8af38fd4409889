/* The SMTP machine against any octets.  The first octet of the input chooses the circumstances:
 * what is required and offered, whether answers come at once or later, which answers.
 *
 * What must hold: replies are well-formed lines, the machine says what it wants and keeps to it,
 * a message that is delivered has no bare CR or LF, and the replies do not depend on how the
 * input was cut into pieces. */
#include "fuzz.h"

#include <ctype.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "smtp/session.h"

const char *const fuzz_tokens[] = {
	"EHLO client.example\r\n", "HELO x\r\n", "MAIL FROM:<a@example.test>\r\n", "MAIL FROM:<>",
	" SIZE=", " BODY=8BITMIME", " SMTPUTF8", " AUTH=<>", "RCPT TO:<b@example.test>\r\n",
	"RCPT TO:<@r.x:\"q \\\"\"@[127.0.0.1]>\r\n", "DATA\r\n", "\r\n.\r\n", ".\r\n", "\n.\n", "\r.\r",
	"BDAT 4\r\n", "BDAT 10 LAST\r\n", "BDAT 0 LAST\r\n", "RSET\r\n", "NOOP\r\n", "QUIT\r\n",
	"VRFY a@example.test\r\n", "EXPN a@example.test\r\n", "HELP\r\n", "STARTTLS\r\n",
	"AUTH PLAIN\r\n", "AUTH PLAIN AGEAYg==\r\n", "AUTH LOGIN\r\n", "YQ==\r\n", "*\r\n",
	"XCLIENT ADDR=192.0.2.1 LOGIN=a+40b\r\n", "XCLIENT NAME=[UNAVAILABLE]\r\n",
	"Received: x\r\n", "Subject: x\r\n\r\n", "\r\n", "\n", "\r", "<", ">", "\xd0\xbf", NULL,
};

enum circumstance {
	LATER        = 1 << 0,           /* every other answer comes after feed returned */
	TLS_OFFERED  = 1 << 1,
	AUTH_IN_CLEAR = 1 << 2,
	TRUSTED      = 1 << 3,
	VRFY_ON      = 1 << 4,
	MOODY        = 1 << 5,           /* policy and store refuse now and then */
	SMALL        = 1 << 6,           /* limits are low */
};

struct peer {
	struct machine         *machine;
	struct policy           policy;
	struct mailbox_provider mailboxes;
	struct question        *question;
	struct delivery        *delivery;
	unsigned                how, answers;
	struct buf              in, codes, line;
};

static enum status no_room(struct mailbox_provider *p, uint64_t octets)
{
	(void)p;
	return octets == 4 ? ST_NOSPACE : ST_OK;
}

/* The same question gets the same answer however the input is cut: answers are counted. */
static void fill(struct peer *p, struct question *q)
{
	static const enum verdict_kind moods[] = {
		VERDICT_ACCEPT, VERDICT_NONE, VERDICT_REJECT, VERDICT_ACCEPT, VERDICT_TEMPFAIL,
		VERDICT_DISCARD, VERDICT_ACCEPT,
	};
	unsigned n = p->answers++;
	enum verdict_kind kind = p->how & MOODY ? moods[n % COUNT_OF(moods)] : VERDICT_ACCEPT;

	verdict_set(&q->verdict, kind, "", "%s", n & 1 ? "because" : "");
	q->verdict.delay_ms = p->how & MOODY && n % 5 == 0 ? 10 : 0;
	if (kind == VERDICT_ACCEPT && q->hook == HOOK_ACCEPT_RECIPIENT && n % 9) {
		q->targets = arena_alloc(&q->arena, sizeof(*q->targets));
		q->targets->mailbox = q->targets->address = arena_strdup(&q->arena, q->recipient.address);
	}
	if (kind == VERDICT_ACCEPT && (q->hook == HOOK_AUTH || q->hook == HOOK_TOKEN))
		identity_set(&q->identity, SLICE("a"), SLICE("a"));
}

static void canceled(struct question *q)
{
	struct peer *p = q->work;

	p->question = NULL;
}

static void ask(struct policy *policy, struct question *q)
{
	struct peer *p = CONTAINER_OF(policy, struct peer, policy);

	fill(p, q);
	if (p->how & LATER && p->answers & 1) {
		p->question = q;
		q->work = p;
		q->cancel = canceled;
	} else {
		question_answer(q);
	}
}

static void check_message(const struct message *m)
{
	struct buf text;
	char *room;
	size_t len = m->octets;

	buf_init(&text, 0);
	(void)buf_reserve(&text, len + 1, &room);
	FUZZ_CHECK(message_read(m, 0, room, &len) == ST_OK && len == m->octets);
	FUZZ_CHECK(len >= 2 && room[len - 1] == '\n' && room[len - 2] == '\r');
	for (size_t i = 0; i < len; i++) {
		FUZZ_CHECK(room[i] != '\n' || (i > 0 && room[i - 1] == '\r'));
		FUZZ_CHECK(room[i] != '\r' || (i + 1 < len && room[i + 1] == '\n'));
	}
	FUZZ_CHECK(memcmp(room, "Return-Path: <", 14) == 0);
	buf_free(&text);
}

static void finish_delivery(struct peer *p, struct delivery *d)
{
	for (unsigned i = 0; i < d->envelope->recipient_count; i++)
		d->results[i] = p->how & MOODY && p->answers++ % 3 == 0 ? ST_QUOTA : ST_OK;
	d->done(d->owner, ST_OK);
}

static void delivery_canceled(struct delivery *d)
{
	struct peer *p = d->work;

	p->delivery = NULL;
}

static void deliver(struct mailbox_provider *mailboxes, struct delivery *d)
{
	struct peer *p = CONTAINER_OF(mailboxes, struct peer, mailboxes);

	FUZZ_CHECK(d->envelope->recipient_count > 0);
	check_message(d->message);
	if (p->how & LATER) {
		p->delivery = d;
		d->work = p;
		d->cancel = delivery_canceled;
	} else {
		finish_delivery(p, d);
	}
}

static const struct mailbox_ops mailbox_ops = { .deliver = deliver, .room = no_room };

static void host_changed(void *host)
{
	(void)host;                      /* settle() looks at the machine after every call */
}

/* "250-", "550 " of every reply line, after looking at its form. */
static void take_replies(struct peer *p)
{
	struct slice out = buf_slice(&p->machine->out);

	while (out.len) {
		size_t end = slice_find(out, '\n');
		const char *c = out.ptr;

		FUZZ_CHECK(end < out.len && end >= 5 && c[end - 1] == '\r');
		FUZZ_CHECK(c[0] >= '2' && c[0] <= '5' && isdigit(c[1]) && isdigit(c[2]));
		FUZZ_CHECK(c[3] == ' ' || c[3] == '-');
		for (size_t i = 0; i + 1 < end; i++)
			FUZZ_CHECK((unsigned char)c[i] >= 0x20 && c[i] != 0x7f);
		(void)buf_append(&p->codes, slice_of(c, 4));
		out = slice_skip(out, end + 1);
	}
	buf_reset(&p->machine->out);
}

/* Obey the machine until it reads, closes, or nothing is left to feed. */
static void settle(struct peer *p)
{
	for (;;) {
		struct machine *m = p->machine;

		take_replies(p);
		if (m->wants == MACHINE_CLOSE)
			return;
		if (m->wants == MACHINE_TLS) {
			buf_reset(&p->in);
			m->facts.tls.active = true;
			m->ops->tls_started(m);
		} else if (m->wants == MACHINE_DRAIN) {
			m->ops->drained(m);
		} else if (m->wants == MACHINE_WAIT && m->delay_ms) {
			m->ops->delayed(m);
		} else if (m->wants == MACHINE_WAIT && p->question) {
			struct question *q = p->question;

			p->question = NULL;
			question_answer(q);
		} else if (m->wants == MACHINE_WAIT) {
			struct delivery *d = p->delivery;

			FUZZ_CHECK(d != NULL);           /* it waits for something */
			p->delivery = NULL;
			finish_delivery(p, d);
		} else {
			struct slice in = buf_slice(&p->in);
			size_t before = in.len;

			if (before == 0)
				return;
			m->ops->feed(m, &in);
			buf_consume(&p->in, before - in.len);
			if (in.len == before && m->wants == MACHINE_READ)
				return;
		}
	}
}

/* STARTTLS drops what was received behind it, so the cut would matter: it is not offered then. */
static void run(struct slice input, unsigned how, unsigned cuts, struct buf *codes)
{
	struct smtp_settings settings;
	struct peer p = { .policy = { .ask = ask, .hooks = ~0u },
	                  .mailboxes = { .ops = &mailbox_ops, .spool = NULL }, .how = how };
	struct machine_setup setup = {
		.policy = &p.policy, .mailboxes = &p.mailboxes, .host = &p, .host_changed = host_changed,
		.tls_available = how & TLS_OFFERED,
	};
	struct fuzz_cuts pieces = fuzz_cut(input, cuts);
	struct slice piece;

	smtp_settings_default(&settings);
	settings.auth_mechanisms = LOGIN_PLAIN | LOGIN_LOGIN | LOGIN_XOAUTH2 | LOGIN_OAUTHBEARER;
	settings.auth_without_tls = how & AUTH_IN_CLEAR;
	settings.vrfy = how & VRFY_ON;
	if (how & SMALL) {
		settings.max_command_octets = 64;
		settings.max_auth_line_octets = 32;
		settings.max_text_line_octets = 40;
		settings.max_message_octets = 200;
		settings.max_header_octets = 100;
		settings.max_received = 2;
		settings.max_recipients = 2;
	}
	facts_init(&setup.facts);
	setup.facts.service = SERVICE_MTA;
	setup.facts.trusted = how & TRUSTED;
	p.machine = smtp_session_new(&settings, &setup);
	p.machine->ops->start(p.machine);
	settle(&p);
	while (p.machine->wants != MACHINE_CLOSE && fuzz_piece(&pieces, &piece)) {
		(void)buf_append(&p.in, piece);
		settle(&p);
	}
	p.machine->ops->free(p.machine);
	FUZZ_CHECK(!p.question && !p.delivery);
	*codes = p.codes;
	buf_free(&p.in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, cut;

	if (size == 0)
		return 0;
	log_set_level(LOG_LEVEL_ERROR + 1);
	unsigned how = data[0];
	struct slice input = slice_of(data + 1, size - 1);

	run(input, how, 1, &whole);
	run(input, how, how & TLS_OFFERED ? 1 : size < 2000 ? 0 : 2, &cut);
	FUZZ_CHECK(slice_eq(buf_slice(&whole), buf_slice(&cut)));
	buf_free(&whole);
	buf_free(&cut);
	return 0;
}
