/* The binary looks around itself first, so that a build tree, an installed tree and a tree that
 * was moved all work without a setting. */
#include "base/place.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool holds_lua(const char *dir)
{
	char probe[PATH_MAX];
	int n = snprintf(probe, sizeof(probe), "%s/lua/moonpost", dir);

	return n > 0 && (size_t)n < sizeof(probe) && access(probe, R_OK) == 0;
}

/* The directory `relative` to the one of the running binary, with links resolved. */
static bool beside_binary(const char *relative, char out[PATH_MAX])
{
	char self[PATH_MAX], joined[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return false;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	int len = snprintf(joined, sizeof(joined), "%s/%s", self, relative);

	return len > 0 && (size_t)len < sizeof(joined) && realpath(joined, out) && holds_lua(out);
}

const char *place_data(void)
{
	static char found[PATH_MAX];
	const char *set = getenv("MOONPOST_DATADIR");

	if (set && *set)
		return set;
	if (*found)
		return found;
	/* build/release/moonpost in the source tree; bin/moonpost of an installation */
	if (!beside_binary("../..", found) && !beside_binary("../share/moonpost", found))
		snprintf(found, sizeof(found), "%s", MOONPOST_DATADIR);
	return found;
}
