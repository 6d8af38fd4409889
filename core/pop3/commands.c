/* The table of commands and what all of them have in common: verb, state, arguments, the masked
 * line for the transcript. */
#include "pop3/commands.h"

#include <stdlib.h>

#include "base/mem.h"
#include "mail/utf8.h"
#include "pop3/reply.h"

enum mask {
	SHOWN,                   /* nothing to hide */
	HIDE_ALL,                /* every argument */
	HIDE_SECOND,             /* everything behind the first argument */
};

enum { WHOLE = 0xff };           /* all behind the verb and one space is one argument */

#define A  POP3_AUTHORIZATION
#define T  POP3_TRANSACTION

static const struct command {
	const char   *verb;
	unsigned      states;
	unsigned char min, max;  /* arguments */
	enum mask     mask;
	pop3_run_fn  *run;
	const char   *usage;
} commands[] = {
/*    verb   allowed in  args      transcript   run            usage                             */
	{ "USER", A,         1, WHOLE, HIDE_SECOND, pop3_cmd_user, "USER name" },
	{ "PASS", A,         1, WHOLE, HIDE_ALL,    pop3_cmd_pass, "PASS password" },
	{ "APOP", A,         2, 2,     HIDE_SECOND, pop3_cmd_apop, "APOP name digest" },
	{ "AUTH", A,         0, 2,     HIDE_SECOND, pop3_cmd_auth, "AUTH [mechanism [response]]" },
	{ "STLS", A,         0, 0,     SHOWN,       pop3_cmd_stls, "STLS" },
	{ "UTF8", A,         0, 0,     SHOWN,       pop3_cmd_utf8, "UTF8" },
	{ "CAPA", A | T,     0, 0,     SHOWN,       pop3_cmd_capa, "CAPA" },
	{ "LANG", A | T,     0, 1,     SHOWN,       pop3_cmd_lang, "LANG [language]" },
	{ "STAT", T,         0, 0,     SHOWN,       pop3_cmd_stat, "STAT" },
	{ "LIST", T,         0, 1,     SHOWN,       pop3_cmd_list, "LIST [message]" },
	{ "UIDL", T,         0, 1,     SHOWN,       pop3_cmd_uidl, "UIDL [message]" },
	{ "RETR", T,         1, 1,     SHOWN,       pop3_cmd_retr, "RETR message" },
	{ "TOP",  T,         2, 2,     SHOWN,       pop3_cmd_top,  "TOP message lines" },
	{ "DELE", T,         1, 1,     SHOWN,       pop3_cmd_dele, "DELE message" },
	{ "RSET", T,         0, 0,     SHOWN,       pop3_cmd_rset, "RSET" },
	{ "LAST", T,         0, 0,     SHOWN,       pop3_cmd_last, "LAST" },
	{ "NOOP", T,         0, 0,     SHOWN,       pop3_cmd_noop, "NOOP" },
	{ "QUIT", A | T,     0, 0,     SHOWN,       pop3_cmd_quit, "QUIT" },
};

#undef A
#undef T

static const struct command *find(struct slice verb)
{
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (slice_ieq(verb, slice_from(commands[i].verb)))
			return &commands[i];
	return NULL;
}

/* How much of a line observers may see.  In AUTHORIZATION what is no command may be a password
 * or a response that came too late: only words that could be a keyword (RFC 1939, 3: three or
 * four letters) are shown. */
static struct slice visible_part(const struct pop3_session *s, const struct command *c,
                                 struct slice line, struct slice verb)
{
	if (!c) {
		if (s->state != POP3_AUTHORIZATION)
			return line;
		return verb.len <= 4 ? verb : SLICE_NONE;
	}
	if (c->mask == SHOWN)
		return line;
	if (c->mask == HIDE_ALL)
		return verb;
	struct slice rest = slice_trim(slice_skip(line, verb.len));

	return slice_head(line, (size_t)(rest.ptr - line.ptr) + slice_find(rest, ' '));
}

enum { VISIBLE_SIZE = 160 };

/* The line with stars in place of what nobody may see; made in text when it is not the line itself. */
static struct slice visible_line(const struct pop3_session *s, const struct command *c,
                                 struct slice line, struct slice verb, char text[VISIBLE_SIZE])
{
	const size_t stars = sizeof(" ****") - 1;
	struct slice part = visible_part(s, c, line, verb);

	if (part.len == line.len)
		return part;
	part = slice_head(part, VISIBLE_SIZE - stars);
	if (part.len)
		memcpy(text, part.ptr, part.len);
	memcpy(text + part.len, " ****", stars);
	return part.len ? slice_of(text, part.len + stars) : SLICE("****");
}

static void observe(struct pop3_session *s, const struct command *c, struct slice line,
                    struct slice verb)
{
	char text[VISIBLE_SIZE];

	if (!s->machine.observer || !s->machine.observer->wants_lines)
		return;
	machine_observe(&s->machine, EVENT_COMMAND, visible_line(s, c, line, verb, text),
	                pop3_session_state(s), NULL, 0);
}

static bool has_control(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
			return true;
	return false;
}

/* arguments = *( SP word ), or the rest of the line.  False: too few or too many. */
static bool parse(const struct command *c, struct slice rest, struct pop3_args *args)
{
	*args = (struct pop3_args){ 0 };
	if (c->max == WHOLE) {
		/* A password may begin or end with spaces (RFC 1939, 7: PASS). */
		args->words[0] = c->mask == HIDE_ALL ? rest : slice_trim(rest);
		args->count = args->words[0].len > 0;
		return args->count == 1;
	}
	for (rest = slice_trim(rest); rest.len; rest = slice_trim(rest)) {
		struct slice word;

		if (args->count == COUNT_OF(args->words) || args->count == c->max)
			return false;
		slice_cut(&rest, ' ', &word);
		args->words[args->count++] = word;
	}
	return args->count >= c->min;
}

/* ---- policy ---- */

/* A command that waits for policy, with its own copy of the line: it may hold a password. */
struct pop3_asked { const struct command *command; struct pop3_args args; struct buf line; };

void pop3_commands_forget(struct pop3_session *s)
{
	if (s->command)
		buf_wipe(&s->command->line);
	free(s->command);
	s->command = NULL;
}

static void judged(struct pop3_session *s)
{
	const struct verdict *v = &machine_question(&s->machine)->verdict;
	const struct command *c = s->command->command;

	pop3_session_proceed(s);
	switch (v->kind) {
	case VERDICT_REJECT:
		pop3_reply_verdict(s, POP3_TEXT_COMMAND_REFUSED, v);
		break;
	case VERDICT_TEMPFAIL:
		pop3_reply_verdict(s, POP3_TEXT_COMMAND_REFUSED_FOR_NOW, v);
		break;
	case VERDICT_DISCONNECT:
		pop3_reply_verdict(s, POP3_TEXT_COMMAND_REFUSED, v);
		pop3_session_abandon(s);
		break;
	default:
		c->run(s, &s->command->args);
	}
	pop3_commands_forget(s);
}

static void on_answered(void *owner, struct question *q)
{
	struct pop3_session *s = CONTAINER_OF((struct machine *)owner, struct pop3_session, machine);

	pop3_session_enter(s);
	pop3_session_delay(s, q->verdict.delay_ms, judged);
	pop3_session_leave(s);
}

/* The arguments as they stand in the copy of the line. */
static void copy_args(struct pop3_asked *a, struct slice line, const struct pop3_args *args)
{
	(void)buf_append(&a->line, line);
	a->args = *args;
	for (unsigned i = 0; i < args->count; i++)
		a->args.words[i].ptr = buf_slice(&a->line).ptr + (args->words[i].ptr - line.ptr);
}

/* accept_command: QUIT is always granted, for it is what deletes. */
static void judge_or_run(struct pop3_session *s, const struct command *c, struct slice line,
                         const struct pop3_args *args)
{
	struct question *q;
	char text[VISIBLE_SIZE];
	struct slice verb = slice_from(c->verb), visible;

	if (!machine_asks(&s->machine, HOOK_ACCEPT_COMMAND) || c->run == pop3_cmd_quit) {
		c->run(s, args);
		return;
	}
	s->command = MEM_NEW(struct pop3_asked);
	s->command->command = c;
	buf_init(&s->command->line, 0);
	copy_args(s->command, line, args);
	visible = visible_line(s, c, line, slice_head(line, verb.len), text);
	pop3_session_wait(s);
	q = machine_question(&s->machine);
	question_begin(q, HOOK_ACCEPT_COMMAND, on_answered);
	q->command.verb = verb;
	q->command.arguments = arena_copy(&q->arena, slice_trim(slice_skip(visible, verb.len)));
	question_ask(q);
}

void pop3_commands_run(struct pop3_session *s, struct slice line)
{
	struct slice verb = slice_head(line, slice_find(line, ' '));
	const struct command *c = find(verb);
	struct pop3_args args;

	observe(s, c, line, verb);
	if (has_control(line) || !utf8_valid(line))
		pop3_reply_bad(s, POP3_TEXT_BAD_OCTETS, NULL);
	else if (!c)
		pop3_reply_bad(s, POP3_TEXT_UNKNOWN, NULL);
	else if (!(c->states & s->state))
		pop3_reply_bad(s, POP3_TEXT_BAD_STATE,
		               POP3_WITH(.n = slice_from(c->verb), .t = slice_from(pop3_session_state(s))));
	else if (!parse(c, slice_skip(line, verb.len + 1), &args))
		pop3_reply_bad(s, POP3_TEXT_BAD_ARGUMENTS, POP3_WITH(.t = slice_from(c->usage)));
	else
		judge_or_run(s, c, line, &args);
}
