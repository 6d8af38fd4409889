/* trace: the dialogues of running sessions, line by line, as they happen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "command/groups.h"
#include "command/remote.h"

static const char *const filters[] = { "ip", "user", "session", "protocol", "service" };

static const char *member(const cJSON *o, const char *name)
{
	const char *s = cJSON_GetStringValue(cJSON_GetObjectItem(o, name));

	return s ? s : "";
}

/* "12:00:01.123 k2f C: RETR 1": time, session, direction, line. */
static void print_event(const cJSON *e)
{
	const char *event = member(e, "event"), *line = member(e, "line");
	const cJSON *when = cJSON_GetObjectItem(e, "time"), *octets = cJSON_GetObjectItem(e, "octets");
	double seconds = cJSON_IsNumber(when) ? when->valuedouble : 0;
	time_t whole = (time_t)seconds;
	char clock[16] = "";
	struct tm tm;

	if (strcmp(event, "dropped") == 0) {
		printf("... %.0f lines are missing: this trace was not read fast enough\n",
		       cJSON_GetNumberValue(cJSON_GetObjectItem(e, "lines")));
		return;
	}
	if (localtime_r(&whole, &tm))
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	printf("%s.%03d %s ", clock, (int)((seconds - (double)whole) * 1000), member(e, "session"));
	if (strcmp(event, "command") == 0)
		printf("C: %s", line);
	else if (strcmp(event, "reply") == 0)
		printf("S: %s", line);
	else if (strcmp(event, "connect") == 0)
		printf("-- connected from %s to %s", member(e, "ip"), member(e, "service"));
	else
		printf("-- %s%s%s", event, *line ? " " : "", line);
	if (octets)
		printf(" (%.0f)", octets->valuedouble);
	if (*member(e, "verdict") && strcmp(member(e, "verdict"), "accept") != 0)
		printf("  [%s by %s%s%s]", member(e, "verdict"), member(e, "by"),
		       *member(e, "where") ? " " : "", member(e, "where"));
	putchar('\n');
}

static void follow(struct remote *r)
{
	struct command_call *call = r->access.call;
	cJSON *e;

	while ((e = remote_receive(r)) != NULL) {
		if (call->json) {
			char *text = cJSON_PrintUnformatted(e);

			puts(text);
			free(text);
		} else {
			print_event(e);
		}
		fflush(stdout);
		cJSON_Delete(e);
	}
}

int command_trace(struct command_call *call)
{
	struct remote r;
	int code = remote_open(&r, call);

	if (code == COMMAND_OK) {
		cJSON *o = cJSON_CreateObject(), *filter = cJSON_AddObjectToObject(o, "filter"), *answer;

		cJSON_AddStringToObject(o, "command", "trace");
		for (unsigned i = 0; i < COUNT_OF(filters); i++)
			if (command_option(call, filters[i]))
				cJSON_AddStringToObject(filter, filters[i], command_option(call, filters[i]));
		remote_send(&r, o);
		answer = remote_receive(&r);
		if (!cJSON_IsTrue(cJSON_GetObjectItem(answer, "ok")))
			code = command_fail(call, COMMAND_FAILED, "%s", answer ? member(answer, "errors") :
			                    "the server closed the connection");
		cJSON_Delete(answer);
		if (code == COMMAND_OK)
			follow(&r);
	}
	remote_close(&r);
	return code;
}
