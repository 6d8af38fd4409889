/* One session's maildrop in this store; opened by the provider. */
#ifndef MOONPOST_STORE_MAILDROP_H
#define MOONPOST_STORE_MAILDROP_H

#include "hook/mailbox.h"

struct store_client;

/* OK, BUSY (another session has it), IO, OVERLOAD (no reader slot), CORRUPT. */
enum status store_maildrop_open(struct store_client *c, struct slice mailbox,
                                struct maildrop **out);

#endif
