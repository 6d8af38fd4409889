/* Clients of the control socket.  Requests are a line each; whoever traces gets lines until it
 * hangs up, and misses lines (their number is told) when it does not read fast enough. */
#include "server/control.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

enum {
	REQUEST_MAX = 64 * 1024, BACKLOG = 16,
	REPLY_MAX = 4 * 1024 * 1024,      /* a client that does not read is cut off here */
	TRACE_MAX = 1024 * 1024,          /* unread lines of a trace before lines are dropped */
	NUMBERS_MS = 1000,                /* for the store's numbers */
};

struct control {
	struct master *master;
	int            fd;
	char          *path;
	struct watch  *watch;
	struct list    clients;
	uint32_t       last_id;
};

struct client {
	struct list     link;
	struct control *control;
	uint32_t        id;               /* of its trace, and of its question for numbers */
	int             fd;
	struct watch   *watch;
	struct buf      in, out;
	char           *filter;           /* JSON text while it traces, or NULL */
	uint64_t        dropped;
	cJSON          *status;           /* waits for the store's numbers */
	struct timer    limit;
};

/* ---- output ---- */

static void tell_workers(struct control *c, enum channel_kind kind, const char *text)
{
	LIST_EACH(&c->master->processes, link) {
		struct process *p = CONTAINER_OF(link, struct process, link);

		if (!p->is_store)
			(void)server_channel_send(p->channel, kind, slice_from(text));
	}
}

static void client_free(struct client *c)
{
	if (c->filter) {
		char *id = mem_printf("%u", c->id);

		tell_workers(c->control, CHANNEL_UNTRACE, id);
		free(id);
	}
	server_reload_forget(c->control->master, c);
	server_reload_plugin_forget(c->control->master, c);
	timer_stop(&c->limit);
	cJSON_Delete(c->status);
	free(c->filter);
	watch_free(c->watch);
	close(c->fd);
	buf_free(&c->in);
	buf_free(&c->out);
	list_remove(&c->link);
	free(c);
}

static void flush(struct client *c)
{
	while (buf_len(&c->out) > 0) {
		struct slice out = buf_slice(&c->out);
		ssize_t n = send(c->fd, out.ptr, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			break;
		buf_consume(&c->out, (size_t)n);
	}
	watch_set(c->watch, LOOP_READABLE | (buf_len(&c->out) > 0 ? LOOP_WRITABLE : 0));
}

static void put_json(struct client *c, const cJSON *o)
{
	char *text = cJSON_PrintUnformatted(o);

	(void)buf_append(&c->out, slice_from(text));
	(void)buf_append(&c->out, SLICE("\n"));
	free(text);
	flush(c);
}

static void put_outcome(struct client *c, const char *errors)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddBoolToObject(o, "ok", errors == NULL);
	if (errors)
		cJSON_AddStringToObject(o, "errors", errors);
	put_json(c, o);
	cJSON_Delete(o);
}

/* ---- requests ---- */

static void put_status(struct client *c, const char *store_json, size_t len)
{
	cJSON *o = c->status, *store = store_json ? cJSON_ParseWithLength(store_json, len) : NULL;

	c->status = NULL;
	timer_stop(&c->limit);
	cJSON_AddItemToObject(o, "store", store ? store : cJSON_CreateNull());
	put_json(c, o);
	cJSON_Delete(o);
}

static void no_numbers(void *owner)
{
	put_status(owner, NULL, 0);
}

static void status(struct client *c, const cJSON *request)
{
	struct master *m = c->control->master;
	char *id = mem_printf("%u", c->id);
	bool asked = false;

	cJSON_Delete(c->status);
	c->status = server_control_status(m, cJSON_IsTrue(cJSON_GetObjectItem(request, "plugins")));
	/* The master has no connection to the store; any worker has. */
	LIST_EACH(&m->processes, link) {
		struct process *p = CONTAINER_OF(link, struct process, link);

		if (!asked && !p->is_store && p->state == PROCESS_SERVING)
			asked = server_channel_send(p->channel, CHANNEL_ASK_NUMBERS, slice_from(id)) == ST_OK;
	}
	free(id);
	timer_start(&c->limit, asked ? NUMBERS_MS : 0);
}

static void reloaded(void *owner, const char *errors)
{
	put_outcome(owner, errors);
}

static void reload(struct client *c, const cJSON *request)
{
	const char *plugin = cJSON_GetStringValue(cJSON_GetObjectItem(request, "plugin"));

	if (plugin && !*plugin)
		put_outcome(c, "which plugin? its name is empty");
	else if (plugin || cJSON_IsTrue(cJSON_GetObjectItem(request, "plugins")))
		server_reload_plugin(c->control->master, plugin ? plugin : "", reloaded, c);
	else
		server_reload_begin(c->control->master, reloaded, c);
}

static void stop(struct client *c, const cJSON *request)
{
	put_outcome(c, NULL);
	server_master_stop(c->control->master, cJSON_IsTrue(cJSON_GetObjectItem(request, "now")));
}

static unsigned count_traces(const struct control *c)
{
	unsigned n = 0;

	LIST_EACH(&c->clients, link)
		n += CONTAINER_OF(link, struct client, link)->filter != NULL;
	return n;
}

static void trace(struct client *c, const cJSON *request)
{
	cJSON *filter = cJSON_GetObjectItem(request, "filter");
	char *text = filter ? cJSON_PrintUnformatted(filter) : mem_strdup("{}");
	struct transcript_filter parsed;
	const char *problem = NULL;

	if (c->filter)
		problem = "this connection traces already";
	else if (count_traces(c->control) >= TRANSCRIPT_SUBSCRIPTIONS)
		problem = "too many traces run already; end one of them";
	else if (!server_transcript_parse_filter(slice_from(text), &parsed))
		problem = "a filter has the members ip, user, session, protocol and service, all texts";
	if (problem) {
		put_outcome(c, problem);
		free(text);
		return;
	}
	c->filter = text;
	text = mem_printf("%u %s", c->id, c->filter);
	tell_workers(c->control, CHANNEL_TRACE, text);
	free(text);
	put_outcome(c, NULL);
}

static void why(struct client *c, const cJSON *request)
{
	const char *id = cJSON_GetStringValue(cJSON_GetObjectItem(request, "id"));
	cJSON *o = cJSON_CreateObject();

	cJSON_AddBoolToObject(o, "ok", true);
	server_board_why(c->control->master->board, id ? id : "", cJSON_AddArrayToObject(o, "decisions"));
	put_json(c, o);
	cJSON_Delete(o);
}

static const struct { const char *name; void (*run)(struct client *c, const cJSON *request); }
commands[] = {
	{ "status", status },
	{ "reload", reload },
	{ "stop",   stop },
	{ "trace",  trace },
	{ "why",    why },
};

static void run_line(struct client *c, struct slice line)
{
	cJSON *request = cJSON_ParseWithLength(line.ptr, line.len);
	const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(request, "command"));
	bool known = false;

	for (unsigned i = 0; name && !known && i < COUNT_OF(commands); i++)
		if (strcmp(commands[i].name, name) == 0) {
			known = true;
			commands[i].run(c, request);
		}
	if (!known)
		put_outcome(c, "no such command; there are status, reload, stop, trace and why");
	cJSON_Delete(request);
}

static bool read_in(struct client *c)
{
	for (;;) {
		char *room;
		ssize_t n;

		if (buf_reserve(&c->in, 4096, &room) != ST_OK)
			return false;
		n = recv(c->fd, room, 4096, MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (n == 0)
			return false;
		buf_commit(&c->in, (size_t)n);
	}
}

static void client_ready(void *owner, int events)
{
	struct client *c = owner;
	bool open = true;

	if (events & LOOP_READABLE)
		open = read_in(c);
	for (;;) {
		struct slice in = buf_slice(&c->in);
		size_t end = slice_find(in, '\n');
		char *line;

		if (end == in.len)
			break;
		line = mem_slice_dup(slice_head(in, end));
		buf_consume(&c->in, end + 1);
		run_line(c, slice_from(line));
		free(line);
	}
	if (open)
		flush(c);
	else
		client_free(c);
}

static void accept_client(void *owner, int events)
{
	struct control *control = owner;
	int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c;

	(void)events;
	if (fd < 0)
		return;
	c = MEM_NEW(struct client);
	c->control = control;
	c->id = ++control->last_id;
	c->fd = fd;
	buf_init(&c->in, REQUEST_MAX);
	buf_init(&c->out, REPLY_MAX);
	timer_init(&c->limit, control->master->loop, no_numbers, c);
	c->watch = watch_new(control->master->loop, fd, LOOP_READABLE, client_ready, c);
	list_append(&control->clients, &c->link);
}

/* ---- from the workers ---- */

static struct client *find(struct control *c, struct slice *text)
{
	struct slice word = SLICE_NONE;
	uint64_t id = 0;

	(void)slice_cut(text, ' ', &word);
	if (!c || slice_to_u64(word, &id) != ST_OK)
		return NULL;
	LIST_EACH(&c->clients, link) {
		struct client *client = CONTAINER_OF(link, struct client, link);

		if (client->id == id)
			return client;
	}
	return NULL;
}

void server_control_traced(struct control *c, struct slice text)
{
	struct client *client = find(c, &text);
	struct slice word = SLICE_NONE;
	uint64_t dropped = 0;

	if (!client || !client->filter)
		return;
	(void)slice_cut(&text, ' ', &word);
	(void)slice_to_u64(word, &dropped);
	client->dropped += dropped;
	if (buf_len(&client->out) > TRACE_MAX) {
		client->dropped++;
		return;
	}
	if (client->dropped)
		(void)buf_printf(&client->out, "{\"event\":\"dropped\",\"lines\":%llu}\n",
		                 (unsigned long long)client->dropped);
	client->dropped = 0;
	(void)buf_append(&client->out, text);
	(void)buf_append(&client->out, SLICE("\n"));
	flush(client);
}

void server_control_numbers(struct control *c, struct slice text)
{
	struct client *client = find(c, &text);

	if (client && client->status)
		put_status(client, text.ptr, text.len);
}

/* ---- the socket ---- */

struct control *server_control_new(struct master *m, const char *path, char **error)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct control *c = MEM_NEW(struct control);
	mode_t mask;

	c->master = m;
	c->path = mem_strdup(path);
	list_init(&c->clients);
	if (snprintf(to.sun_path, sizeof(to.sun_path), "%s", path) >= (int)sizeof(to.sun_path)) {
		*error = mem_printf("runtime: \"%s\" is too long for a socket; at most 90 octets", path);
		free(c->path);
		free(c);
		return NULL;
	}
	(void)unlink(path);               /* the pid file's lock says that nobody uses it */
	mask = umask(0177);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    listen(c->fd, BACKLOG) < 0) {
		*error = mem_printf("%s: %s", path, strerror(errno));
		umask(mask);
		server_control_free(c);
		return NULL;
	}
	umask(mask);
	c->watch = watch_new(m->loop, c->fd, LOOP_READABLE, accept_client, c);
	return c;
}

void server_control_free(struct control *c)
{
	if (!c)
		return;
	LIST_EACH(&c->clients, link)
		client_free(CONTAINER_OF(link, struct client, link));
	watch_free(c->watch);
	if (c->fd >= 0)
		close(c->fd);
	(void)unlink(c->path);
	free(c->path);
	free(c);
}

void server_control_forget(struct control *c)
{
	if (!c)
		return;
	close(c->fd);
	LIST_EACH(&c->clients, link)
		close(CONTAINER_OF(link, struct client, link)->fd);
}

void server_control_inherit(const struct control *c, struct transcript *t)
{
	struct transcript_filter filter;

	LIST_EACH(&c->clients, link) {
		const struct client *client = CONTAINER_OF(link, struct client, link);

		if (client->filter &&
		    server_transcript_parse_filter(slice_from(client->filter), &filter))
			(void)server_transcript_subscribe(t, client->id, &filter);
	}
}
