/* The TRANSACTION state: what lies in the maildrop, and marking messages as deleted. */
#include "base/mem.h"
#include "pop3/commands.h"
#include "pop3/reply.h"

void pop3_cmd_enter_maildrop(struct pop3_session *s, struct maildrop *m)
{
	s->maildrop = m;
	s->state = POP3_TRANSACTION;
	s->octets = 0;
	for (unsigned i = 0; i < m->count; i++)
		s->octets += pop3_cmd_octets(s, i);
	s->left = m->count;
	s->octets_left = s->octets;
}

/* A message whose last line has no CRLF is sent with one, and its size says so. */
uint64_t pop3_cmd_octets(const struct pop3_session *s, unsigned index)
{
	const struct maildrop_entry *e = &s->maildrop->entries[index];

	return e->octets + (e->flags & MESSAGE_OPEN_END ? 2 : 0);
}

bool pop3_cmd_marked(const struct pop3_session *s, unsigned index)
{
	return s->marked && (s->marked[index / 8] & 1u << index % 8);
}

/* msg = 1*DIGIT, a message that is not marked as deleted                   RFC 1939, 5 */
bool pop3_cmd_message(struct pop3_session *s, struct slice word, unsigned *index)
{
	uint64_t number;
	enum status st = slice_to_u64(word, &number);

	if (st == ST_SYNTAX) {
		pop3_reply_bad(s, POP3_TEXT_NO_NUMBER, POP3_WITH(.n = word));
		return false;
	}
	if (st != ST_OK || number == 0 || number > s->maildrop->count) {
		pop3_reply(s, POP3_TEXT_NO_MESSAGE, POP3_WITH(.m = s->maildrop->count));
		return false;
	}
	*index = (unsigned)number - 1;
	if (pop3_cmd_marked(s, *index)) {
		pop3_reply(s, POP3_TEXT_ALREADY_DELETED, POP3_WITH(.u = number));
		return false;
	}
	return true;
}

/* "number size" or "number uidl" into row; returns its length. */
enum {
	ROW_SIZE = POP3_NUMBER_SIZE + 1 + UIDL_SIZE,
	USUAL_ROW = 20,                  /* octets of a row as the store's messages have it */
};

static size_t put_list_row(const struct pop3_session *s, unsigned index, char row[ROW_SIZE])
{
	size_t n = pop3_lang_number((uint64_t)index + 1, row);

	row[n++] = ' ';
	return n + pop3_lang_number(pop3_cmd_octets(s, index), row + n);
}

static size_t put_uidl_row(const struct pop3_session *s, unsigned index, char row[ROW_SIZE])
{
	size_t n = pop3_lang_number((uint64_t)index + 1, row);

	row[n++] = ' ';
	maildrop_uidl(s->maildrop, index, row + n);
	return n + strlen(row + n);
}

typedef size_t put_row_fn(const struct pop3_session *s, unsigned index, char row[ROW_SIZE]);

/* Rows until the end or until the output is full. */
static void send_rows(struct pop3_session *s, put_row_fn *put, pop3_continue_fn *more)
{
	struct pop3_body *b = &s->body;
	size_t expected = (size_t)(s->maildrop->count - b->index) * USUAL_ROW;
	char *room;

	/* One allocation for what usually comes, instead of one for each doubling. */
	buf_reserve(&s->machine.out, (expected < MACHINE_OUT_HIGH ? expected : MACHINE_OUT_HIGH) + ROW_SIZE,
	            &room);
	for (; b->index < s->maildrop->count; b->index++) {
		if (pop3_cmd_marked(s, b->index))
			continue;
		if (buf_len(&s->machine.out) >= MACHINE_OUT_HIGH) {
			b->more = more;
			s->machine.wants = MACHINE_DRAIN;
			return;
		}
		buf_reserve(&s->machine.out, ROW_SIZE + 2, &room);
		size_t n = put(s, b->index, room);

		room[n] = '\r';
		room[n + 1] = '\n';
		buf_commit(&s->machine.out, n + 2);
	}
	b->more = NULL;
	pop3_reply_end(s);
}

static void send_list(struct pop3_session *s)
{
	send_rows(s, put_list_row, send_list);
}

static void send_uidl(struct pop3_session *s)
{
	send_rows(s, put_uidl_row, send_uidl);
}

/* One row as the reply itself: "+OK 2 200". */
static void reply_row(struct pop3_session *s, struct slice word, put_row_fn *put)
{
	char row[ROW_SIZE];
	unsigned index;

	if (!pop3_cmd_message(s, word, &index))
		return;
	size_t n = put(s, index, row);

	pop3_reply(s, POP3_TEXT_NUMBERS, POP3_WITH(.t = slice_of(row, n)));
}

/* STAT CRLF -> "+OK" SP messages SP octets; nothing behind it              RFC 1939, 5 */
void pop3_cmd_stat(struct pop3_session *s, const struct pop3_args *args)
{
	char text[2 * POP3_NUMBER_SIZE + 1];
	size_t n = pop3_lang_number(s->left, text);

	(void)args;
	text[n++] = ' ';
	n += pop3_lang_number(s->octets_left, text + n);
	pop3_reply(s, POP3_TEXT_NUMBERS, POP3_WITH(.t = slice_of(text, n)));
}

/* LIST [SP msg] CRLF                                                       RFC 1939, 5 */
void pop3_cmd_list(struct pop3_session *s, const struct pop3_args *args)
{
	if (args->count) {
		reply_row(s, args->words[0], put_list_row);
		return;
	}
	pop3_reply(s, POP3_TEXT_TOTALS, POP3_WITH(.m = s->left, .o = s->octets_left));
	s->body = (struct pop3_body){ 0 };
	send_list(s);
}

/* UIDL [SP msg] CRLF                                                       RFC 1939, 7 */
void pop3_cmd_uidl(struct pop3_session *s, const struct pop3_args *args)
{
	if (args->count) {
		reply_row(s, args->words[0], put_uidl_row);
		return;
	}
	pop3_reply(s, POP3_TEXT_DONE, NULL);
	s->body = (struct pop3_body){ 0 };
	send_uidl(s);
}

/* DELE SP msg CRLF                                                         RFC 1939, 5 */
void pop3_cmd_dele(struct pop3_session *s, const struct pop3_args *args)
{
	unsigned index;

	if (!pop3_cmd_message(s, args->words[0], &index))
		return;
	if (!s->marked)
		s->marked = mem_array(s->maildrop->count / 8 + 1, 1);
	s->marked[index / 8] |= (unsigned char)(1u << index % 8);
	s->left--;
	s->octets_left -= pop3_cmd_octets(s, index);
	pop3_reply(s, POP3_TEXT_DELETED, POP3_WITH(.u = (uint64_t)index + 1));
}

/* RSET CRLF                                                                RFC 1939, 5
 * LAST keeps its value: the messages were retrieved and stay so. */
void pop3_cmd_rset(struct pop3_session *s, const struct pop3_args *args)
{
	(void)args;
	if (s->marked)
		memset(s->marked, 0, s->maildrop->count / 8 + 1);
	s->left = s->maildrop->count;
	s->octets_left = s->octets;
	pop3_reply(s, POP3_TEXT_RESET, POP3_WITH(.m = s->left, .o = s->octets_left));
}

/* LAST CRLF -> the highest message number retrieved in this session        RFC 1225 */
void pop3_cmd_last(struct pop3_session *s, const struct pop3_args *args)
{
	(void)args;
	pop3_reply(s, POP3_TEXT_LAST, POP3_WITH(.u = s->last));
}

/* NOOP CRLF                                                                RFC 1939, 5 */
void pop3_cmd_noop(struct pop3_session *s, const struct pop3_args *args)
{
	(void)args;
	pop3_reply(s, POP3_TEXT_DONE, NULL);
}
