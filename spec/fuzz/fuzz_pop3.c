/* The POP3 machine against octets from a hostile client, cut anywhere, while policy and the
 * maildrop answer at once, later, wrongly or not at all.
 *
 * Input: one octet of switches, one octet: size of the pieces that are fed (0: all at once), then
 * what the client sends.  In it the octet 1 and the next one are an event of the host instead. */
#include "fuzz.h"

#include "base/log.h"
#include "base/mem.h"
#include "pop3/session.h"

const char *const fuzz_tokens[] = {
	"\r\n", "USER kcope\r\nPASS secret\r\n", "USER ", "PASS ", "APOP ", "AUTH ",
	"AUTH PLAIN ", "AUTH LOGIN\r\n", "STLS\r\n", "UTF8\r\n", "CAPA\r\n", "LANG ",
	"LANG ru\r\n", "STAT\r\n", "LIST\r\n", "UIDL\r\n", "RETR 1\r\n", "RETR ",
	"TOP 1 1\r\n", "TOP ", "DELE 1\r\n", "DELE ", "RSET\r\n", "LAST\r\n", "NOOP\r\n",
	"QUIT\r\n", "AGtjb3BlAHNlY3JldA==\r\n", "*\r\n", "18446744073709551616",
	"\x01\x01", "\x01\x02", "\x01\x03", "\x01\x05", "\x01\x06", "\x01\x07", NULL,
};

enum switches {
	LOOPBACK      = 1 << 0,
	TLS_AVAILABLE = 1 << 1,
	APOP          = 1 << 2,
	LATE_POLICY   = 1 << 3,
	LATE_MAILDROP = 1 << 4,
	ON_DELETE     = 1 << 5,
	BROKEN        = 1 << 6,  /* reading and commit fail */
	SMALL_SLICES  = 1 << 7,
};

enum { MESSAGES = 3, EVENT = 1, STEPS_MAX = 10000, OUT_MAX = 1024 * 1024 };

static const struct slice messages[MESSAGES] = {
	{ "Subject: a\r\n\r\n.dot\r\nline\r\n", 26 },
	{ "", 0 },
	{ "no end", 6 },
};

struct host {
	struct machine         *m;
	struct policy           policy;
	struct mailbox_provider provider;
	struct observer         observer;
	struct maildrop         drop;
	struct maildrop_entry   entries[MESSAGES];
	unsigned                switches;
	bool                    dropped;      /* the maildrop is closed */
	struct question        *question;
	void                   *owner;
	maildrop_opened_fn     *opened;
	maildrop_read_fn       *read;
	maildrop_done_fn       *committed;
	unsigned                index;
	uint64_t                offset;
	size_t                  max;
	unsigned                answers;      /* counts, so that they differ */
};

static void require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "the POP3 machine broke a rule: %s\n", what);
	abort();
}

/* ---- the answers ---- */

static void give_read(struct host *h)
{
	maildrop_read_fn *read = h->read;
	struct slice octets = slice_skip(messages[h->index], (size_t)h->offset);
	size_t max = h->switches & SMALL_SLICES ? 3 : h->max;

	h->read = NULL;
	if (h->switches & BROKEN && h->offset > 4)
		read(h->owner, ST_IO, SLICE_NONE);
	else
		read(h->owner, ST_OK, slice_head(octets, max < h->max ? max : h->max));
}

static void give_open(struct host *h)
{
	maildrop_opened_fn *opened = h->opened;

	h->opened = NULL;
	h->dropped = false;
	opened(h->owner, ST_OK, &h->drop);
}

static void give_commit(struct host *h)
{
	maildrop_done_fn *committed = h->committed;

	h->committed = NULL;
	committed(h->owner, h->switches & BROKEN ? ST_TEMPFAIL : ST_OK);
}

static void give_verdict(struct host *h)
{
	struct question *q = h->question;
	static const enum verdict_kind kinds[] = { VERDICT_ACCEPT, VERDICT_NONE, VERDICT_KEEP };

	h->question = NULL;
	switch (q->hook) {
	case HOOK_AUTH:
		if (slice_eq(q->login.password, SLICE("secret"))) {
			verdict_set(&q->verdict, VERDICT_ACCEPT, NULL, "%s", "");
			identity_set(&q->identity, q->login.user, SLICE("box"));
		}
		break;
	case HOOK_SECRET:
		verdict_set(&q->verdict, VERDICT_ACCEPT, NULL, "%s", "");
		q->secret.plain = SLICE("secret");
		break;
	case HOOK_ON_DELETE:
		verdict_set(&q->verdict, kinds[h->answers++ % COUNT_OF(kinds)], NULL, "%s", "");
		break;
	default:
		break;
	}
	question_answer(q);
}

/* Answer what is asked; false when nothing is. */
static bool answer(struct host *h)
{
	if (h->question)
		give_verdict(h);
	else if (h->opened)
		give_open(h);
	else if (h->read)
		give_read(h);
	else if (h->committed)
		give_commit(h);
	else
		return false;
	return true;
}

/* ---- policy and maildrop ---- */

static void ask_canceled(struct question *q)
{
	((struct host *)q->work)->question = NULL;
}

static void ask(struct policy *p, struct question *q)
{
	struct host *h = CONTAINER_OF(p, struct host, policy);

	h->question = q;
	q->work = h;
	q->cancel = ask_canceled;
	if (!(h->switches & LATE_POLICY))
		give_verdict(h);
}

static void open_box(struct mailbox_provider *p, const struct facts *f, struct slice mailbox,
                     maildrop_opened_fn *done, void *owner)
{
	struct host *h = CONTAINER_OF(p, struct host, provider);

	require(h->dropped, "a second maildrop is opened");
	require(f->identity.user && mailbox.len, "a maildrop is opened for nobody");
	h->opened = done;
	h->owner = owner;
	if (!(h->switches & LATE_MAILDROP))
		give_open(h);
}

static void cancel_open(struct mailbox_provider *p, void *owner)
{
	struct host *h = CONTAINER_OF(p, struct host, provider);

	require(h->opened && h->owner == owner, "an open that is not in flight is cancelled");
	h->opened = NULL;
}

static void read_box(struct maildrop *m, unsigned index, uint64_t offset, size_t max,
                     maildrop_read_fn *done, void *owner)
{
	struct host *h = CONTAINER_OF(m, struct host, drop);

	require(!h->dropped && !h->read, "a maildrop is read while it may not be");
	require(index < MESSAGES && offset <= messages[index].len && max > 0, "a read out of bounds");
	h->index = index;
	h->offset = offset;
	h->max = max;
	h->read = done;
	h->owner = owner;
	if (!(h->switches & LATE_MAILDROP))
		give_read(h);
}

static void commit_box(struct maildrop *m, const unsigned *indexes, unsigned count,
                       maildrop_done_fn *done, void *owner)
{
	struct host *h = CONTAINER_OF(m, struct host, drop);

	require(!h->dropped && !h->committed && count > 0 && count <= MESSAGES, "a wrong commit");
	for (unsigned i = 1; i < count; i++)
		require(indexes[i] > indexes[i - 1], "deletions out of order");
	h->committed = done;
	h->owner = owner;
	if (!(h->switches & LATE_MAILDROP))
		give_commit(h);
}

static void close_box(struct maildrop *m)
{
	struct host *h = CONTAINER_OF(m, struct host, drop);

	require(!h->dropped, "a maildrop is closed twice");
	h->dropped = true;
	h->read = NULL;
	h->committed = NULL;
}

static const struct mailbox_ops box_ops = { .open = open_box, .cancel_open = cancel_open };
static const struct maildrop_ops drop_ops = {
	.read = read_box, .commit = commit_box, .close = close_box,
};

/* ---- the host ---- */

static void on_event(struct observer *o, const struct event *e)
{
	(void)o;
	for (size_t i = 0; i < e->line.len; i++)
		require(e->line.ptr[i] != '\r' && e->line.ptr[i] != '\n', "an event of two lines");
	require(!slice_istarts(e->line, SLICE("PASS ")) || slice_eq(slice_skip(e->line, 5), SLICE("****")),
	        "a password in an event");
	require(e->state != NULL, "an event without a state");
}

static void host_changed(void *host)
{
	require(host != NULL, "no host");
}

/* What the machine wrote is whole lines as long as it is not amid a message; write it. */
static void write_out(struct host *h)
{
	struct slice out = buf_slice(&h->m->out);

	require(out.len < OUT_MAX, "the output grows without end");
	if (h->m->wants == MACHINE_READ && out.len)
		require(out.len >= 2 && out.ptr[out.len - 1] == '\n' && out.ptr[out.len - 2] == '\r',
		        "a reply does not end with CRLF");
	buf_consume(&h->m->out, out.len);
}

static void host_event(struct host *h, unsigned what)
{
	struct machine *m = h->m;

	switch (what % 7) {
	case 0: (void)answer(h); break;
	case 1: m->ops->drained(m); break;
	case 2: m->ops->timed_out(m); break;
	case 3: m->ops->end(m); break;
	case 4: write_out(h); break;
	case 5:
		if (m->delay_ms)
			m->ops->delayed(m);
		break;
	case 6:
		if (m->wants == MACHINE_TLS) {
			m->facts.tls = (struct tls_facts){ .active = true, .version = "TLSv1.3", .cipher = "fuzz" };
			m->ops->tls_started(m);
		}
		break;
	}
}

/* Obey the machine until it wants to read or nothing moves. */
static void obey(struct host *h)
{
	struct machine *m = h->m;

	for (int i = 0; i < STEPS_MAX; i++) {
		if (m->wants == MACHINE_DRAIN) {
			write_out(h);
			m->ops->drained(m);
		} else if (m->wants == MACHINE_WAIT && m->delay_ms) {
			m->ops->delayed(m);
		} else if (m->wants != MACHINE_WAIT || !answer(h)) {
			break;
		}
	}
	require(m->wants != MACHINE_WAIT, "it waits for an answer that nobody owes");
}

/* Feed octets from a block of just their size; what is not taken is fed again with the next. */
static void feed(struct host *h, struct buf *inbox, struct slice octets)
{
	buf_append(inbox, octets);
	for (int i = 0; i < STEPS_MAX && buf_len(inbox) && h->m->wants == MACHINE_READ; i++) {
		size_t len = buf_len(inbox);
		char *copy = mem_resize(NULL, len);
		struct slice in = { copy, len };

		memcpy(copy, buf_slice(inbox).ptr, len);
		h->m->ops->feed(h->m, &in);
		buf_consume(inbox, len - in.len);
		free(copy);
		if (in.len == len)
			break;
	}
}

static void make_host(struct host *h, unsigned switches, const struct pop3_settings *settings)
{
	*h = (struct host){ .switches = switches, .dropped = true, .policy.ask = ask,
	                    .provider.ops = &box_ops, .observer = { .event = on_event, .wants_lines = true } };
	h->policy.hooks = 1u << HOOK_SECRET | 1u << HOOK_TOKEN |
	                  (switches & ON_DELETE ? 1u << HOOK_ON_DELETE : 0);
	h->drop = (struct maildrop){ .ops = &drop_ops, .entries = h->entries, .count = MESSAGES };
	for (unsigned i = 0; i < MESSAGES; i++) {
		h->entries[i] = (struct maildrop_entry){ .uid = i + 1, .octets = messages[i].len,
		                                         .stuff_unknown = true };
		h->drop.octets += messages[i].len;
	}
	struct machine_setup setup = {
		.policy = &h->policy, .mailboxes = &h->provider,
		.observer = &h->observer, .host = h, .host_changed = host_changed,
		.tls_available = switches & TLS_AVAILABLE,
	};

	facts_init(&setup.facts);
	setup.facts.protocol = PROTOCOL_POP3;
	setup.facts.service = SERVICE_POP3;
	setup.facts.loopback = switches & LOOPBACK;
	h->m = pop3_session_new(settings, &setup);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pop3_settings settings;
	struct host h;
	struct buf inbox;

	if (size < 2)
		return 0;
	log_set_level(LOG_LEVEL_ERROR + 1);
	pop3_settings_default(&settings);
	settings.auth_without_tls_on_loopback = true;
	settings.apop = data[0] & APOP;
	settings.auth_mechanisms |= LOGIN_CRAM_MD5;
	settings.auth_failure_delay_ms = 1;
	buf_init(&inbox, 0);
	make_host(&h, data[0], &settings);
	h.m->ops->start(h.m);
	size_t piece = data[1] ? data[1] : size;

	for (size_t at = 2; at < size;) {
		if (data[at] == EVENT && at + 1 < size) {
			host_event(&h, data[at + 1]);
			at += 2;
			continue;
		}
		size_t n = 0;

		while (n < piece && at + n < size && data[at + n] != EVENT)
			n++;
		n += n == 0;
		feed(&h, &inbox, slice_of(data + at, n));
		at += n;
	}
	for (size_t left = 0; buf_len(&inbox) != left;) {
		left = buf_len(&inbox);
		obey(&h);
		feed(&h, &inbox, SLICE_NONE);
	}
	obey(&h);
	write_out(&h);
	h.m->ops->free(h.m);
	require(h.dropped && !h.opened && !h.question, "something is in flight behind the end");
	buf_free(&inbox);
	return 0;
}
