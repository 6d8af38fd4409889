/* Reading, hashing and recognising passwords. */
#include "command/password.h"

#include <crypt.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/random.h"
#include "mail/sasl.h"
#include "mail/saslprep.h"
#include "mail/utf8.h"

enum { PASSWORD_MAX = 1024 };

void password_free(char *password)
{
	if (password)
		mem_wipe(password, strlen(password));
	free(password);
}

/* One line without its end; false at the end of the input. */
static bool read_line(FILE *in, char *out, size_t size)
{
	size_t len;

	if (!fgets(out, (int)size, in))
		return false;
	len = strlen(out);
	while (len && (out[len - 1] == '\n' || out[len - 1] == '\r'))
		out[--len] = '\0';
	return true;
}

static void interrupted(int signum)
{
	(void)signum;
}

/* Ctrl-C ends the reading, so that the terminal gets its echo back before we end. */
static bool ask(FILE *tty, const char *prompt, char *out, size_t size)
{
	struct sigaction ours = { .sa_handler = interrupted }, before;
	struct termios normal, quiet;
	bool changed = tcgetattr(fileno(tty), &normal) == 0, good;

	fputs(prompt, stderr);
	fflush(stderr);
	sigaction(SIGINT, &ours, &before);
	if (changed) {
		quiet = normal;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		changed = tcsetattr(fileno(tty), TCSAFLUSH, &quiet) == 0;
	}
	good = read_line(tty, out, size);
	if (changed)
		(void)tcsetattr(fileno(tty), TCSAFLUSH, &normal);
	sigaction(SIGINT, &before, NULL);
	fputc('\n', stderr);
	return good;
}

static bool ask_twice(struct command_call *call, const char *user, char *out, size_t size)
{
	FILE *tty = fopen("/dev/tty", "r");
	char again[PASSWORD_MAX], *prompt = mem_printf("Password for %s: ", user);
	bool good;

	if (!tty)
		tty = stdin;
	setvbuf(tty, NULL, _IONBF, 0);    /* no copy of the password in a buffer of stdio */
	good = ask(tty, prompt, out, size) && ask(tty, "Once more: ", again, sizeof(again));
	if (good && strcmp(out, again) != 0) {
		command_fail(call, COMMAND_USAGE, "the two passwords are not the same");
		good = false;
	}
	mem_wipe(again, sizeof(again));
	free(prompt);
	if (tty != stdin)
		fclose(tty);
	return good;
}

char *password_read(struct command_call *call, const char *user)
{
	char text[PASSWORD_MAX] = "", *result = NULL;
	bool good;

	if (!command_option(call, "stdin") && isatty(STDIN_FILENO)) {
		good = ask_twice(call, user, text, sizeof(text));
	} else {
		good = read_line(stdin, text, sizeof(text));
		if (!good)
			command_fail(call, COMMAND_USAGE, "no password came on standard input");
	}
	if (good && !*text) {
		command_fail(call, COMMAND_USAGE, "an empty password is refused");
		good = false;
	}
	if (good && !utf8_valid(slice_from(text))) {
		command_fail(call, COMMAND_USAGE, "the password is not UTF-8");
		good = false;
	}
	if (good)
		result = mem_strdup(text);
	mem_wipe(text, sizeof(text));
	return result;
}

static struct slice octets(struct arena *a, const unsigned char *in, size_t len)
{
	return arena_copy(a, slice_of(in, len));
}

bool password_set(struct command_call *call, struct store_user *u, const char *password, bool keep,
                  struct arena *a)
{
	struct crypt_data *work = mem_alloc(sizeof(*work));
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	unsigned char salt[SASL_SCRAM_SALT_SIZE], stored[32], server[32];
	const char *hash = NULL;
	struct buf prepared;

	/* One form for all ways to type the same letters (RFC 4616, 2), as SCRAM's keys have it. */
	buf_init(&prepared, 0);
	bool form = saslprep(slice_from(password), &prepared) == ST_OK;

	if (crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)))
		hash = crypt_rn(form ? buf_cstr(&prepared) : password, setting, work, sizeof(*work));
	buf_wipe(&prepared);
	if (!hash || hash[0] == '*') {
		command_fail(call, COMMAND_SYSTEM, "libcrypt cannot make a yescrypt hash: %s",
		             strerror(errno));
	} else {
		u->password = arena_strdup(a, slice_from(hash));
		random_bytes(salt, sizeof(salt));
		sasl_scram_derive(slice_from(password), slice_of(salt, sizeof(salt)), SASL_SCRAM_ITERATIONS,
		                  stored, server);
		u->scram_salt = octets(a, salt, sizeof(salt));
		u->scram_stored_key = octets(a, stored, sizeof(stored));
		u->scram_server_key = octets(a, server, sizeof(server));
		u->scram_iterations = SASL_SCRAM_ITERATIONS;
		u->plain = keep ? arena_strdup(a, slice_from(password)) : NULL;
	}
	mem_wipe(work, sizeof(*work));
	free(work);
	return u->password != NULL;
}

/* Which hashes libcrypt knows, with the length of the whole: a cut-off one would lock the user
 * out without a word. */
static const struct { const char *prefix; size_t min, max; } hashes[] = {
	{ "$1$",  26,  34 },              /* MD5 */
	{ "$5$",  47,  80 },              /* SHA-256 */
	{ "$6$",  90, 124 },              /* SHA-512 */
	{ "$2a$", 60,  60 }, { "$2b$", 60, 60 }, { "$2y$", 60, 60 },     /* bcrypt */
	{ "$y$",  50, 200 },              /* yescrypt */
	{ "$gy$", 50, 200 },
	{ "$7$",  50, 200 },              /* scrypt */
};

/* Traditional DES: nothing but its length tells it from a password, so {CRYPT} must say so. */
static bool is_des(const char *hash)
{
	return strlen(hash) == 13 && strspn(hash, "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                                          "abcdefghijklmnopqrstuvwxyz") == 13;
}

const char *password_foreign(const char *hash, const char **why)
{
	static const char *const schemes[] = { "{CRYPT}", "{MD5-CRYPT}", "{SHA256-CRYPT}",
	                                       "{SHA512-CRYPT}", "{BLF-CRYPT}" };
	size_t len;

	hash = hash ? hash : "";
	for (unsigned i = 0; i < COUNT_OF(schemes); i++)
		if (slice_istarts(slice_from(hash), slice_from(schemes[i]))) {
			hash += strlen(schemes[i]);
			if (i == 0 && is_des(hash))
				return hash;
			break;
		}
	if (*hash == '{') {
		*why = "this password scheme is not known; crypt(3) hashes ({CRYPT}, $1$, $5$, $6$, $2y$, "
		       "$y$) are";
		return NULL;
	}
	len = strlen(hash);
	*why = "this is not a crypt(3) hash ($1$, $5$, $6$, $2y$, $y$)";
	for (unsigned i = 0; len && i < COUNT_OF(hashes); i++) {
		if (strncmp(hash, hashes[i].prefix, strlen(hashes[i].prefix)) != 0)
			continue;
		if (len >= hashes[i].min && len <= hashes[i].max)
			return hash;
		*why = "the hash is cut off or too long";
		return NULL;
	}
	return NULL;
}
