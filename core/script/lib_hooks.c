/* The table of hooks, and mail.hooks(). */
#include "script/lib_hooks.h"

#include <lauxlib.h>

#include "base/mem.h"
#include "script/lib.h"

#define BIT(kind) (1u << VERDICT_##kind)
enum {
	REFUSALS = BIT(REJECT) | BIT(TEMPFAIL) | BIT(DISCONNECT),
	ANY      = REFUSALS | BIT(NONE) | BIT(ACCEPT),
};

static const char yes_or_no[] = "mail.accept(), mail.reject(...) or nil";
static const char who[] = "an identity { user = \"...\" }, mail.reject(...) or nil";
static const char yes[] = "accepted";
static const char nothing[] = "nothing; what it returns is ignored";

static const struct hook_row questions[HOOK__COUNT] = {
	[HOOK_ACCEPT_CONNECTION] = { "accept_connection", HOOK_KIND_DECIDE, "session", ANY, yes_or_no, yes },
	[HOOK_ACCEPT_HELO] = { "accept_helo", HOOK_KIND_DECIDE, "session, name", ANY, yes_or_no, yes },
	[HOOK_ACCEPT_COMMAND] = { "accept_command", HOOK_KIND_DECIDE, "session, verb, arguments", ANY,
		yes_or_no, yes },
	[HOOK_AUTH] = { "auth", HOOK_KIND_PROVIDE, "session, credentials", ANY, who,
		"the login fails" },
	[HOOK_SECRET] = { "secret", HOOK_KIND_PROVIDE, "session, mechanism, user", ANY,
		"a table { plain = \"...\" } or SCRAM keys, mail.reject(...) or nil", "the login fails" },
	[HOOK_TOKEN] = { "token", HOOK_KIND_PROVIDE, "session, mechanism, user, token", ANY, who,
		"the login fails" },
	[HOOK_ACCEPT_LOGIN] = { "accept_login", HOOK_KIND_DECIDE, "session, identity", ANY, yes_or_no, yes },
	[HOOK_ACCEPT_SENDER] = { "accept_sender", HOOK_KIND_DECIDE, "session, sender", ANY,
		"mail.accept(), mail.accept{ address = ... }, mail.reject(...) or nil", yes },
	[HOOK_ACCEPT_RECIPIENT] = { "accept_recipient", HOOK_KIND_DECIDE, "session, recipient",
		ANY | BIT(DISCARD), "mail.accept{...}, mail.reject(...), mail.discard() or nil",
		"the directory decides; what it does not know is refused" },
	[HOOK_ALIAS] = { "alias", HOOK_KIND_PROVIDE, "session, recipient",
		REFUSALS | BIT(NONE) | BIT(DISCARD), "an address, a list of addresses, mail.reject(...) or nil",
		"the address stands for itself" },
	[HOOK_ACCEPT_DATA] = { "accept_data", HOOK_KIND_DECIDE, "session, envelope", ANY, yes_or_no, yes },
	[HOOK_ACCEPT_MESSAGE] = { "accept_message", HOOK_KIND_DECIDE, "session, envelope, message",
		ANY | BIT(DISCARD), "mail.accept(), mail.reject(...), mail.discard() or nil", yes },
	[HOOK_ACCEPT_DELIVERY] = { "accept_delivery", HOOK_KIND_DECIDE,
		"session, envelope, recipient, message", ANY | BIT(DISCARD),
		"mail.accept{ mailbox = ... }, mail.reject(...), mail.discard() or nil", yes },
	[HOOK_ON_ACCEPT] = { "on_accept", HOOK_KIND_LAST, "session, envelope, message", ANY, yes_or_no,
		"the message is stored" },
	[HOOK_ON_DELETE] = { "on_delete", HOOK_KIND_LAST, "session, mailbox, deletion",
		BIT(KEEP) | BIT(ACCEPT) | BIT(TEMPFAIL) | BIT(NONE), "mail.keep(\"reason\") or nil",
		"the message is deleted" },
	[HOOK_REWRITE_GREETING] = { "rewrite_greeting", HOOK_KIND_CHANGE, "session, text", BIT(NONE),
		"a line of text or nil", "unchanged" },
	[HOOK_REWRITE_CAPABILITIES] = { "rewrite_capabilities", HOOK_KIND_CHANGE, "session, list", BIT(NONE),
		"a list of lines, none that is not in the list it was given, or nil", "unchanged" },
	[HOOK_REWRITE_REPLY] = { "rewrite_reply", HOOK_KIND_CHANGE, "session, reply", BIT(NONE),
		"a line of text or nil", "unchanged" },
	[HOOK_CERTIFICATE] = { "certificate", HOOK_KIND_PROVIDE, "name, listener", BIT(NONE),
		"a table { chain = PEM, key = PEM } or nil", "a certificate of the configuration" },
};

#define OBSERVES(hook_name, arguments) { hook_name, HOOK_KIND_OBSERVE, arguments, 0, nothing, "nothing" }

static const struct hook_row observers[OBSERVER__COUNT] = {
	[OBSERVER_CONNECT]    = OBSERVES("on_connect", "session, event"),
	[OBSERVER_TLS]        = OBSERVES("on_tls", "session, event"),
	[OBSERVER_LOGIN]      = OBSERVES("on_login", "session, event"),
	[OBSERVER_COMMAND]    = OBSERVES("on_command", "session, event"),
	[OBSERVER_REPLY]      = OBSERVES("on_reply", "session, event"),
	[OBSERVER_RETRIEVED]  = OBSERVES("on_retrieved", "session, event"),
	[OBSERVER_STORED]     = OBSERVES("on_stored", "mailbox, uid, size, session"),
	[OBSERVER_DELETED]    = OBSERVES("on_deleted", "session, event"),
	[OBSERVER_ERROR]      = OBSERVES("on_error", "session, event"),
	[OBSERVER_DISCONNECT] = OBSERVES("on_disconnect", "session, event"),
};

static const struct hook_row mailbox = {
	"mailbox", HOOK_KIND_PROVIDE, "", 0, "a table of functions, given to plugin:hook itself",
	"the store keeps the mailbox",
};

static const struct hook_row worker[] = {
	{ "on_start", HOOK_KIND_OBSERVE, "", 0, "nothing; the worker waits before it serves", "nothing" },
	{ "on_stop", HOOK_KIND_OBSERVE, "", 0, "nothing; the worker waits before it ends", "nothing" },
};

const struct hook_row *hook_row_of(enum hook h)
{
	return &questions[h];
}

const struct hook_row *hook_row_of_observer(enum observer_hook h)
{
	return &observers[h];
}

const struct hook_row *hook_row_at(unsigned i)
{
	if (i < HOOK__COUNT)
		return &questions[i];
	i -= HOOK__COUNT;
	if (i < OBSERVER__COUNT)
		return &observers[i];
	i -= OBSERVER__COUNT;
	if (i < COUNT_OF(worker))
		return &worker[i];
	return i == COUNT_OF(worker) ? &mailbox : NULL;
}

/* ---- mail.hooks ---- */

static void push_words(lua_State *L, const char *text)
{
	struct slice rest = slice_from(text), word;

	lua_newtable(L);
	for (lua_Integer i = 1; slice_cut(&rest, ',', &word) == ST_OK; i++) {
		lib_push_slice(L, slice_trim(word));
		lua_rawseti(L, -2, i);
	}
}

static void push_verdicts(lua_State *L, unsigned bits)
{
	lua_Integer n = 0;

	lua_newtable(L);
	for (unsigned kind = VERDICT_ACCEPT; kind <= VERDICT_KEEP; kind++) {
		if (!(bits & 1u << kind))
			continue;
		lua_pushstring(L, verdict_name(kind));
		lua_rawseti(L, -2, ++n);
	}
}

static void push_row(lua_State *L, const struct hook_row *row)
{
	static const char *const kinds[] = { "decide", "provide", "change", "last", "observe" };
	const struct { const char *name, *value; } texts[] = {
		{ "name", row->name }, { "kind", kinds[row->kind] }, { "answers", row->answers },
		{ "nothing", row->nothing },
	};

	lua_createtable(L, 0, 6);
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		lua_pushstring(L, texts[i].value);
		lua_setfield(L, -2, texts[i].name);
	}
	push_words(L, row->arguments);
	lua_setfield(L, -2, "arguments");
	push_verdicts(L, row->verdicts);
	lua_setfield(L, -2, "verdicts");
}

/* hooks() -> a list of { name =, kind =, arguments =, verdicts =, answers =, nothing = } */
static int l_hooks(lua_State *L)
{
	const struct hook_row *row;

	lua_newtable(L);
	for (unsigned i = 0; (row = hook_row_at(i)) != NULL; i++) {
		push_row(L, row);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

void lib_hooks_register(lua_State *L)
{
	static const luaL_Reg functions[] = { { "hooks", l_hooks }, { NULL, NULL } };

	luaL_setfuncs(L, functions, 0);
}
