/* RETR and TOP: the octets of a message, streamed in steps under back-pressure.
 *
 * What is sent are exactly the octets that LIST announced: a provider that gives fewer or more
 * breaks its contract, and the connection is closed without the final dot, so that no client
 * takes a damaged message for a whole one.  When the last octets of a message are not CRLF (BDAT
 * can do that) a CRLF stands before the final dot, because the dot must stand on a line of its own
 * (RFC 1939, 3); MESSAGE_OPEN_END says so beforehand and the announced size counts it.
 *
 * A large message without dot lines lies in its file as the client gets it, so the host is told
 * where and no octet comes by here.  Its beginning and its end are read all the same: what cannot
 * be read at all is an -ERR, and the end shows whether it is CRLF and whether more follows. */
#include "base/log.h"
#include "pop3/commands.h"
#include "pop3/reply.h"

enum {
	STEP = 64 * 1024,                /* octets asked for at once by RETR */
	HEAD_ROOM = 128,                 /* for the status line and the final dot */
	TOP_STEP = 4096,                 /* the same by TOP, which seldom needs more */
	FILE_STEP = 256 * 1024,          /* sent from a file at once: others get their turn then */
	FILE_TAIL = 4096,                /* read at the end of a message that is sent from a file */
};

static const struct maildrop_entry *entry_of(const struct pop3_session *s)
{
	return &s->maildrop->entries[s->body.index];
}

/* The status line waits for the first octets: a message that cannot be read at all is an -ERR.
 * There is room behind it for all that is read before the host writes. */
static void begin(struct pop3_session *s)
{
	uint64_t octets = entry_of(s)->octets;
	char *room;

	if (s->body.begun)
		return;
	s->body.begun = true;
	if (!s->body.top)
		buf_reserve(&s->machine.out, HEAD_ROOM + (octets < STEP ? (size_t)octets : STEP), &room);
	if (s->body.top)
		pop3_reply(s, POP3_TEXT_DONE, NULL);
	else
		pop3_reply(s, POP3_TEXT_OCTETS, POP3_WITH(.o = pop3_cmd_octets(s, s->body.index)));
}

/* ---- what to send ---- */

/* How many of these octets TOP still sends; the body is over when its lines are. */
static size_t cut_top(struct pop3_body *b, struct slice octets)
{
	size_t at = 0;

	while (!b->over && at < octets.len) {
		struct slice rest = slice_skip(octets, at);
		size_t n = slice_find(rest, '\n');
		bool ended = n < rest.len;

		if (!b->in_body) {
			bool cr = n == 1 && rest.ptr[0] == '\r';

			b->blank = b->blank && (n == 0 || cr);
			b->in_body = ended && b->blank;
			b->blank = ended || b->blank;
			b->over = b->in_body && b->lines == 0;
		} else if (ended) {
			b->over = --b->lines == 0;
		}
		at += n + ended;
	}
	return at;
}

/* Keep the writer's idea of where a line ends while octets go past it unchanged. */
static void follow(struct dots_writer *w, struct slice octets)
{
	char last = octets.ptr[octets.len - 1];
	bool cr_before = octets.len > 1 ? octets.ptr[octets.len - 2] == '\r' : w->after_cr;

	w->inside = !(last == '\n' && cr_before);
	w->after_cr = last == '\r';
}

static bool may_have_dots(const struct maildrop_entry *e)
{
	return e->stuff_unknown || e->flags & MESSAGE_DOT_LINES;
}

static void put(struct pop3_session *s, struct slice octets)
{
	struct pop3_body *b = &s->body;

	if (octets.len == 0)
		return;
	if (may_have_dots(entry_of(s))) {
		dots_write(&b->dots, octets, &s->machine.out);
	} else {
		buf_append(&s->machine.out, octets);
		follow(&b->dots, octets);
	}
	b->sent += octets.len;
}

static void on_read(void *owner, enum status st, struct slice octets);

/* Octets from the maildrop, or what stands in their place. */
static void take(struct pop3_session *s, enum status st, struct slice octets)
{
	struct pop3_body *b = &s->body;
	uint64_t expected = entry_of(s)->octets - b->offset;

	if (st != ST_OK || octets.len == 0 || octets.len > expected) {
		log_error("message cannot be read", "session", s->machine.facts.id, "mailbox",
		          s->machine.facts.identity.mailbox, "message", log_u64((uint64_t)b->index + 1),
		          "offset", log_u64(b->offset), "octets", log_u64(entry_of(s)->octets), "reason",
		          st != ST_OK ? status_text(st) : octets.len == 0 ?
		          "it is shorter than its size in the listing" :
		          "it is longer than its size in the listing", NULL);
		b->failed = b->over = true;
		return;
	}
	begin(s);
	b->offset += octets.len;
	put(s, b->top ? slice_head(octets, cut_top(b, octets)) : octets);
	b->over = b->over || b->offset == entry_of(s)->octets;
}

/* ---- the loop ---- */

static void finish(struct pop3_session *s)
{
	struct pop3_body *b = &s->body;
	char uidl[UIDL_SIZE];

	b->more = NULL;
	if (b->failed && b->begun) {
		pop3_session_close(s);
		return;
	}
	pop3_session_proceed(s);
	if (b->failed) {
		pop3_reply(s, POP3_TEXT_UNREADABLE, POP3_WITH(.u = (uint64_t)b->index + 1));
		return;
	}
	begin(s);
	dots_finish(&b->dots, &s->machine.out);
	machine_observe(&s->machine, EVENT_DATA, SLICE_NONE, pop3_session_state(s), NULL, b->sent);
	if (b->top)
		return;
	s->retrieved++;
	if (b->index + 1 > s->last)
		s->last = b->index + 1;
	if (s->machine.observer) {
		maildrop_uidl(s->maildrop, b->index, uidl);
		machine_observe(&s->machine, EVENT_RETRIEVED, slice_from(uidl), pop3_session_state(s), NULL,
		                b->sent);
	}
}

/* Is there a piece that the host can send from the file? */
static bool offer_file(struct pop3_session *s)
{
	const struct machine *host = &s->machine;
	const struct pop3_body *b = &s->body;
	struct maildrop *m = s->maildrop;
	uint64_t left = entry_of(s)->octets - b->offset;

	if (!host->sends_files || host->facts.tls.active || !m->ops->range || b->top || b->unsendable ||
	    may_have_dots(entry_of(s)) || b->offset == 0 || left <= STEP)
		return false;
	return m->ops->range(m, b->index, b->offset,
	                     left - FILE_TAIL < FILE_STEP ? (size_t)left - FILE_TAIL : FILE_STEP,
	                     &s->machine.file);
}

static void read_on(struct pop3_session *s)
{
	struct pop3_body *b = &s->body;
	size_t max = b->top ? TOP_STEP : STEP;
	uint64_t left = entry_of(s)->octets - b->offset;

	/* One octet more than there should be: so a message that is longer shows itself. */
	b->reading = true;
	s->maildrop->ops->read(s->maildrop, b->index, b->offset, left < max ? (size_t)left + 1 : max,
	                       on_read, s);
}

/* Read until the message is over, the output is full, the host can send the file itself or the
 * maildrop needs time. */
static void pump(struct pop3_session *s)
{
	struct pop3_body *b = &s->body;
	bool file = false;

	b->pumping = true;
	while (!b->over && !b->reading && buf_len(&s->machine.out) < MACHINE_OUT_HIGH) {
		file = offer_file(s);
		if (file)
			break;
		read_on(s);
	}
	b->pumping = false;
	if (b->over)
		finish(s);
	else
		s->machine.wants = b->reading ? MACHINE_WAIT : file ? MACHINE_FILE : MACHINE_DRAIN;
}

void pop3_cmd_file_sent(struct pop3_session *s, long octets)
{
	struct pop3_body *b = &s->body;

	if (octets > 0) {
		b->offset += (uint64_t)octets;
		b->sent += (uint64_t)octets;
	}
	b->unsendable = octets < 0;
	/* What is left is asked for anew when the socket takes more: it may have left the memory. */
	s->machine.wants = MACHINE_DRAIN;
}

static void on_read(void *owner, enum status st, struct slice octets)
{
	struct pop3_session *s = owner;

	s->body.reading = false;
	take(s, st, octets);
	if (s->body.pumping)
		return;
	pop3_session_enter(s);
	pump(s);
	pop3_session_leave(s);
}

static void send_message(struct pop3_session *s, unsigned index, bool top, uint64_t lines)
{
	s->body = (struct pop3_body){
		.more = pump, .index = index, .top = top, .lines = lines, .blank = true,
		.over = s->maildrop->entries[index].octets == 0,
	};
	dots_writer_init(&s->body.dots);
	pump(s);
}

/* RETR SP msg CRLF                                                         RFC 1939, 5 */
void pop3_cmd_retr(struct pop3_session *s, const struct pop3_args *args)
{
	unsigned index;

	if (pop3_cmd_message(s, args->words[0], &index))
		send_message(s, index, false, 0);
}

/* TOP SP msg SP n CRLF: the header, the empty line, n lines                RFC 1939, 7 */
void pop3_cmd_top(struct pop3_session *s, const struct pop3_args *args)
{
	unsigned index;
	uint64_t lines;
	enum status st = slice_to_u64(args->words[1], &lines);

	if (st == ST_SYNTAX) {
		pop3_reply_bad(s, POP3_TEXT_NO_NUMBER, POP3_WITH(.n = args->words[1]));
		return;
	}
	if (pop3_cmd_message(s, args->words[0], &index))
		send_message(s, index, true, st == ST_OK ? lines : UINT64_MAX);
}
