/* THE TABLE of hooks: what each is asked, what it may answer, what nil means.  Error messages, the
 * checks of answers, mail.hooks() and so the manual read this one. */
#ifndef MOONPOST_SCRIPT_LIB_HOOKS_H
#define MOONPOST_SCRIPT_LIB_HOOKS_H

#include <lua.h>

#include "hook/question.h"
#include "script/plugin.h"

enum hook_kind {
	HOOK_KIND_DECIDE,        /* accept_*: the first verdict stops the chain */
	HOOK_KIND_PROVIDE,       /* plain nouns: the first answer that is not nil */
	HOOK_KIND_CHANGE,        /* rewrite_*: each sees what the former made of it */
	HOOK_KIND_LAST,          /* on_delete, on_accept: before the last step, may still refuse */
	HOOK_KIND_OBSERVE,       /* on_*: all run, results are ignored */
};

struct hook_row {
	const char    *name;
	enum hook_kind kind;
	const char    *arguments;         /* "session, recipient" */
	unsigned       verdicts;          /* a bit per enum verdict_kind */
	const char    *answers;           /* in words, for authors */
	const char    *nothing;           /* what nil means when everybody says it */
};

const struct hook_row *hook_row_of(enum hook h);
const struct hook_row *hook_row_of_observer(enum observer_hook h);

/* By name, of questions, observers, on_start, on_stop and "mailbox"; i from 0; NULL behind the last. */
const struct hook_row *hook_row_at(unsigned i);

#endif
