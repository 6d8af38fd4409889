/* why: who decided what a client was told, from the memory of the running server. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "command/groups.h"
#include "command/remote.h"

static const char *member(const cJSON *o, const char *name)
{
	const char *s = cJSON_GetStringValue(cJSON_GetObjectItem(o, name));

	return s ? s : "";
}

/* " word value" when there is a value. */
static void print_pair(const cJSON *o, const char *name, const char *word)
{
	if (*member(o, name))
		printf(" %s %s", word, member(o, name));
}

static void print_head(const cJSON *d)
{
	double ms = cJSON_GetNumberValue(cJSON_GetObjectItem(d, "time_ms"));
	time_t whole = (time_t)(ms / 1000);
	char when[32] = "";
	struct tm tm;

	if (localtime_r(&whole, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%s  %s.%03d  session %s, %s at %s\n", member(d, "id"), when,
	       (int)(ms - (double)whole * 1000), member(d, "session"), member(d, "ip"),
	       member(d, "listener"));
	if (*member(d, "helo") || *member(d, "user") || *member(d, "tls")) {
		printf("        ");
		print_pair(d, "helo", "says it is");
		print_pair(d, "user", "signed in as");
		print_pair(d, "tls", "with");
		putchar('\n');
	}
}

/* "  2. greylist  tempfail 4.7.1 at plugins/greylist/init.lua:88, 812 us" */
static void print_step(const cJSON *s, int number)
{
	const char *verdict = member(s, "verdict"), *where = member(s, "where");
	bool none = strcmp(verdict, "none") == 0, failed = strcmp(verdict, "failed") == 0;

	printf("  %d. %s: %s%s%s at %s, %.0f us\n", number, member(s, "plugin"),
	       none ? "no opinion" : failed ? "failed, the log says how" : verdict,
	       *member(s, "status") && !failed ? " " : "", failed ? "" : member(s, "status"),
	       *where ? where : member(s, "function"),
	       cJSON_GetNumberValue(cJSON_GetObjectItem(s, "us")));
	if (*member(s, "waited"))
		printf("     waited for %s\n", member(s, "waited"));
}

static void print_decision(const cJSON *d)
{
	const cJSON *step;
	int number = 0;

	print_head(d);
	if (*member(d, "hook"))
		printf("  asked: %s, %s\n", member(d, "hook"), member(d, "asked"));
	else
		printf("  no plugin was asked: this is the protocol's own answer (state %s)\n",
		       member(d, "state"));
	cJSON_ArrayForEach(step, cJSON_GetObjectItem(d, "asked_plugins"))
		print_step(step, ++number);
	if (*member(d, "hook") && strcmp(member(d, "by"), "core") == 0)
		printf("  %d. core: decided, no plugin did\n", ++number);
	printf("  told: %s\n", member(d, "reply"));
}

static int show(struct command_call *call, const cJSON *answer)
{
	const cJSON *decisions = cJSON_GetObjectItem(answer, "decisions"), *d;

	if (cJSON_GetArraySize(decisions) == 0)
		return command_fail(call, COMMAND_FAILED,
		                    "nothing is known about \"%s\": it is the id at the end of a reply "
		                    "(reply_ids in the configuration) or the id of a session; a worker "
		                    "remembers its last 2048 refusals", call->argv[0]);
	if (call->json) {
		char *text = cJSON_PrintUnformatted(decisions);

		puts(text);
		cJSON_free(text);
		return COMMAND_OK;
	}
	cJSON_ArrayForEach(d, decisions)
		print_decision(d);
	return COMMAND_OK;
}

int command_why(struct command_call *call)
{
	struct remote r;
	int code = remote_open(&r, call);

	if (code == COMMAND_OK) {
		cJSON *o = cJSON_CreateObject(), *answer;

		cJSON_AddStringToObject(o, "command", "why");
		cJSON_AddStringToObject(o, "id", call->argv[0]);
		remote_send(&r, o);
		answer = remote_receive(&r);
		code = answer ? show(call, answer) :
		       command_fail(call, COMMAND_FAILED, "the server closed the connection");
		cJSON_Delete(answer);
	}
	remote_close(&r);
	return code;
}
