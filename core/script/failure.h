/* Failed calls in the log: plugin, hook, file and line of the function, session, text. */
#ifndef MOONPOST_SCRIPT_FAILURE_H
#define MOONPOST_SCRIPT_FAILURE_H

struct call;

/* Of a child the text is kept (call->failure) for its parent, which raises it. */
void failure_log(struct call *c, const char *text, const char *traceback);

/* The same with the error on top of its coroutine. */
void failure_report(struct call *c);

#endif
