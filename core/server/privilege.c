/* From root to an unprivileged user, and what every process gives up. */
#include "server/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

bool server_privilege_find(const char *user, const char *group, struct privilege *out, char **error)
{
	struct passwd *pw;
	struct group *gr;

	*out = (struct privilege){ 0 };
	if (geteuid() != 0 || !user)
		return true;
	pw = getpwnam(user);
	if (!pw) {
		*error = mem_printf("user: there is no user \"%s\" on this system; make it "
		                    "(adduser --system %s) or name another", user, user);
		return false;
	}
	out->drop = pw->pw_uid != 0;
	out->uid = pw->pw_uid;
	out->gid = pw->pw_gid;
	if (!group)
		return true;
	gr = getgrnam(group);
	if (!gr) {
		*error = mem_printf("group: there is no group \"%s\" on this system", group);
		return false;
	}
	out->gid = gr->gr_gid;
	return true;
}

void server_privilege_drop(const struct privilege *p)
{
	if (p->drop) {
		if (setgroups(1, &p->gid) < 0 || setresgid(p->gid, p->gid, p->gid) < 0 ||
		    setresuid(p->uid, p->uid, p->uid) < 0)
			die("cannot become user %u: %s", (unsigned)p->uid, strerror(errno));
		if (setuid(0) == 0)
			die("privileges came back after they were dropped");
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die("PR_SET_NO_NEW_PRIVS: %s", strerror(errno));
#ifndef __SANITIZE_ADDRESS__          /* the leak check at the end is a ptrace of ourselves */
	/* Mail and passwords are in memory: no core files, no ptrace by the same user. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

void server_privilege_raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn("cannot raise the limit of open files", "why", strerror(errno), NULL);
}

bool server_privilege_own(const struct privilege *p, const char *path, char **error)
{
	struct stat st;

	if (!p->drop || stat(path, &st) < 0 || st.st_uid == p->uid)
		return true;
	if (chown(path, p->uid, p->gid) == 0)
		return true;
	*error = mem_printf("%s: cannot hand it over to user %u: %s", path, (unsigned)p->uid,
	                    strerror(errno));
	return false;
}
