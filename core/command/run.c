/* Commands that need no running server and no store: run, check, version. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/place.h"
#include "command/command.h"
#include "command/groups.h"
#include "script/script.h"
#include "server/master.h"

static int print_problems(const struct command_call *call, char *errors)
{
	struct slice rest = slice_from(errors), line;

	while (slice_cut(&rest, '\n', &line) == ST_OK)
		if (line.len)
			command_warn(call, "%.*s", SLICE_ARG(line));
	free(errors);
	return COMMAND_CONFIG;
}

int command_run(struct command_call *call)
{
	struct master_options options = {
		.config = call->config,
		.welcome = command_option(call, "welcome"),
	};

	return server_master_run(&options);
}

/* ---- check ---- */

/* The certificates and their keys can be read and fit together. */
static char *check_tls(const struct config *c)
{
	struct tls_settings settings = c->tls;
	struct tls_context *tls;
	char *error = NULL, *text;

	if (settings.certificate_count == 0)
		return NULL;
	tls = tls_context_new(&settings, &error);
	tls_context_unref(&tls);
	if (!error)
		return NULL;
	text = mem_printf("%s: tls: %s", c->file, error);
	free(error);
	return text;
}

/* Every plugin loads with its options. */
static char *check_plugins(const struct config *c)
{
	struct loop *loop = loop_new();
	struct work_pool *work = work_pool_new(loop, 1, "check");
	struct script_setup setup = { .loop = loop, .work = work, .config = c };
	char *error = NULL;
	struct script *script = script_new(&setup, &error);

	if (script)
		script_free(script);
	work_pool_free(work);
	loop_free(loop);
	return error;
}

/* Lines of all that is wrong, or NULL. */
static char *check_all(struct command_call *call)
{
	char *errors = NULL;
	struct config *c = config_load(call->config, &errors);

	if (!c)
		return errors ? errors : mem_strdup("the configuration cannot be loaded");
	errors = check_tls(c);
	if (!errors)
		errors = check_plugins(c);
	if (!errors)
		command_say(call, "%s is good: %u listeners, %u plugins, %u workers", call->config,
		            c->listener_count, c->plugin_count, c->workers);
	config_free(c);
	return errors;
}

int command_check(struct command_call *call)
{
	char *errors = check_all(call);

	if (call->json) {
		cJSON *o = cJSON_CreateObject();
		char *text;

		cJSON_AddBoolToObject(o, "ok", errors == NULL);
		cJSON_AddStringToObject(o, "errors", errors ? errors : "");
		text = cJSON_Print(o);
		puts(text);
		free(text);
		cJSON_Delete(o);
	}
	return errors ? print_problems(call, errors) : COMMAND_OK;
}

int command_version(struct command_call *call)
{
	if (call->json)
		printf("{\"version\":\"%s\"}\n", MOONPOST_VERSION);
	else if (call->quiet)
		puts(MOONPOST_VERSION);
	else
		printf("moonpost %s\ndata: %s\n", MOONPOST_VERSION, place_data());
	return COMMAND_OK;
}
