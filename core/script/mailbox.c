#include "script/mailbox.h"
void mailbox_init(struct script *s) { (void)s; }
void mailbox_stop(struct script *s) { (void)s; }
