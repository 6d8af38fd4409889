/* A record is text: a line of fields about the session, the reply and the question, then a line for
 * each plugin that was asked.  Fields are parted by tabs. */
#include "server/why.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "hook/reason.h"
#include "mail/utf8.h"

/* ---- writing ---- */

struct writer { char *at; size_t room; };

/* One field and what ends it; cut where the record is full. */
static void put(struct writer *w, const char *text, char end)
{
	size_t len = text ? strlen(text) : 0;
	bool plain = len == 0 || utf8_valid(slice_of(text, len));

	for (size_t i = 0; i < len && w->room > 2; i++, w->room--) {
		unsigned char c = (unsigned char)text[i];

		*w->at++ = c < 0x20 || c == 0x7f || (c > 0x7f && !plain) ? '?' : (char)c;
	}
	if (w->room > 1) {
		*w->at++ = end;
		w->room--;
	}
}

static void put_number(struct writer *w, uint64_t n, char end)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	put(w, digits, end);
}

static void put_reason(struct writer *w, const struct reason *r)
{
	put(w, r->by, '\t');
	put(w, r->place, '\t');
	put(w, r->failed ? "failed" : verdict_name(r->kind), '\t');
	put(w, r->status, '\t');
	put(w, r->where, '\t');
	put_number(w, r->micros, '\t');
	put(w, r->waits, '\n');
}

static void put_session(struct writer *w, const struct explained *e)
{
	const struct facts *f = e->facts;

	put(w, e->id, '\t');
	put(w, f->id, '\t');
	put_number(w, clock_wall_us() / 1000, '\t');
	put(w, protocol_name(f->protocol), '\t');
	put(w, f->listener, '\t');
	put(w, f->remote_ip, '\t');
	put(w, f->helo, '\t');
	put(w, f->identity.user, '\t');
	put(w, f->tls.active ? f->tls.version : NULL, '\t');
}

static void put_decision(struct writer *w, const struct explained *e)
{
	char *line = mem_slice_dup(e->line);
	const struct question *q = e->question;

	put(w, e->state, '\t');
	put(w, line, '\t');
	put(w, q ? hook_name(q->hook) : NULL, '\t');
	put(w, q ? q->about : NULL, '\t');
	put(w, e->verdict ? e->verdict->by : NULL, '\n');
	free(line);
}

void server_why_write(struct why_ring *ring, const struct explained *e)
{
	uint64_t n = atomic_fetch_add_explicit(&ring->written, 1, memory_order_relaxed);
	struct why_record *record = &ring->records[n % WHY_RECORDS];
	struct writer w = { record->text, sizeof(record->text) };

	atomic_store(&record->sequence, atomic_load(&record->sequence) | 1);
	put_session(&w, e);
	put_decision(&w, e);
	for (const struct reason *r = e->question ? e->question->reasons : NULL; r; r = r->next)
		put_reason(&w, r);
	*w.at = '\0';
	atomic_store(&record->sequence, atomic_load(&record->sequence) + 1);
}

/* ---- reading ---- */

/* The next field of the line; "" when there is none. */
static char *take(char **line)
{
	char *field = *line, *tab = field ? strchr(field, '\t') : NULL;

	*line = tab ? tab + 1 : NULL;
	if (tab)
		*tab = '\0';
	return field ? field : "";
}

static void add_fields(cJSON *o, const char *const names[], char *line)
{
	for (unsigned i = 0; names[i]; i++) {
		char *field = take(&line);

		if (strcmp(names[i], "us") == 0 || strcmp(names[i], "time_ms") == 0)
			cJSON_AddNumberToObject(o, names[i], (double)strtoull(field, NULL, 10));
		else if (*field)
			cJSON_AddStringToObject(o, names[i], field);
	}
}

static cJSON *as_json(char *text)
{
	static const char *const about[] = { "id", "session", "time_ms", "protocol", "listener", "ip",
	                                     "helo", "user", "tls", "state", "reply", "hook", "asked",
	                                     "by", NULL };
	static const char *const step[] = { "plugin", "function", "verdict", "status", "where", "us",
	                                    "waited", NULL };
	cJSON *o = cJSON_CreateObject(), *steps;
	char *next;

	next = strchr(text, '\n');
	if (next)
		*next++ = '\0';
	add_fields(o, about, text);
	steps = cJSON_AddArrayToObject(o, "asked_plugins");
	for (char *line = next; line && *line; line = next) {
		cJSON *s = cJSON_CreateObject();

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		add_fields(s, step, line);
		cJSON_AddItemToArray(steps, s);
	}
	return o;
}

/* Its first or second field is the id. */
static bool is_of(const char *text, const char *id)
{
	size_t len = strlen(id);
	const char *tab = strchr(text, '\t');

	return len > 0 && tab &&
	       ((strncmp(text, id, len) == 0 && text[len] == '\t') ||
	        (strncmp(tab + 1, id, len) == 0 && tab[1 + len] == '\t'));
}

void server_why_find(const struct why_ring *ring, const char *id, cJSON *to)
{
	uint64_t written = atomic_load(&ring->written);
	char text[sizeof(ring->records[0].text) + 1];

	for (uint64_t n = written > WHY_RECORDS ? written - WHY_RECORDS : 0; n < written; n++) {
		const struct why_record *record = &ring->records[n % WHY_RECORDS];
		uint32_t before = atomic_load(&record->sequence);

		memcpy(text, record->text, sizeof(record->text));
		text[sizeof(record->text)] = '\0';
		if (before % 2 == 0 && before == atomic_load(&record->sequence) && is_of(text, id) &&
		    utf8_valid(slice_from(text)))
			cJSON_AddItemToArray(to, as_json(text));
	}
}
