/* Questions of the protocol machines, answered by plugins. */
#ifndef MOONPOST_SCRIPT_POLICY_H
#define MOONPOST_SCRIPT_POLICY_H

#include "hook/question.h"

struct script;

/* Set up s->policy; hooks are known, so this comes after the plugins. */
void policy_init(struct script *s);
void policy_stop(struct script *s);               /* drop what is in flight */

#endif
