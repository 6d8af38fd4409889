/* Mailbox backends written in Lua, as a provider for the protocol machines. */
#ifndef MOONPOST_SCRIPT_MAILBOX_H
#define MOONPOST_SCRIPT_MAILBOX_H

struct script;

void mailbox_init(struct script *s);
void mailbox_stop(struct script *s);              /* drop what is in flight */

#endif
