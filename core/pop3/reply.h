/* The only door to the client: every reply is formatted in its language, put into the output and
 * shown to the observer here.  Rows of listings and octets of messages go into the output
 * directly, between pop3_reply() and pop3_reply_end(). */
#ifndef MOONPOST_POP3_REPLY_H
#define MOONPOST_POP3_REPLY_H

#include "pop3/state.h"

#define POP3_WITH(...)  (&(struct pop3_values){ __VA_ARGS__ })

/* values may be NULL when the text has no gaps. */
void pop3_reply(struct pop3_session *s, enum pop3_text text, const struct pop3_values *values);

/* The same with the words of a verdict in place of ours, if it has any the client may see. */
void pop3_reply_verdict(struct pop3_session *s, enum pop3_text text, const struct verdict *v);

/* A bad command: counted, and the last one the limit allows closes the session. */
void pop3_reply_bad(struct pop3_session *s, enum pop3_text text, const struct pop3_values *values);

/* While somebody listens to rewrite_reply, words for people are held back until the session has done
 * all else: then ask what becomes of them, and say it. */
void pop3_reply_ask(struct pop3_session *s);
void pop3_reply_drop(struct pop3_session *s);     /* the session ends: it is not said */

/* "+ " and a challenge in base64 (RFC 5034, 4); observers see that there was one. */
void pop3_reply_challenge(struct pop3_session *s, struct slice challenge);

/* A line of a multi-line reply that cannot begin with a dot; the final dot. */
void pop3_reply_row(struct pop3_session *s, struct slice row);
void pop3_reply_end(struct pop3_session *s);

/* Text from policy may be sent: ASCII, or the client has agreed to UTF-8 (RFC 6856, 2 and 3). */
bool pop3_reply_may_say(const struct pop3_session *s, const char *text);

#endif
