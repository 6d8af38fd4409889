/* THE TABLE of sub-commands, with all that --help says about them. */
#include "command/command.h"
#include "command/groups.h"

static const struct command_option run_options[] = {
	{ "welcome", 0, "FILE", "text to print behind the ready line" },
	{ NULL, 0, NULL, NULL },
};

static const struct command_option stop_options[] = {
	{ "now", 0, NULL, "close sessions at once, do not wait for running commands" },
	{ NULL, 0, NULL, NULL },
};

static const struct command_option trace_options[] = {
	{ "ip", 0, "ADDRESS", "only clients from this address" },
	{ "user", 0, "NAME", "only sessions of this user, from the login on" },
	{ "session", 0, "ID", "only the session with this id (see the log)" },
	{ "protocol", 0, "NAME", "smtp or pop3" },
	{ "service", 0, "NAME", "mta, submission, submissions, pop3 or pop3s" },
	{ NULL, 0, NULL, NULL },
};

static const struct command_option user_add_options[] = {
	{ "stdin", 0, NULL, "read the password from standard input, one line" },
	{ "quota", 0, "SIZE", "octets the mailbox may hold: 500M, 2G" },
	{ "messages", 0, "N", "messages the mailbox may hold" },
	{ "keep-plain", 0, NULL, "keep the password in clear too, for APOP and CRAM-MD5" },
	{ NULL, 0, NULL, NULL },
};

static const struct command_option user_list_options[] = {
	{ "domain", 0, "NAME", "only users of this domain" },
	{ NULL, 0, NULL, NULL },
};

static const struct command_option user_password_options[] = {
	{ "stdin", 0, NULL, "read the password from standard input, one line" },
	{ "keep-plain", 0, NULL, "keep the password in clear too, for APOP and CRAM-MD5" },
	{ NULL, 0, NULL, NULL },
};

static const struct command_option user_remove_options[] = {
	{ "purge", 0, NULL, "remove the mailbox with all its mail too" },
	{ NULL, 0, NULL, NULL },
};

static const struct command_option user_import_options[] = {
	{ "replace", 0, NULL, "change the password of users who are there already" },
	{ "dry-run", 0, NULL, "only check the file" },
	{ NULL, 0, NULL, NULL },
};

static const struct command_option domain_add_options[] = {
	{ "catch-all", 0, "ADDRESS", "where mail goes that has no mailbox" },
	{ NULL, 0, NULL, NULL },
};

static const struct command_option quota_set_options[] = {
	{ "messages", 0, "N", "messages the mailbox may hold; 0: the default" },
	{ NULL, 0, NULL, NULL },
};

static const struct command_option mailbox_purge_options[] = {
	{ "yes", 'y', NULL, "do not ask" },
	{ "remove", 0, NULL, "remove the mailbox itself too" },
	{ NULL, 0, NULL, NULL },
};

static const struct command_option mailbox_import_options[] = {
	{ "format", 0, "FORMAT", "maildir or mbox, when it cannot be seen from PATH" },
	{ "new-uidls", 0, NULL, "do not keep the UIDLs of the old system" },
	{ NULL, 0, NULL, NULL },
};

static const struct command_option mailbox_export_options[] = {
	{ "format", 0, "FORMAT", "maildir (default) or mbox" },
	{ NULL, 0, NULL, NULL },
};

static const struct command_option reload_options[] = {
	{ "plugin", 0, "NAME", "only the code of this plugin, without new workers" },
	{ "plugins", 0, NULL, "only the code of all plugins" },
	{ NULL, 0, NULL, NULL },
};

static const struct command_option status_options[] = {
	{ "plugins", 0, NULL, "what plugins' hooks did and cost" },
	{ NULL, 0, NULL, NULL },
};

const struct command command_table[] = {
	{ "run", "", 0, 0, "start the server, stay in the foreground",
	  "Start the server and stay in the foreground.  Prints one line when it is ready.\n"
	  "Ctrl-C or SIGTERM end it (running commands get `stop_grace`), SIGHUP reloads, SIGUSR1\n"
	  "reopens the log file.\n\n"
	  "  moonpost run -c /etc/moonpost/moonpost.lua",
	  run_options, command_run, false },
	{ "check", "", 0, 0, "check the configuration without starting",
	  "Read the configuration, its certificates and plugins, and say what is wrong and where.\n\n"
	  "  moonpost check -c moonpost.lua && moonpost reload -c moonpost.lua",
	  NULL, command_check, true },
	{ "reload", "", 0, 0, "give the running server its new configuration",
	  "Make the running server read configuration, certificates and plugins again.  New sessions\n"
	  "get the new ones, running sessions finish with the old ones.  When something is wrong with\n"
	  "the new configuration it is said here, and the old one stays.\n\n"
	  "With --plugin or --plugins the running workers read the files of plugins again, which keep\n"
	  "their options: no new workers, no new configuration; sessions get the new code with their\n"
	  "next event, and the plugins' state stays.\n\n"
	  "  moonpost reload --plugin greylist",
	  reload_options, command_reload, true },
	{ "stop", "", 0, 0, "end the running server",
	  "End the running server and wait until it has ended.  Running commands may finish within\n"
	  "`stop_grace` of the configuration.",
	  stop_options, command_stop, true },
	{ "status", "", 0, 0, "processes, sessions and numbers of the server",
	  "Show the processes of the running server, its sessions, and what it did since its start.\n"
	  "With --plugins: of each hook of each plugin the calls, how they ended, their computing and\n"
	  "waiting time, and how long half of them and 99 of 100 took; all workers together.\n\n"
	  "  moonpost status --json | jq .totals.accepted\n"
	  "  moonpost status --plugins --json | jq '.hooks[] | select(.errors > 0)'",
	  status_options, command_status, true },
	{ "trace", "", 0, 0, "watch dialogues of sessions live",
	  "Show commands (C:) and replies (S:) of running sessions line by line, until Ctrl-C.\n"
	  "Passwords are masked.\n\n"
	  "  moonpost trace --protocol pop3 --ip 192.0.2.7\n"
	  "  moonpost trace --user alice@example.org --json",
	  trace_options, command_trace, true },
	{ "why", "ID", 1, 1, "who decided what a client was told",
	  "Show how an answer to a client came about: which plugins were asked, what each of them said,\n"
	  "where in their files, how long it took and what they waited for.  ID is at the end of the\n"
	  "reply where the configuration says reply_ids = \"refusals\" or \"all\"; the id of a session\n"
	  "shows all that is known about it.  Refusals are remembered in any case, the last 2048 of each\n"
	  "worker; other answers with reply_ids = \"all\" alone.\n\n"
	  "  moonpost why k3f9xw",
	  NULL, command_why, true },
	{ "user add", "NAME", 1, 1, "make an account",
	  "Make an account.  The password is asked without echo, or read from standard input.\n"
	  "A NAME without @ is in the default domain.\n\n"
	  "  moonpost user add alice@example.org\n"
	  "  printf '%s\\n' \"$PASSWORD\" | moonpost user add bob@example.org --quota 2G",
	  user_add_options, command_user_add, false },
	{ "user list", "", 0, 0, "list the accounts",
	  "List the accounts, those of the configuration too.",
	  user_list_options, command_user_list, true },
	{ "user password", "NAME", 1, 1, "change a password",
	  "Change the password of an account.  It is asked without echo, or read from standard input.",
	  user_password_options, command_user_password, false },
	{ "user remove", "NAME...", 1, -1, "remove accounts",
	  "Remove accounts.  Their mail stays, unless --purge is given.",
	  user_remove_options, command_user_remove, false },
	{ "user disable", "NAME...", 1, -1, "refuse logins and mail of accounts",
	  "Refuse logins and mail of accounts, without removing anything.",
	  NULL, command_user_disable, false },
	{ "user enable", "NAME...", 1, -1, "undo user disable",
	  "Let accounts sign in and get mail again.",
	  NULL, command_user_enable, false },
	{ "user import", "FILE", 1, 1, "make accounts from name:hash lines",
	  "Make accounts from a file of name:hash lines (- is standard input).  Further fields behind\n"
	  "another : are ignored, so passwd-like files of other servers can be read.  Hashes are those\n"
	  "of crypt(3): $1$, $5$, $6$, $2a$ $2b$ $2y$, $y$, $gy$, $7$, also with {CRYPT} and the like\n"
	  "in front; {PLAIN}secret is hashed here.\n\n"
	  "  moonpost user import /etc/dovecot/users",
	  user_import_options, command_user_import, true },
	{ "domain add", "NAME", 1, 1, "take mail for a domain, or change its catch-all",
	  "Take mail for a domain.  For a domain that is there already this changes its catch-all.\n\n"
	  "  moonpost domain add example.org --catch-all office@example.org",
	  domain_add_options, command_domain_add, false },
	{ "domain list", "", 0, 0, "list the local domains",
	  "List the local domains, those of the configuration too.",
	  NULL, command_domain_list, true },
	{ "domain remove", "NAME", 1, 1, "take no more mail for a domain",
	  "Take no more mail for a domain.  Its users and mailboxes stay.",
	  NULL, command_domain_remove, false },
	{ "alias add", "ADDRESS TARGET...", 2, -1, "send mail for an address to others",
	  "Send mail for an address to one or more others, in place of what it had before.\n"
	  "@example.org stands for all addresses of a domain that have no mailbox.\n\n"
	  "  moonpost alias add info@example.org alice@example.org bob@example.org",
	  NULL, command_alias_add, false },
	{ "alias list", "", 0, 0, "list the aliases",
	  "List the aliases, those of the configuration too.",
	  NULL, command_alias_list, true },
	{ "alias remove", "ADDRESS", 1, 1, "remove an alias",
	  "Remove an alias.",
	  NULL, command_alias_remove, false },
	{ "quota show", "[NAME...]", 0, -1, "what mailboxes hold and may hold",
	  "Show what mailboxes hold and may hold; all of them without NAME.",
	  NULL, command_quota_show, true },
	{ "quota set", "NAME SIZE", 2, 2, "set what a mailbox may hold",
	  "Set what a mailbox may hold: 500M, 2G, or `default` for store.default_quota.\n\n"
	  "  moonpost quota set alice@example.org 2G --messages 10000",
	  quota_set_options, command_quota_set, false },
	{ "mailbox list", "", 0, 0, "list the mailboxes",
	  "List the mailboxes with the number and octets of their messages.",
	  NULL, command_mailbox_list, true },
	{ "mailbox show", "NAME", 1, 1, "list the messages of a mailbox",
	  "List the messages of a mailbox as a POP3 session would see them.  While it runs the mailbox\n"
	  "is locked.",
	  NULL, command_mailbox_show, true },
	{ "mailbox purge", "NAME", 1, 1, "delete all messages of a mailbox",
	  "Delete all messages of a mailbox, for good.",
	  mailbox_purge_options, command_mailbox_purge, false },
	{ "mailbox import", "NAME PATH", 2, 2, "bring mail from a Maildir or an mbox file",
	  "Bring the messages of a Maildir or an mbox file into a mailbox, in their order.  UIDLs of the\n"
	  "old system are kept where it had them (dovecot-uidlist, courierpop3dsizelist, X-UIDL), so\n"
	  "that mail programs do not fetch everything again.  A message whose UIDL is there already is\n"
	  "left out: the command may be repeated until the old server is switched off.\n\n"
	  "  moonpost mailbox import alice@example.org /var/mail/alice",
	  mailbox_import_options, command_mailbox_import, true },
	{ "mailbox export", "NAME PATH", 2, 2, "write a mailbox as Maildir or mbox",
	  "Write a mailbox as a new Maildir or as an mbox file (- is standard output), UIDLs included.\n\n"
	  "  moonpost mailbox export alice@example.org alice.mbox --format mbox",
	  mailbox_export_options, command_mailbox_export, false },
	{ "store check", "", 0, 0, "verify the store",
	  "Verify counters, references, checksums and files of the store.  The server may run.\n"
	  "Exit code 1 when something is wrong.",
	  NULL, command_store_check, true },
	{ "store backup", "DIRECTORY", 1, 1, "copy the store while it runs",
	  "Make a consistent copy of the store in a new or empty directory.  The server may run.\n"
	  "To restore, stop the server and put the copy in the place of store.path.",
	  NULL, command_store_backup, false },
	{ "store compact", "", 0, 0, "give free space of the store back",
	  "Rewrite the store without its free pages.  The server must be stopped.",
	  NULL, command_store_compact, true },
	{ "version", "", 0, 0, "print the version",
	  "Print the version of moonpost.",
	  NULL, command_version, true },
	{ NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, false },
};
