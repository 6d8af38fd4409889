/* The only door to the client.  Every reply is queued in machine.out, goes to the transcript and
 * is counted here: too many errors turn into 421; 421 and 221 end the session. */
#ifndef MOONPOST_SMTP_REPLY_H
#define MOONPOST_SMTP_REPLY_H

#include "smtp/state.h"

/* status: enhanced status code (RFC 2034), NULL where none belongs (220 greeting, HELO, EHLO, 334,
 * 354).  The text is one line; anything but printable ASCII becomes '?', or stays if it is UTF-8
 * and the client asked for SMTPUTF8. */
void smtp_reply(struct smtp_session *s, int code, const char *status, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* A line that is not the last of its reply ("250-..."). */
void smtp_reply_more(struct smtp_session *s, int code, const char *status, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* While somebody listens to rewrite_reply, a reply of one line is held back until the session has
 * done all else: then ask what becomes of its text, and say it. */
void smtp_reply_ask(struct smtp_session *s);
void smtp_reply_drop(struct smtp_session *s);     /* the session ends: it is not said */

/* 334 with base64 of any length. */
void smtp_reply_challenge(struct smtp_session *s, struct slice base64);

/* If the verdict on the question in hand refuses, say so (in the form its hook wants) and return
 * true.  DISCONNECT also closes. */
bool smtp_reply_refused(struct smtp_session *s, const struct verdict *v);

/* The same without saying it: for a reply that has to wait.  The texts live as long as the verdict
 * and the command's scratch memory. */
bool smtp_reply_refusal(struct smtp_session *s, const struct verdict *v, struct smtp_failure *out);

/* What a failed delivery is called. */
struct smtp_failure smtp_reply_delivery(const struct smtp_session *s, enum status st);

#endif
