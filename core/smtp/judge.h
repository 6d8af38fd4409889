/* What policy says about a message between its last octet and its delivery. */
#ifndef MOONPOST_SMTP_JUDGE_H
#define MOONPOST_SMTP_JUDGE_H

#include "smtp/state.h"

/* All octets are there and nothing is wrong with them: ask accept_message, write what it changed in
 * the header, ask accept_delivery for each recipient and on_accept for the whole; then the message
 * is delivered, discarded or refused. */
void smtp_judge_message(struct smtp_session *s);

#endif
