/* The kernel shows the memory that held the arguments at the start; writing there renames us. */
#include "server/title.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/mem.h"

static struct { char *start, *end; } area;

void server_title_init(int argc, char **argv)
{
	char *end = argv[0] + strlen(argv[0]) + 1;
	char **env = environ, **copy;
	unsigned count = 0;

	for (int i = 1; i < argc; i++)
		if (argv[i] == end)
			end += strlen(argv[i]) + 1;
	while (env[count])
		count++;
	copy = mem_array(count + 1, sizeof(*copy));
	for (unsigned i = 0; i < count; i++) {
		if (env[i] == end)
			end += strlen(env[i]) + 1;
		copy[i] = mem_strdup(env[i]);
	}
	environ = copy;
	area.start = argv[0];
	area.end = end;
}

void server_title_set(const char *name)
{
	char comm[16];

	if (!area.start)
		return;
	memset(area.start, 0, (size_t)(area.end - area.start));
	snprintf(area.start, (size_t)(area.end - area.start), "moonpost: %s", name);
	/* What top and "port is in use by" show; the kernel keeps 15 octets. */
	snprintf(comm, sizeof(comm), "moonpost-%.6s", name);
	(void)prctl(PR_SET_NAME, comm, 0, 0, 0);
}
