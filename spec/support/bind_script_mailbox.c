/* Mailboxes of plugins for specs of core/script. */
#include "bind_script.h"

void bind_script_mailbox_init(struct stage *s)
{
	(void)s;
}

void bind_script_mailbox(lua_State *L)
{
	(void)L;
}
