/* The life of an authentication exchange: its questions, its ends, what policy said. */
#include "hook/login_exchange.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "mail/base64.h"

void login_exchange_begin(struct login *l, const char *mechanism)
{
	if (l->exchange)
		die("a login is started while another one runs");
	struct login_exchange *e = MEM_NEW(struct login_exchange);

	e->mechanism = mechanism;
	buf_init(&e->message, 0);
	buf_init(&e->user, 0);
	buf_init(&e->authzid, 0);
	buf_init(&e->secret, 0);
	buf_init(&e->challenge, 0);
	l->exchange = e;
}

void login_exchange_free(struct login *l)
{
	struct login_exchange *e = l->exchange;

	if (!e)
		return;
	buf_wipe(&e->message);
	buf_wipe(&e->user);
	buf_wipe(&e->authzid);
	buf_wipe(&e->secret);
	buf_wipe(&e->challenge);
	sasl_scram_clear(&e->scram);
	identity_clear(&e->identity);
	free(e);
	l->exchange = NULL;
}

void login_exchange_challenge(struct login *l, struct slice raw, login_message_fn *expect)
{
	buf_reset(&l->challenge);
	(void)base64_encode(raw, &l->challenge);
	l->exchange->expect = expect;
	l->step(l->owner, LOGIN_CHALLENGE);
}

static void begin_question(struct login *l, enum hook hook, question_answered_fn *answered)
{
	struct login_exchange *e = l->exchange;
	struct question *q = machine_question(l->machine);

	e->expect = NULL;
	question_begin(q, hook, answered);
	q->login.mechanism = slice_from(e->mechanism);
	q->login.user = buf_slice(&e->user);
	q->login.authzid = buf_len(&e->authzid) ? buf_slice(&e->authzid) : SLICE("");
	q->login.password = q->login.token = SLICE_NONE;
}

void login_exchange_ask(struct login *l, enum hook hook, question_answered_fn *answered)
{
	struct question *q = machine_question(l->machine);

	begin_question(l, hook, answered);
	if (hook == HOOK_AUTH)
		q->login.password = buf_slice(&l->exchange->secret);
	else if (hook == HOOK_TOKEN)
		q->login.token = buf_slice(&l->exchange->secret);
	question_ask(q);
}

/* One event, then the owner; the exchange is gone before either can see it. */
static void end(struct login *l, enum login_step step)
{
	struct machine *m = l->machine;
	struct buf line;

	/* Who signed in keeps nothing of it but the identity. */
	buf_free(&l->user);
	if (step == LOGIN_DONE)
		buf_wipe(&l->challenge);
	else
		(void)buf_append(&l->user, buf_slice(&l->exchange->user));
	buf_init(&line, 0);
	(void)buf_printf(&line, "%s ", l->exchange->mechanism);
	(void)buf_append(&line, buf_slice(&l->exchange->user));
	login_exchange_free(l);
	machine_observe(m, EVENT_LOGIN, buf_slice(&line), "login", &machine_question(m)->verdict, 0);
	buf_free(&line);
	l->step(l->owner, step);
}

static void set_verdict(struct verdict *v, enum verdict_kind kind, const char *text)
{
	*v = (struct verdict){ 0 };
	verdict_set(v, kind, kind == VERDICT_TEMPFAIL ? "4.7.0" : kind == VERDICT_ACCEPT ? "2.7.0" : "5.7.8",
	            "%s", text);
	snprintf(v->by, sizeof(v->by), "core");
}

void login_exchange_refuse(struct login *l, enum verdict_kind kind, const char *text)
{
	set_verdict(&machine_question(l->machine)->verdict, kind, text);
	l->failures += kind != VERDICT_TEMPFAIL;
	end(l, LOGIN_REFUSED);
}

/* What is missing in a refusal, filled in; answers that make no sense here are somebody's
 * mistake, and that is never the client's fault. */
static void complete(struct verdict *v)
{
	const char *status = "5.7.8", *text = "Authentication failed";

	if (v->kind == VERDICT_NONE)
		v->kind = VERDICT_REJECT;
	if (v->kind != VERDICT_REJECT && v->kind != VERDICT_DISCONNECT) {
		if (v->kind != VERDICT_TEMPFAIL)
			v->status[0] = v->text[0] = '\0';
		v->kind = VERDICT_TEMPFAIL;
		status = "4.7.0";
		text = "Temporary authentication failure, try again later";
	} else if (v->kind == VERDICT_DISCONNECT) {
		status = "4.7.0";
	}
	if (!v->status[0])
		snprintf(v->status, sizeof(v->status), "%s", status);
	if (!v->text[0])
		snprintf(v->text, sizeof(v->text), "%s", text);
}

void login_exchange_refuse_answer(struct login *l, const struct verdict *v)
{
	struct verdict complete_one = *v;

	complete(&complete_one);
	machine_question(l->machine)->verdict = complete_one;
	l->failures += complete_one.kind != VERDICT_TEMPFAIL;
	end(l, LOGIN_REFUSED);
}

void login_exchange_stop(struct login *l, enum login_step step)
{
	login_exchange_free(l);
	l->step(l->owner, step);
}

void login_exchange_keep_answer(struct login *l)
{
	struct login_exchange *e = l->exchange;
	struct question *q = machine_question(l->machine);

	identity_clear(&e->identity);
	e->identity = q->identity;
	q->identity = (struct identity){ 0 };
	e->verdict = q->verdict;
	if (!e->identity.user)
		e->identity.user = mem_slice_dup(buf_slice(&e->user));
	if (!e->identity.mailbox)
		e->identity.mailbox = mem_strdup(e->identity.user);
}

/* An authorization identity (RFC 4422, 2) is another user's name only when the answerer itself
 * made that user the identity. */
static bool may_act_as(const struct login_exchange *e)
{
	struct slice authzid = buf_slice(&e->authzid);

	return authzid.len == 0 || slice_eq(authzid, buf_slice(&e->user)) ||
	       slice_eq(authzid, slice_from(e->identity.user));
}

static void done(struct login *l)
{
	struct verdict *v = &machine_question(l->machine)->verdict;

	*v = l->exchange->verdict;
	if (!v->status[0])
		snprintf(v->status, sizeof(v->status), "2.7.0");
	end(l, LOGIN_DONE);
}

static void on_login_answered(void *owner, struct question *q)
{
	struct login *l = ((struct machine *)owner)->login;

	if (q->verdict.kind == VERDICT_ACCEPT || q->verdict.kind == VERDICT_NONE) {
		done(l);
		return;
	}
	identity_clear(&l->machine->facts.identity);
	if (q->verdict.kind == VERDICT_REJECT && !q->verdict.status[0])
		snprintf(q->verdict.status, sizeof(q->verdict.status), "5.%s", hook_status(q->hook));
	login_exchange_refuse_answer(l, &q->verdict);
}

void login_exchange_accept(struct login *l)
{
	struct login_exchange *e = l->exchange;
	struct machine *m = l->machine;

	if (!e->identity.user[0]) {
		login_exchange_refuse(l, VERDICT_TEMPFAIL, "The login was accepted for nobody in particular");
		return;
	}
	if (!may_act_as(e)) {
		login_exchange_refuse(l, VERDICT_REJECT, "Not authorized to act as the requested identity");
		return;
	}
	identity_clear(&m->facts.identity);
	m->facts.identity = e->identity;
	e->identity = (struct identity){ 0 };
	if (!m->policy || !(m->policy->hooks & 1u << HOOK_ACCEPT_LOGIN)) {
		done(l);
		return;
	}
	begin_question(l, HOOK_ACCEPT_LOGIN, on_login_answered);
	question_ask(machine_question(m));
}
