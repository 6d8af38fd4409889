/* Finding the command, reading its options, printing help. */
#include "command/command.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

static const char system_config[] = "/etc/moonpost/moonpost.lua";
static const char local_config[] = "moonpost.lua";

static const struct command_option common_options[] = {
	{ "config", 'c', "FILE", "configuration (default: $MOONPOST_CONFIG, ./moonpost.lua, "
	                         "/etc/moonpost/moonpost.lua)" },
	{ "json", 0, NULL, "print JSON, for machines" },
	{ "quiet", 'q', NULL, "print results and errors alone" },
	{ "help", 'h', NULL, "print this help" },
	{ NULL, 0, NULL, NULL },
};

enum { OPTION_CONFIG = 1000, OPTION_JSON, OPTION_QUIET, OPTION_HELP, OPTION_OWN };

/* ---- messages ---- */

static void complain(const struct command_call *call, const char *fmt, va_list ap)
{
	fflush(stdout);
	fprintf(stderr, "moonpost%s%s: ", call && call->command ? " " : "",
	        call && call->command ? call->command->name : "");
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

int command_fail(const struct command_call *call, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(call, fmt, ap);
	va_end(ap);
	return code;
}

void command_warn(const struct command_call *call, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(call, fmt, ap);
	va_end(ap);
}

void command_say(const struct command_call *call, const char *fmt, ...)
{
	va_list ap;

	if (call->quiet || call->json)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void command_progress(const struct command_call *call, const char *what, uint64_t done,
                      uint64_t total)
{
	static uint64_t shown_ms;
	bool last = total && done >= total;
	uint64_t now = clock_ms();

	if (call->quiet || !isatty(STDERR_FILENO) || (!last && now - shown_ms < 100))
		return;
	shown_ms = now;
	if (total)
		fprintf(stderr, "\r%s: %llu of %llu (%llu %%)\033[K%s", what, (unsigned long long)done,
		        (unsigned long long)total, (unsigned long long)(done * 100 / total),
		        last ? "\n" : "");
	else
		fprintf(stderr, "\r%s: %llu\033[K", what, (unsigned long long)done);
}

bool command_parse_size(const char *text, uint64_t *out)
{
	static const char units[] = "kmgt";
	char *end;
	double value = strtod(text, &end);
	const char *unit;

	if (end == text || value < 0 || *text == '-')
		return false;
	if (*end) {
		unit = strchr(units, ascii_lower(*end));
		if (!unit)
			return false;
		for (const char *u = units; u <= unit; u++)
			value *= 1024;
		end++;
	}
	if (slice_ieq(slice_from(end), SLICE("ib")) || slice_ieq(slice_from(end), SLICE("b")))
		end += strlen(end);
	if (*end || value > 9e18)
		return false;
	*out = (uint64_t)value;
	return true;
}

const char *command_format_size(uint64_t octets)
{
	static const char *const units[] = { "octets", "KiB", "MiB", "GiB", "TiB" };
	static char ring[8][32];
	static unsigned next;
	char *out = ring[next++ % 8];
	double value = (double)octets;
	unsigned unit = 0;

	for (; value >= 1024 && unit + 1 < COUNT_OF(units); unit++)
		value /= 1024;
	snprintf(out, sizeof(ring[0]), unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return out;
}

/* ---- help ---- */

static void print_option(const struct command_option *o)
{
	char head[64];
	int n = o->letter ? snprintf(head, sizeof(head), "-%c, ", o->letter) :
	                    snprintf(head, sizeof(head), "    ");

	snprintf(head + n, sizeof(head) - (size_t)n, "--%s%s%s", o->name, o->argument ? " " : "",
	         o->argument ? o->argument : "");
	printf("  %-26s %s\n", head, o->help);
}

static int print_help(const struct command *c)
{
	printf("Usage: moonpost %s [options]%s%s\n\n%s\n\nOptions:\n", c->name, *c->arguments ? " " : "",
	       c->arguments, c->help);
	for (const struct command_option *o = c->options; o && o->name; o++)
		print_option(o);
	for (const struct command_option *o = common_options; o->name; o++)
		if (c->json || strcmp(o->name, "json") != 0)
			print_option(o);
	printf("\nExit codes: 0 done, 1 it could not be done, 64 wrong usage, 69 no server runs, "
	       "71 system\nerror, 74 input/output error, 75 busy (try again), 78 wrong configuration.\n");
	return COMMAND_OK;
}

/* group: "user" for the commands "user ...", or NULL for all. */
static void print_table(FILE *out, const char *group)
{
	size_t len = group ? strlen(group) : 0;
	char head[96];

	for (const struct command *c = command_table; c->name; c++) {
		if (group && (strncmp(c->name, group, len) != 0 || c->name[len] != ' '))
			continue;
		snprintf(head, sizeof(head), "%s %s", c->name, c->arguments);
		fprintf(out, "  %-34s %s\n", head, c->summary);
	}
}

static int print_overview(FILE *out)
{
	fprintf(out, "moonpost %s: SMTP and POP3 server with plugins in Lua\n\n"
	        "Usage: moonpost COMMAND [options] [arguments]\n\nCommands:\n", MOONPOST_VERSION);
	print_table(out, NULL);
	fprintf(out, "\n`moonpost COMMAND --help` explains one.  The configuration is -c FILE, or "
	        "$MOONPOST_CONFIG,\nor ./moonpost.lua, or %s.\n", system_config);
	return COMMAND_OK;
}

/* ---- parsing ---- */

/* The command whose words begin at argv[1]; *words says how many there are. */
static const struct command *find(int argc, char **argv, int *words)
{
	for (const struct command *c = command_table; c->name; c++) {
		struct slice rest = slice_from(c->name), word;
		int n = 0;
		bool same = true;

		while (same && slice_cut(&rest, ' ', &word) == ST_OK) {
			same = 1 + n < argc && slice_eq(word, slice_from(argv[1 + n]));
			n++;
		}
		if (same) {
			*words = n;
			return c;
		}
	}
	return NULL;
}

static bool is_group(const char *word)
{
	size_t len = strlen(word);

	for (const struct command *c = command_table; c->name; c++)
		if (strncmp(c->name, word, len) == 0 && c->name[len] == ' ')
			return true;
	return false;
}

static int unknown(int argc, char **argv)
{
	bool help = false;

	for (int i = 1; i < argc; i++)
		help |= strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
	if (argc < 2 || (argv[1][0] == '-' && !help)) {
		print_overview(stderr);
		return COMMAND_USAGE;
	}
	if (is_group(argv[1])) {
		FILE *out = help ? stdout : stderr;

		fprintf(out, "Usage: moonpost %s COMMAND [options] [arguments]\n\nCommands:\n", argv[1]);
		print_table(out, argv[1]);
		return help ? COMMAND_OK : COMMAND_USAGE;
	}
	if (help)
		return print_overview(stdout);
	return command_fail(NULL, COMMAND_USAGE, "there is no command \"%s\"; `moonpost --help` lists "
	                    "them", argv[1]);
}

static int add_options(struct option *to, const struct command_option *from, int base, char *letters)
{
	int n = 0;

	for (; from && from[n].name; n++) {
		to[n] = (struct option){ from[n].name, from[n].argument ? required_argument : no_argument,
		                         NULL, base + n };
		if (from[n].letter) {
			char text[3] = { from[n].letter, from[n].argument ? ':' : '\0', '\0' };

			strcat(letters, text);
		}
	}
	return n;
}

static int letter_of(const struct command_option *from, int base, int letter)
{
	for (int n = 0; from && from[n].name; n++)
		if (from[n].letter == letter)
			return base + n;
	return 0;
}

static const char *default_config(void)
{
	const char *env = getenv("MOONPOST_CONFIG");

	if (env && *env)
		return env;
	return access(local_config, F_OK) == 0 ? local_config : system_config;
}

/* False: *code is the exit code (help was printed, or a complaint). */
static bool parse(struct command_call *call, int argc, char **argv, int *code)
{
	struct option options[COMMAND_OPTIONS_MAX + COUNT_OF(common_options) + 1] = { 0 };
	char letters[64] = ":";
	int n = add_options(options, common_options, OPTION_CONFIG, letters), got;

	(void)add_options(options + n, call->command->options, OPTION_OWN, letters);
	optind = 1;
	while ((got = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		int id = got < OPTION_CONFIG ? letter_of(common_options, OPTION_CONFIG, got) : got;

		if (!id)
			id = letter_of(call->command->options, OPTION_OWN, got);
		if (got == ':' || got == '?') {
			*code = command_fail(call, COMMAND_USAGE, got == ':' ? "%s needs a value; see --help" :
			                     "there is no option %s; see --help", argv[optind - 1]);
			return false;
		}
		switch (id) {
		case OPTION_CONFIG: call->config = optarg; break;
		case OPTION_JSON:   call->json = true; break;
		case OPTION_QUIET:  call->quiet = true; break;
		case OPTION_HELP:   *code = print_help(call->command); return false;
		default:            call->values[id - OPTION_OWN] = optarg ? optarg : ""; break;
		}
	}
	call->argc = argc - optind;
	call->argv = argv + optind;
	return true;
}

static int check_count(const struct command_call *call)
{
	const struct command *c = call->command;

	if (call->json && !c->json)
		return command_fail(call, COMMAND_USAGE, "this command has no --json");
	if (call->argc < c->min)
		return command_fail(call, COMMAND_USAGE, "something is missing; usage: moonpost %s %s",
		                    c->name, c->arguments);
	if (c->max >= 0 && call->argc > c->max)
		return command_fail(call, COMMAND_USAGE, "\"%s\" is too much; usage: moonpost %s %s",
		                    call->argv[c->max], c->name, c->arguments);
	return COMMAND_OK;
}

const char *command_option(const struct command_call *call, const char *name)
{
	for (int i = 0; call->command->options && call->command->options[i].name; i++)
		if (strcmp(call->command->options[i].name, name) == 0)
			return call->values[i];
	return NULL;
}

int command_main(int argc, char **argv)
{
	struct command_call call = { 0 };
	const char *early = NULL;
	int words = 0, code;

	/* `moonpost -c FILE user list` is what some fingers type. */
	if (argc > 2 && (strcmp(argv[1], "-c") == 0 || strcmp(argv[1], "--config") == 0)) {
		early = argv[2];
		argv += 2;
		argc -= 2;
	}
	call.command = find(argc, argv, &words);
	if (!call.command && argc == 2 && (strcmp(argv[1], "--version") == 0 ||
	                                   strcmp(argv[1], "-V") == 0)) {
		char *version[] = { argv[0], (char *)"version", NULL };

		return command_main(2, version);
	}
	if (!call.command)
		return unknown(argc, argv);
	call.config = early ? early : default_config();
	if (!parse(&call, argc - words, argv + words, &code))
		return code;
	code = check_count(&call);
	if (code == COMMAND_OK)
		code = call.command->run(&call);
	if (fflush(stdout) != 0 && code == COMMAND_OK)
		return command_fail(&call, COMMAND_IO, "the output could not be written");
	return code;
}
