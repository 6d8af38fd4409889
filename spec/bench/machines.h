/* Whole sessions in this process: the real machines between fakes that answer at once, without
 * sockets and without a store.  For count.c and hook.c. */
#ifndef MOONPOST_BENCH_MACHINES_H
#define MOONPOST_BENCH_MACHINES_H

#include "hook/machine.h"
#include "pop3/session.h"
#include "smtp/session.h"

/* The configuration of all sessions, and who answers for the core: everybody may sign in, everybody
 * is a recipient. */
extern struct smtp_settings machines_smtp;
extern struct pop3_settings machines_pop3;
extern struct policy        machines_policy;
extern struct buf           machines_message;     /* as it goes behind DATA */
extern unsigned             machines_delivered;

void machines_prepare(void);

/* A session that was greeted; SMTP said EHLO. */
struct machine *machines_greet(bool mail, struct policy *policy);

/* Feed one pipelined group; there must be replies, which are thrown away. */
void machines_say(struct machine *m, struct slice in);
void machines_quit(struct machine *m);            /* and free it */

#endif
