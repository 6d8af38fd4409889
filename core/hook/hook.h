/* The list of hooks that are questions: what policy can be asked (hook/question.h).  What plugins are
 * told about each is in core/script/lib_hooks.c. */
#ifndef MOONPOST_HOOK_HOOK_H
#define MOONPOST_HOOK_HOOK_H

/*       symbol               Lua name                 default enhanced status of a refusal */
#define HOOK_LIST(X)                                      \
	X(ACCEPT_CONNECTION,  "accept_connection",  "7.0")    \
	X(ACCEPT_HELO,        "accept_helo",        "7.1")    \
	X(ACCEPT_COMMAND,     "accept_command",     "7.1")    \
	X(AUTH,               "auth",               "7.8")    \
	X(SECRET,             "secret",             "7.8")    \
	X(TOKEN,              "token",              "7.8")    \
	X(ACCEPT_LOGIN,       "accept_login",       "7.13")   \
	X(ACCEPT_SENDER,      "accept_sender",      "7.1")    \
	X(ACCEPT_RECIPIENT,   "accept_recipient",   "7.1")    \
	X(ALIAS,              "alias",              "1.1")    \
	X(ACCEPT_DATA,        "accept_data",        "7.1")    \
	X(ACCEPT_MESSAGE,     "accept_message",     "7.1")    \
	X(ACCEPT_DELIVERY,    "accept_delivery",    "7.1")    \
	X(ON_ACCEPT,          "on_accept",          "7.1")    \
	X(ON_DELETE,          "on_delete",          "7.1")    \
	X(REWRITE_GREETING,   "rewrite_greeting",   "0.0")    \
	X(REWRITE_CAPABILITIES, "rewrite_capabilities", "0.0") \
	X(REWRITE_REPLY,      "rewrite_reply",      "0.0")    \
	X(CERTIFICATE,        "certificate",        "7.0")

enum hook {
#define X(name, lua, status) HOOK_##name,
	HOOK_LIST(X)
#undef X
	HOOK__COUNT
};

const char *hook_name(enum hook h);               /* "accept_recipient" */
const char *hook_status(enum hook h);             /* "7.1": put the class and a dot before it */

#endif
