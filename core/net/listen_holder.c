/* Who holds a port: /proc/net/tcp gives the socket's inode, /proc/<pid>/fd its process. */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/listen.h"

enum { TCP_STATE_LISTEN = 0x0a };

/* The inode of a socket that listens on the port and clashes with our address; 0: none.  Zeros (or
 * nothing) are the wildcard, which clashes with all. */
static unsigned long listening_inode(const char *table, unsigned short port, const char *ip_hex)
{
	FILE *f = fopen(table, "re");
	char line[512], ip[33];
	unsigned long inode = 0, found = 0;
	unsigned local_port, state;

	if (f == NULL)
		return 0;
	while (!found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %*d: %32[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s %*u %*u %lu",
		           ip, &local_port, &state, &inode) != 4)
			continue;
		if (state != TCP_STATE_LISTEN || local_port != port)
			continue;
		if (strspn(ip_hex, "0") == strlen(ip_hex) || strcmp(ip, ip_hex) == 0 ||
		    strspn(ip, "0") == strlen(ip))
			found = inode;
	}
	fclose(f);
	return found;
}

/* The address as the tables of /proc show it: words in host byte order. */
static void hex_address(const struct address *a, char out[33])
{
	uint32_t words[4] = { 0 };
	int count = a->ipv6 ? 4 : 1;

	inet_pton(a->ipv6 ? AF_INET6 : AF_INET, a->ip, words);
	for (int i = 0; i < count; i++)
		snprintf(out + 8 * i, 9, "%08" PRIX32, words[i]);
}

static unsigned long find_inode(const struct address *a)
{
	char hex[33];
	unsigned long inode;

	if (address_is_any(a)) {
		inode = listening_inode("/proc/net/tcp6", a->port, "");
		return inode ? inode : listening_inode("/proc/net/tcp", a->port, "");
	}
	hex_address(a, hex);
	inode = listening_inode(a->ipv6 ? "/proc/net/tcp6" : "/proc/net/tcp", a->port, hex);
	if (inode || a->ipv6)
		return inode;
	/* A socket for both families, bound to [::], takes IPv4 too. */
	return listening_inode("/proc/net/tcp6", a->port, "none");
}

static bool has_socket(const char *pid, const char *wanted)
{
	char path[300], link[64];
	bool found = false;
	struct dirent *e;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	DIR *d = opendir(path);

	if (d == NULL)
		return false;
	while (!found && (e = readdir(d)) != NULL) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = '\0';
		found = strcmp(link, wanted) == 0;
	}
	closedir(d);
	return found;
}

static void describe_process(const char *pid, char *out, size_t size)
{
	char path[300], name[64] = "";

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	FILE *f = fopen(path, "re");

	if (f) {
		if (fgets(name, sizeof(name), f))
			name[strcspn(name, "\n")] = '\0';
		fclose(f);
	}
	if (name[0])
		snprintf(out, size, "%s (process %s)", name, pid);
	else
		snprintf(out, size, "process %s", pid);
}

void listen_holder(const struct address *a, char *out, size_t size)
{
	unsigned long inode = find_inode(a);
	char wanted[64];
	struct dirent *e;

	out[0] = '\0';
	if (inode == 0)
		return;
	snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
	DIR *d = opendir("/proc");

	if (d == NULL)
		return;
	while (out[0] == '\0' && (e = readdir(d)) != NULL)
		if (isdigit((unsigned char)e->d_name[0]) && has_socket(e->d_name, wanted))
			describe_process(e->d_name, out, size);
	closedir(d);
}
