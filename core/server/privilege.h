/* Giving up privileges: users, new privileges, core dumps with mail in them. */
#ifndef MOONPOST_SERVER_PRIVILEGE_H
#define MOONPOST_SERVER_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

/* Whom the worker and store processes run as. */
struct privilege {
	bool  drop;                       /* started as root with a user configured */
	uid_t uid;
	gid_t gid;
};

/* Look the names up; group NULL: the user's own.  False with error set (heap, the caller frees):
 * no such user, or a server that would run as root without anybody having asked for it. */
bool server_privilege_find(const char *user, const char *group, struct privilege *out, char **error);

/* In a child, for good; dies when the kernel refuses. */
void server_privilege_drop(const struct privilege *p);

/* Open files up to the hard limit. */
void server_privilege_raise_files(void);

/* Hand a directory (not what is in it) over to the unprivileged user. */
bool server_privilege_own(const struct privilege *p, const char *path, char **error);

#endif
