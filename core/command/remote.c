/* Asking the running server: reload, stop, status. */
#include "command/remote.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "command/groups.h"
#include "command/table.h"

int remote_open(struct remote *r, struct command_call *call)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int code = access_config(&r->access, call);

	r->fd = -1;
	buf_init(&r->in, 0);
	if (code != COMMAND_OK)
		return code;
	snprintf(to.sun_path, sizeof(to.sun_path), "%s/control.sock", r->access.config->runtime);
	r->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (r->fd >= 0 && connect(r->fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return COMMAND_OK;
	if (errno == EACCES)
		return command_fail(call, COMMAND_SYSTEM, "%s: only the user who started the server may do "
		                    "that", to.sun_path);
	return command_fail(call, COMMAND_UNAVAILABLE, "no server runs with %s (%s: %s)", call->config,
	                    to.sun_path, strerror(errno));
}

void remote_close(struct remote *r)
{
	if (r->fd >= 0)
		close(r->fd);
	buf_free(&r->in);
	access_close(&r->access);
}

void remote_send(struct remote *r, cJSON *request)
{
	char *text = cJSON_PrintUnformatted(request), *line = mem_printf("%s\n", text);
	struct slice rest = slice_from(line);

	while (rest.len) {
		ssize_t n = send(r->fd, rest.ptr, rest.len, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		rest = slice_skip(rest, (size_t)n);
	}
	free(line);
	free(text);
	cJSON_Delete(request);
}

cJSON *remote_receive(struct remote *r)
{
	for (;;) {
		struct slice in = buf_slice(&r->in);
		size_t end = slice_find(in, '\n');
		char *room;
		ssize_t n;

		if (end < in.len) {
			cJSON *o = cJSON_ParseWithLength(in.ptr, end);

			buf_consume(&r->in, end + 1);
			return o;
		}
		if (buf_reserve(&r->in, 65536, &room) != ST_OK)
			return NULL;
		n = recv(r->fd, room, 65536, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return NULL;
		buf_commit(&r->in, (size_t)n);
	}
}

static cJSON *request(const char *command)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "command", command);
	return o;
}

/* Print the errors of an answer.  answer may be NULL. */
static int finish(struct remote *r, cJSON *answer)
{
	struct command_call *call = r->access.call;
	const char *errors = cJSON_GetStringValue(cJSON_GetObjectItem(answer, "errors"));
	struct slice rest = slice_from(errors), line;
	bool good = cJSON_IsTrue(cJSON_GetObjectItem(answer, "ok"));

	if (!answer)
		return command_fail(call, COMMAND_UNAVAILABLE, "the server closed the connection");
	if (call->json) {
		char *text = cJSON_Print(answer);

		puts(text);
		free(text);
	}
	while (!good && slice_cut(&rest, '\n', &line) == ST_OK)
		if (line.len)
			command_warn(call, "%.*s", SLICE_ARG(line));
	return good ? COMMAND_OK : COMMAND_FAILED;
}

int command_reload(struct command_call *call)
{
	struct remote r;
	const char *plugin = command_option(call, "plugin");
	bool code_only = plugin || command_option(call, "plugins");
	int code = remote_open(&r, call);

	if (code == COMMAND_OK) {
		cJSON *question = request("reload"), *answer;

		if (plugin)
			cJSON_AddStringToObject(question, "plugin", plugin);
		cJSON_AddBoolToObject(question, "plugins", code_only);
		remote_send(&r, question);
		answer = remote_receive(&r);
		code = finish(&r, answer);
		cJSON_Delete(answer);
		if (code == COMMAND_OK)
			command_say(call, code_only ? "all workers run the new code" :
			            "new sessions have the new configuration; old ones finish with theirs");
		else
			command_warn(call, code_only ? "the old code stays" : "the old configuration stays");
	}
	remote_close(&r);
	return code;
}

int command_stop(struct command_call *call)
{
	struct remote r;
	int code = remote_open(&r, call);

	if (code == COMMAND_OK) {
		cJSON *o = request("stop"), *answer;

		cJSON_AddBoolToObject(o, "now", command_option(call, "now") != NULL);
		remote_send(&r, o);
		answer = remote_receive(&r);
		code = finish(&r, answer);
		cJSON_Delete(answer);
		/* The connection ends with the last process. */
		while (code == COMMAND_OK && (answer = remote_receive(&r)) != NULL)
			cJSON_Delete(answer);
		if (code == COMMAND_OK)
			command_say(call, "stopped");
	}
	remote_close(&r);
	return code;
}

/* ---- status ---- */

static double number(const cJSON *o, const char *name)
{
	const cJSON *n = cJSON_GetObjectItem(o, name);

	return cJSON_IsNumber(n) ? n->valuedouble : 0;
}

static const char *text(const cJSON *o, const char *name)
{
	const char *s = cJSON_GetStringValue(cJSON_GetObjectItem(o, name));

	return s ? s : "";
}

static void print_processes(const cJSON *status)
{
	const cJSON *p;

	printf("\n%-10s %8s  %-9s %9s %6s %6s %10s\n", "process", "pid", "state", "uptime", "smtp",
	       "pop3", "lua");
	cJSON_ArrayForEach(p, cJSON_GetObjectItem(status, "processes")) {
		bool worker = cJSON_HasObjectItem(p, "smtp");

		printf("%-10s %8.0f  %-9s %8.0fs", text(p, "name"), number(p, "pid"), text(p, "state"),
		       number(p, "uptime_s"));
		if (worker)
			printf(" %6.0f %6.0f %10s", number(p, "smtp"), number(p, "pop3"),
			       command_format_size((uint64_t)number(cJSON_GetObjectItem(p, "script"),
			                                            "memory_octets")));
		putchar('\n');
	}
}

static void print_numbers(const char *title, const cJSON *o)
{
	const cJSON *n;

	if (!cJSON_IsObject(o))
		return;
	printf("\n%s\n", title);
	cJSON_ArrayForEach(n, o) {
		char name[48];

		snprintf(name, sizeof(name), "%s", n->string);
		for (char *c = name; *c; c++)
			*c = *c == '_' ? ' ' : *c;
		if (cJSON_IsString(n))
			printf("  %-22s %s\n", name, n->valuestring);
		else if (strstr(n->string, "octets"))
			printf("  %-22s %s\n", name, command_format_size((uint64_t)n->valuedouble));
		else
			printf("  %-22s %.0f\n", name, n->valuedouble);
	}
}

/* "870 ns", "1.2 ms": three places at most. */
static const char *duration(double ns, char out[16])
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	unsigned unit = 0;

	for (; ns >= 1000 && unit + 1 < COUNT_OF(units); unit++)
		ns /= 1000;
	snprintf(out, 16, ns < 10 && unit ? "%.1f %s" : "%.0f %s", ns, units[unit]);
	return out;
}

static void print_hooks(const cJSON *status)
{
	static const char *const counts[] = { "calls", "errors", "timeouts", "dropped", "skipped", "live" };
	static const char *const times[] = { "cpu_ns", "wait_ns", "latency_p50_ns", "latency_p99_ns" };
	const cJSON *hooks = cJSON_GetObjectItem(status, "hooks"), *h;

	if (!hooks)
		return;
	printf("\n%-16s %-17s %10s %7s %8s %7s %7s %5s %8s %8s %8s %8s\n", "plugin", "hook", "calls",
	       "errors", "timeouts", "dropped", "skipped", "live", "cpu", "waited", "p50", "p99");
	cJSON_ArrayForEach(h, hooks) {
		static const int widths[] = { 10, 7, 8, 7, 7, 5 };
		char out[16];

		printf("%-16s %-17s", text(h, "plugin"), text(h, "hook"));
		for (unsigned i = 0; i < COUNT_OF(counts); i++)
			printf(" %*.0f", widths[i], number(h, counts[i]));
		for (unsigned i = 0; i < COUNT_OF(times); i++)
			printf(" %8s", duration(number(h, times[i]), out));
		printf("%s\n", number(h, "paused") > 0 ? "  paused: it failed too often" : "");
	}
}

static void print_status(const cJSON *s)
{
	const cJSON *l;

	printf("moonpost %s, process %.0f, %s for %.0f s, configuration %s (generation %.0f), "
	       "%.0f restarts of processes\n\n", text(s, "version"), number(s, "pid"), text(s, "state"),
	       number(s, "uptime_s"), text(s, "config"), number(s, "generation"), number(s, "restarts"));
	cJSON_ArrayForEach(l, cJSON_GetObjectItem(s, "listeners")) {
		printf("%-12s %s\n", text(l, "service"), text(l, "address"));
	}
	print_processes(s);
	print_hooks(s);
	print_numbers("since the start", cJSON_GetObjectItem(s, "totals"));
	print_numbers("store", cJSON_GetObjectItem(s, "store"));
}

int command_status(struct command_call *call)
{
	struct remote r;
	int code = remote_open(&r, call);

	if (code == COMMAND_OK) {
		cJSON *answer, *question = request("status");

		cJSON_AddBoolToObject(question, "plugins", command_option(call, "plugins") != NULL);
		remote_send(&r, question);
		answer = remote_receive(&r);
		code = finish(&r, answer);
		if (code == COMMAND_OK && !call->json)
			print_status(answer);
		cJSON_Delete(answer);
	}
	remote_close(&r);
	return code;
}
