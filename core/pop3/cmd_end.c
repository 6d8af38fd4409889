/* QUIT and the UPDATE state (RFC 1939, 6): ask policy for every message that is marked, delete
 * what it lets go in one step, all or nothing, say goodbye.  This is the only place where a
 * deletion happens: a session that ends in any other way deletes nothing. */
#include "base/log.h"
#include "base/mem.h"
#include "pop3/commands.h"
#include "pop3/reply.h"

static void say_goodbye(struct pop3_session *s, unsigned left)
{
	struct slice host = slice_from(s->settings->hostname);

	if (left == 0)
		pop3_reply(s, POP3_TEXT_BYE_EMPTY, POP3_WITH(.n = host));
	else
		pop3_reply(s, POP3_TEXT_BYE_LEFT, POP3_WITH(.n = host, .m = left));
}

static void say_not_removed(struct pop3_session *s, enum status st)
{
	if (st != ST_OK || !s->refused_text)
		pop3_reply(s, POP3_TEXT_NOT_REMOVED, NULL);
	else
		pop3_reply(s, s->refused_for_now ? POP3_TEXT_NOT_REMOVED_FOR_NOW
		                                 : POP3_TEXT_NOT_REMOVED_BY_POLICY,
		           POP3_WITH(.t = slice_from(s->refused_text)));
}

/* All is decided: st is the outcome of the commit. */
static void finish(struct pop3_session *s, enum status st)
{
	struct maildrop *m = s->maildrop;
	unsigned deleted = st == ST_OK ? s->doomed_count : 0;
	unsigned left = m->count - deleted;
	const struct facts *f = &s->machine.facts;

	/* The lock is free before the client knows: it may come back at once. */
	s->maildrop = NULL;
	m->ops->close(m);
	if (deleted)
		machine_observe(&s->machine, EVENT_DELETED, SLICE_NONE, pop3_session_state(s), NULL, deleted);
	if (st != ST_OK)
		log_error("deletions failed", "session", f->id, "mailbox", f->identity.mailbox, "messages",
		          log_u64(s->doomed_count), "reason", status_text(st), NULL);
	if (st != ST_OK)
		machine_observe(&s->machine, EVENT_ERROR, SLICE("deletions failed"), pop3_session_state(s), NULL,
		                s->doomed_count);
	log_info("quit", "session", f->id, "protocol", "pop3", "user", f->identity.user, "retrieved",
	         log_u64(s->retrieved), "deleted", log_u64(deleted), "left", log_u64(left), NULL);
	if (st != ST_OK || s->refused)
		say_not_removed(s, st);
	else
		say_goodbye(s, left);
	pop3_session_close(s);
}

static void on_committed(void *owner, enum status st)
{
	struct pop3_session *s = owner;

	pop3_session_enter(s);
	finish(s, st);
	pop3_session_leave(s);
}

static void commit(struct pop3_session *s)
{
	if (s->doomed_count == 0) {
		finish(s, ST_OK);
		return;
	}
	pop3_session_wait(s);
	s->maildrop->ops->commit(s->maildrop, s->doomed, s->doomed_count, on_committed, s);
}

/* ---- one question per marked message, in order ---- */

static void decide(struct pop3_session *s, const struct verdict *v)
{
	switch (v->kind) {
	case VERDICT_NONE:
	case VERDICT_ACCEPT:
		s->doomed[s->doomed_count++] = s->asked;
		break;
	case VERDICT_KEEP:
		log_info("deletion kept back", "session", s->machine.facts.id, "message",
		         log_u64((uint64_t)s->asked + 1), "by", v->by, "text", v->text, NULL);
		break;
	default:
		log_info("deletion refused", "session", s->machine.facts.id, "message",
		         log_u64((uint64_t)s->asked + 1), "verdict", verdict_name(v->kind), "by", v->by,
		         "text", v->text, NULL);
		if (!s->refused) {               /* the reply has room for one reason: the first */
			s->refused = true;
			s->refused_for_now = v->kind == VERDICT_TEMPFAIL;
			if (pop3_reply_may_say(s, v->text))
				s->refused_text = mem_strdup(v->text);
		}
	}
	s->asked++;
}

static void on_deletion_answered(void *owner, struct question *q);

static void ask(struct pop3_session *s)
{
	struct question *q = machine_question(&s->machine);
	struct maildrop *m = s->maildrop;
	char uidl[UIDL_SIZE];

	question_begin(q, HOOK_ON_DELETE, on_deletion_answered);
	q->deletion.mailbox = slice_from(s->machine.facts.identity.mailbox);
	maildrop_uidl(m, s->asked, uidl);
	q->deletion.uidl = arena_copy(&q->arena, slice_from(uidl));
	q->deletion.octets = pop3_cmd_octets(s, s->asked);
	q->deletion.number = s->asked + 1;
	q->deletion.maildrop = m;
	q->deletion.index = s->asked;
	question_ask(q);
}

/* Ask about the rest of the marked messages; a loop, for ten thousand of them may be answered at
 * once. */
static void ask_on(struct pop3_session *s)
{
	s->asking = true;
	for (; s->asked < s->maildrop->count; ) {
		if (!pop3_cmd_marked(s, s->asked)) {
			s->asked++;
			continue;
		}
		ask(s);
		if (machine_question(&s->machine)->waiting) {
			s->asking = false;
			return;
		}
	}
	s->asking = false;
	commit(s);
}

static void on_deletion_answered(void *owner, struct question *q)
{
	struct pop3_session *s = CONTAINER_OF((struct machine *)owner, struct pop3_session, machine);

	decide(s, &q->verdict);
	if (s->asking)
		return;
	pop3_session_enter(s);
	ask_on(s);
	pop3_session_leave(s);
}

static void update(struct pop3_session *s)
{
	const struct policy *p = s->machine.policy;

	s->state = POP3_UPDATE;
	pop3_session_wait(s);
	s->doomed = mem_array(s->maildrop->count - s->left + 1, sizeof(*s->doomed));
	if (p && p->hooks & 1u << HOOK_ON_DELETE) {
		ask_on(s);
		return;
	}
	for (unsigned i = 0; s->doomed_count < s->maildrop->count - s->left; i++)
		if (pop3_cmd_marked(s, i))
			s->doomed[s->doomed_count++] = i;
	commit(s);
}

/* QUIT CRLF                                                           RFC 1939, 4 and 6 */
void pop3_cmd_quit(struct pop3_session *s, const struct pop3_args *args)
{
	(void)args;
	s->machine.quit = true;
	if (s->state == POP3_TRANSACTION) {
		update(s);
	} else {
		pop3_reply(s, POP3_TEXT_BYE, POP3_WITH(.n = slice_from(s->settings->hostname)));
		pop3_session_close(s);
	}
}
