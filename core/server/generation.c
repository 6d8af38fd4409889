/* Loading a configuration and binding what it names. */
#include "server/generation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

enum { BACKLOG = 4096, TAKEOVER_MS = 3000, TAKEOVER_STEP_MS = 50 };

static const struct generation_socket *find(const struct generation *g, const struct address *a)
{
	for (unsigned i = 0; g && i < g->socket_count; i++)
		if (g->sockets[i].address.port == a->port && strcmp(g->sockets[i].address.ip, a->ip) == 0)
			return &g->sockets[i];
	return NULL;
}

static void explain_bind(const struct config_listener *l, const struct address *a, int why,
                         struct buf *error)
{
	char text[64], holder[128] = "";

	address_format(a, text, sizeof(text));
	(void)buf_printf(error, "%s: listeners: cannot listen on %s (%s): ", l->where, text,
	                 service_name(l->service));
	switch (why) {
	case EADDRINUSE:
		listen_holder(a, holder, sizeof(holder));
		(void)buf_printf(error, "port %u is in use%s%s; stop that program or change this "
		                 "listener's address to another port\n", a->port,
		                 *holder ? " by " : "", holder);
		break;
	case EACCES:
		(void)buf_printf(error, "ports below 1024 need root (or CAP_NET_BIND_SERVICE); start as "
		                 "root, or change this listener's address to a port above 1023\n");
		break;
	case EADDRNOTAVAIL:
		(void)buf_printf(error, "this machine has no such address; change this listener's "
		                 "address\n");
		break;
	default:
		(void)buf_printf(error, "%s\n", strerror(why));
	}
}

/* Workers of a master that was killed close their sockets as soon as they notice; a start right
 * after the kill (systemd's Restart=) waits for them. */
static int open_patiently(const struct address *a, bool starting)
{
	const struct timespec pause = { .tv_nsec = TAKEOVER_STEP_MS * 1000000 };
	char holder[128] = "";
	int fd = listen_open(a, BACKLOG);

	for (int waited = 0; fd < 0 && errno == EADDRINUSE && starting && waited < TAKEOVER_MS;
	     waited += TAKEOVER_STEP_MS) {
		listen_holder(a, holder, sizeof(holder));
		if (strncmp(holder, "moonpost-worker", strlen("moonpost-worker")) != 0 && *holder) {
			errno = EADDRINUSE;
			break;
		}
		nanosleep(&pause, NULL);
		fd = listen_open(a, BACKLOG);
	}
	return fd;
}

static bool bind_one(struct generation *g, const struct generation *old,
                     const struct config_listener *l, const struct address *a, struct buf *error)
{
	const struct generation_socket *had = a->port ? find(old, a) : NULL;
	struct generation_socket *s = &g->sockets[g->socket_count];

	if (a->port && find(g, a)) {
		char text[64];

		address_format(a, text, sizeof(text));
		(void)buf_printf(error, "%s: listeners: %s is listed twice; give each listener an "
		                 "address of its own\n", l->where, text);
		return false;
	}
	*s = (struct generation_socket){ .address = *a, .listener = l, .inherited = had != NULL };
	s->fd = had ? had->fd : open_patiently(a, old == NULL);
	if (s->fd < 0) {
		explain_bind(l, a, errno, error);
		return false;
	}
	if (a->port == 0)
		(void)address_local(s->fd, &s->address);   /* the free one that the kernel found */
	g->socket_count++;
	return true;
}

static bool bind_all(struct generation *g, const struct generation *old, struct buf *error)
{
	const struct config *c = g->config;
	unsigned count = 0;
	bool good = true;

	for (unsigned i = 0; i < c->listener_count; i++)
		count += c->listeners[i].address_count;
	g->sockets = mem_array(count + 1, sizeof(*g->sockets));
	for (unsigned i = 0; i < c->listener_count; i++)
		for (unsigned k = 0; k < c->listeners[i].address_count; k++)
			good &= bind_one(g, old, &c->listeners[i], &c->listeners[i].parsed[k], error);
	return good;
}

static bool load_tls(struct generation *g, const unsigned char *ticket_key, struct buf *error)
{
	struct tls_settings settings = g->config->tls;
	char *why = NULL;

	if (settings.certificate_count == 0)
		return true;
	memcpy(settings.ticket_key, ticket_key, sizeof(settings.ticket_key));
	g->tls = tls_context_new(&settings, &why);
	mem_wipe(settings.ticket_key, sizeof(settings.ticket_key));
	if (g->tls)
		return true;
	(void)buf_printf(error, "%s: tls: %s\n", g->config->file, why ? why : "cannot be set up");
	free(why);
	return false;
}

struct generation *server_generation_new(const char *file, const struct generation *old,
                                         const unsigned char *ticket_key, char **error)
{
	struct generation *g = MEM_NEW(struct generation);
	struct buf problems;
	char *why = NULL;
	bool good;

	buf_init(&problems, 0);
	g->number = old ? old->number + 1 : 1;
	g->config = config_load(file, &why);
	if (!g->config) {
		*error = why ? why : mem_printf("%s: cannot be loaded", file);
		free(g);
		return NULL;
	}
	good = load_tls(g, ticket_key, &problems);
	if (!server_privilege_find(g->config->user, g->config->group, &g->privilege, &why)) {
		(void)buf_printf(&problems, "%s: %s\n", file, why);
		free(why);
		good = false;
	}
	good &= bind_all(g, old, &problems);
	if (!good) {
		*error = mem_strdup(buf_cstr(&problems));
		server_generation_free(g, old);
		g = NULL;
	}
	buf_free(&problems);
	return g;
}

void server_generation_close(struct generation *g)
{
	for (unsigned i = 0; i < g->socket_count; i++)
		close(g->sockets[i].fd);
	g->socket_count = 0;
}

void server_generation_forget(const struct generation *g, const struct generation *keep)
{
	for (unsigned i = 0; g && i < g->socket_count; i++)
		if (!find(keep, &g->sockets[i].address))
			close(g->sockets[i].fd);
}

void server_generation_free(struct generation *g, const struct generation *next)
{
	if (!g)
		return;
	server_generation_forget(g, next);
	free(g->sockets);
	tls_context_unref(&g->tls);
	config_free(g->config);
	free(g);
}

char *server_generation_text(const struct generation *g)
{
	struct buf out;
	const struct config_listener *last = NULL;
	char text[64], *result;

	buf_init(&out, 0);
	for (unsigned i = 0; i < g->socket_count; i++) {
		const struct generation_socket *s = &g->sockets[i];

		if (s->listener != last)
			(void)buf_printf(&out, "%s%s", last ? "; " : "", service_name(s->listener->service));
		last = s->listener;
		address_format(&s->address, text, sizeof(text));
		(void)buf_printf(&out, " %s", text);
	}
	result = mem_strdup(buf_cstr(&out));
	buf_free(&out);
	return result;
}
