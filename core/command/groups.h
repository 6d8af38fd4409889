/* What commands.c calls: the functions of all groups.  Each is explained by its row there. */
#ifndef MOONPOST_COMMAND_GROUPS_H
#define MOONPOST_COMMAND_GROUPS_H

struct command_call;

int command_run(struct command_call *call);               /* run.c */
int command_check(struct command_call *call);
int command_version(struct command_call *call);

int command_reload(struct command_call *call);            /* remote.c */
int command_stop(struct command_call *call);
int command_status(struct command_call *call);
int command_trace(struct command_call *call);             /* trace.c */
int command_why(struct command_call *call);               /* why.c */

int command_user_add(struct command_call *call);          /* user.c */
int command_user_list(struct command_call *call);
int command_user_password(struct command_call *call);
int command_user_remove(struct command_call *call);
int command_user_disable(struct command_call *call);
int command_user_enable(struct command_call *call);
int command_user_import(struct command_call *call);       /* user_import.c */

int command_domain_add(struct command_call *call);        /* domain.c */
int command_domain_list(struct command_call *call);
int command_domain_remove(struct command_call *call);

int command_alias_add(struct command_call *call);         /* alias.c */
int command_alias_list(struct command_call *call);
int command_alias_remove(struct command_call *call);

int command_quota_show(struct command_call *call);        /* quota.c */
int command_quota_set(struct command_call *call);

int command_mailbox_list(struct command_call *call);      /* mailbox.c */
int command_mailbox_show(struct command_call *call);
int command_mailbox_purge(struct command_call *call);
int command_mailbox_import(struct command_call *call);    /* mailbox_import.c */
int command_mailbox_export(struct command_call *call);    /* mailbox_export.c */

int command_store_check(struct command_call *call);       /* store.c */
int command_store_backup(struct command_call *call);
int command_store_compact(struct command_call *call);

#endif
