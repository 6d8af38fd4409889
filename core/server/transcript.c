/* Events of all sessions of a worker: counted, logged, traced, passed on. */
#include "server/transcript.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/utf8.h"

enum { LINE_MAX_TRACED = 4000 };      /* octets of a line that a trace shows */

static const char *const event_names[] = {
	[EVENT_CONNECT]    = "connect",
	[EVENT_COMMAND]    = "command",
	[EVENT_REPLY]      = "reply",
	[EVENT_DATA]       = "data",
	[EVENT_TLS]        = "tls",
	[EVENT_LOGIN]      = "login",
	[EVENT_ACCEPTED]   = "accepted",
	[EVENT_RETRIEVED]  = "retrieved",
	[EVENT_DELETED]    = "deleted",
	[EVENT_DISCONNECT] = "disconnect",
	[EVENT_STORED]     = "stored",
	[EVENT_ERROR]      = "error",
};

static bool allowed(const struct verdict *v)
{
	return !v || v->kind == VERDICT_NONE || v->kind == VERDICT_ACCEPT;
}

static void count(struct board_slot *slot, const struct event *e)
{
	switch (e->kind) {
	case EVENT_LOGIN:
		if (allowed(e->verdict))
			BOARD_ADD(slot, logins, 1);
		else
			BOARD_ADD(slot, failed_logins, 1);
		break;
	case EVENT_ACCEPTED:
		BOARD_ADD(slot, accepted, 1);
		BOARD_ADD(slot, accepted_octets, e->octets);
		break;
	case EVENT_RETRIEVED:
		BOARD_ADD(slot, retrieved, 1);
		BOARD_ADD(slot, retrieved_octets, e->octets);
		break;
	case EVENT_DELETED:
		BOARD_ADD(slot, deleted, e->octets);
		break;
	case EVENT_CONNECT: case EVENT_COMMAND: case EVENT_REPLY: case EVENT_DATA:
	case EVENT_TLS: case EVENT_DISCONNECT: case EVENT_STORED: case EVENT_ERROR:
		break;
	}
}

/* The machines log what they decide, with all they know; here is what is left: the life of the
 * connection, and logins where the protocol has no word for them. */
static void write_log(const struct event *e)
{
	static const struct { enum log_level level; const char *text; } rows[] = {
		[EVENT_CONNECT]    = { LOG_LEVEL_DEBUG, "connected" },
		[EVENT_TLS]        = { LOG_LEVEL_DEBUG, "TLS started" },
		[EVENT_LOGIN]      = { LOG_LEVEL_INFO,  "login" },
		[EVENT_RETRIEVED]  = { LOG_LEVEL_DEBUG, "message retrieved" },
		[EVENT_DISCONNECT] = { LOG_LEVEL_DEBUG, "disconnected" },
	};
	const struct facts *f = e->facts;
	char *line;

	if (e->kind >= COUNT_OF(rows) || !rows[e->kind].text || !log_wants(rows[e->kind].level))
		return;
	if (e->kind == EVENT_LOGIN && (f->protocol == PROTOCOL_POP3 || !allowed(e->verdict)))
		return;
	line = e->line.len ? mem_slice_dup(slice_head(e->line, LINE_MAX_TRACED)) : NULL;
	log_event(rows[e->kind].level, rows[e->kind].text,
	          "session", f->id, "ip", f->remote_ip, "listener", f->listener,
	          "user", f->identity.user, "tls", e->kind == EVENT_TLS ? f->tls.version : NULL,
	          "octets", e->kind == EVENT_RETRIEVED ? log_u64(e->octets) : NULL,
	          "what", line, NULL);
	free(line);
}

static bool matches(const struct transcript_filter *w, const struct facts *f)
{
	return (!*w->ip || strcmp(w->ip, f->remote_ip) == 0) &&
	       (!*w->user || (f->identity.user &&
	                      slice_ieq(slice_from(w->user), slice_from(f->identity.user)))) &&
	       (!*w->session || strcmp(w->session, f->id) == 0) &&
	       (!*w->protocol || strcmp(w->protocol, protocol_name(f->protocol)) == 0) &&
	       (!*w->service || strcmp(w->service, service_name(f->service)) == 0);
}

/* Lines are octets of a peer: what is not UTF-8 travels as its Latin-1 reading, so that the JSON
 * text is valid whatever a client sends. */
static void add_line(cJSON *o, struct slice line)
{
	bool utf8 = utf8_valid(line);
	struct buf text;

	buf_init(&text, 0);
	for (size_t i = 0; i < line.len && i < LINE_MAX_TRACED; i++) {
		unsigned char c = (unsigned char)line.ptr[i];

		if (c < 0x20 || c == 0x7f)
			(void)buf_append_byte(&text, '?');
		else if (c < 0x80 || utf8)
			(void)buf_append_byte(&text, (char)c);
		else
			(void)buf_printf(&text, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 0x3f));
	}
	cJSON_AddStringToObject(o, "line", buf_cstr(&text));
	buf_free(&text);
}

static char *as_json(const struct event *e)
{
	const struct facts *f = e->facts;
	cJSON *o = cJSON_CreateObject();
	char *text;

	cJSON_AddNumberToObject(o, "time", (double)clock_wall_us() / 1e6);
	cJSON_AddStringToObject(o, "event", event_names[e->kind]);
	cJSON_AddStringToObject(o, "session", f->id);
	cJSON_AddStringToObject(o, "protocol", protocol_name(f->protocol));
	cJSON_AddStringToObject(o, "service", service_name(f->service));
	cJSON_AddStringToObject(o, "ip", f->remote_ip);
	if (f->identity.user)
		cJSON_AddStringToObject(o, "user", f->identity.user);
	if (e->line.ptr)
		add_line(o, e->line);
	if (e->state)
		cJSON_AddStringToObject(o, "state", e->state);
	if (e->kind != EVENT_COMMAND && e->kind != EVENT_REPLY && e->octets)
		cJSON_AddNumberToObject(o, "octets", (double)e->octets);
	if (e->verdict && e->verdict->kind != VERDICT_NONE) {
		cJSON_AddStringToObject(o, "verdict", verdict_name(e->verdict->kind));
		cJSON_AddStringToObject(o, "by", e->verdict->by);
		if (*e->verdict->where)
			cJSON_AddStringToObject(o, "where", e->verdict->where);
	}
	text = cJSON_PrintUnformatted(o);
	cJSON_Delete(o);
	return text;
}

static void trace(struct transcript *t, const struct event *e)
{
	char *json = NULL;

	for (unsigned i = 0; i < TRANSCRIPT_SUBSCRIPTIONS; i++) {
		struct transcript_subscription *s = &t->subscriptions[i];
		char *packet;

		if (!s->id || !matches(&s->filter, e->facts))
			continue;
		if (!json)
			json = as_json(e);
		packet = mem_printf("%u %llu %s", s->id, (unsigned long long)s->dropped, json);
		if (server_channel_send(t->channel, CHANNEL_TRACED, slice_from(packet)) == ST_OK)
			s->dropped = 0;
		else
			s->dropped++;
		free(packet);
	}
	free(json);
}

static void on_event(struct observer *o, const struct event *e)
{
	struct transcript *t = CONTAINER_OF(o, struct transcript, observer);

	count(t->slot, e);
	if (e->kind != EVENT_COMMAND && e->kind != EVENT_REPLY && e->kind != EVENT_DATA)
		write_log(e);
	/* What the line of a reply says already is not shown twice. */
	if (t->tracing && e->kind != EVENT_ERROR)
		trace(t, e);
	if (t->next && (t->next->wants_lines || (e->kind != EVENT_COMMAND && e->kind != EVENT_REPLY)))
		t->next->event(t->next, e);
	/* The last event of a session: its Lua object ends here, while the facts still live. */
	if (e->kind == EVENT_DISCONNECT && t->script)
		script_session_closed(t->script, (struct facts *)(uintptr_t)e->facts);
}

static void on_explain(struct observer *o, const struct explained *e)
{
	server_why_write(&CONTAINER_OF(o, struct transcript, observer)->slot->why, e);
}

void server_transcript_init(struct transcript *t, struct board_slot *slot, struct channel *channel)
{
	*t = (struct transcript){ .observer = { .event = on_event, .explain = on_explain },
	                          .slot = slot, .channel = channel };
}

void server_transcript_refresh(struct transcript *t)
{
	t->observer.wants_lines = t->tracing > 0 || (t->next && t->next->wants_lines);
}

void server_transcript_set_script(struct transcript *t, struct script *script)
{
	t->script = script;
	t->next = script_observer(script);
	server_transcript_refresh(t);
}

bool server_transcript_parse_filter(struct slice json, struct transcript_filter *out)
{
	const struct { const char *name; char *to; size_t size; } members[] = {
		{ "ip", out->ip, sizeof(out->ip) },
		{ "user", out->user, sizeof(out->user) },
		{ "session", out->session, sizeof(out->session) },
		{ "protocol", out->protocol, sizeof(out->protocol) },
		{ "service", out->service, sizeof(out->service) },
	};
	cJSON *o = cJSON_ParseWithLength(json.ptr, json.len), *member;
	bool good = cJSON_IsObject(o);

	memset(out, 0, sizeof(*out));
	cJSON_ArrayForEach(member, o) {
		bool known = false;

		for (unsigned i = 0; i < COUNT_OF(members); i++)
			if (cJSON_IsString(member) && strcmp(member->string, members[i].name) == 0) {
				snprintf(members[i].to, members[i].size, "%s", member->valuestring);
				known = true;
			}
		good = good && known;
	}
	cJSON_Delete(o);
	return good;
}

bool server_transcript_subscribe(struct transcript *t, uint32_t id, const struct transcript_filter *f)
{
	for (unsigned i = 0; i < TRANSCRIPT_SUBSCRIPTIONS; i++) {
		struct transcript_subscription *s = &t->subscriptions[i];

		if (s->id)
			continue;
		*s = (struct transcript_subscription){ .id = id, .filter = *f };
		t->tracing++;
		server_transcript_refresh(t);
		return true;
	}
	return false;
}

void server_transcript_unsubscribe(struct transcript *t, uint32_t id)
{
	for (unsigned i = 0; i < TRANSCRIPT_SUBSCRIPTIONS; i++)
		if (t->subscriptions[i].id == id) {
			t->subscriptions[i].id = 0;
			t->tracing--;
		}
	server_transcript_refresh(t);
}
