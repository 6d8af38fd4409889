#include "script/mailbox.h"
#include "script/state.h"
void mailbox_init(struct script *s) { if (s->setup.next_mailboxes) s->mailboxes = *s->setup.next_mailboxes; }
void mailbox_stop(struct script *s) { (void)s; }
