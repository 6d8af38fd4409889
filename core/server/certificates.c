/* Asking plugins for certificates, and what they said.  An answer is kept for CERTIFICATE_KEEP_MS, a
 * nil too; clients choose the names, so there is a limit, at which all are forgotten. */
#include "server/certificates.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "net/certificate.h"
#include "server/accept.h"

enum { CERTIFICATE_KEEP_MS = 300000, CERTIFICATES_MAX = 1000, NAME_OCTETS = 255 };

struct kept { struct certificate *certificate; uint64_t until_ms; };

struct certificates { struct map kept; };         /* "listener name" -> struct kept */

struct certificate_asked {
	struct connection *connection;
	struct question    question;
	char              *key, *name;        /* both in lower case */
};

static void free_kept(void *value)
{
	struct kept *k = value;

	if (k)
		certificate_free(k->certificate);
	free(k);
}

struct certificates *server_certificates_new(void)
{
	struct certificates *s = MEM_NEW(struct certificates);

	map_init(&s->kept);
	return s;
}

void server_certificates_free(struct certificates *s)
{
	if (!s)
		return;
	map_free(&s->kept, free_kept);
	free(s);
}

static void keep(struct certificates *s, const char *key, struct certificate *certificate)
{
	struct kept *k = MEM_NEW(struct kept);

	if (s->kept.count >= CERTIFICATES_MAX) {
		map_free(&s->kept, free_kept);
		map_init(&s->kept);
	}
	k->certificate = certificate;
	k->until_ms = clock_ms() + CERTIFICATE_KEEP_MS;
	free_kept(map_put(&s->kept, slice_from(key), k));
}

static void free_asked(struct certificate_asked *a)
{
	a->connection->certificate = NULL;
	question_clear(&a->question);
	free(a->key);
	free(a->name);
	free(a);
}

void server_certificates_cancel(struct connection *c)
{
	if (c->certificate)
		free_asked(c->certificate);
}

/* What a plugin said, or NULL for the configured ones: whatever is wrong is in the log. */
static struct certificate *parse(const struct question *q)
{
	struct certificate *certificate;
	char *from, *error = NULL;

	if (q->verdict.kind != VERDICT_ACCEPT)
		return NULL;
	from = mem_printf("plugin %s, certificate for %.*s", q->verdict.by, SLICE_ARG(q->tls.name));
	certificate = certificate_parse(q->certificate.chain, q->certificate.key, from, &error);
	if (!certificate)
		log_error("a plugin's certificate cannot be used", "session", q->facts->id, "why", error, NULL);
	free(error);
	free(from);
	return certificate;
}

static void on_answered(void *owner, struct question *q)
{
	struct certificate_asked *a = owner;
	struct connection *c = a->connection;
	struct certificate *certificate = parse(q);

	/* A plugin that failed is asked again by the next client. */
	if (q->verdict.kind == VERDICT_NONE || certificate)
		keep(c->worker->certificates, a->key, certificate);
	(void)stream_certificate(c->stream, certificate);
	free_asked(a);
}

bool server_certificates_ask(struct connection *c, const char *name)
{
	struct policy *policy = script_policy(c->worker->script);
	struct certificate_asked *a;
	struct kept *k;
	char *key;

	if (!(policy->hooks & 1u << HOOK_CERTIFICATE) || (name && strlen(name) > NAME_OCTETS))
		return false;
	key = mem_printf("%s %s", c->service->listener->name, name ? name : "");
	for (char *octet = key; *octet; octet++)
		*octet = ascii_lower(*octet);
	k = map_get(&c->worker->certificates->kept, slice_from(key));
	if (k && clock_ms() < k->until_ms) {
		(void)stream_certificate(c->stream, k->certificate);
		free(key);
		return true;
	}
	a = c->certificate = MEM_NEW(struct certificate_asked);
	a->connection = c;
	a->key = key;
	a->name = name ? mem_strdup(key + strlen(c->service->listener->name) + 1) : NULL;
	question_init(&a->question, policy, c->machine ? &c->machine->facts : c->facts, a);
	question_begin(&a->question, HOOK_CERTIFICATE, on_answered);
	a->question.tls.name = slice_from(a->name);
	question_ask(&a->question);
	return true;
}
