/* A command's connection to the control socket of the running server. */
#ifndef MOONPOST_COMMAND_REMOTE_H
#define MOONPOST_COMMAND_REMOTE_H

#include <cjson/cJSON.h>

#include "command/access.h"

struct remote { struct access access; int fd; struct buf in; };

/* COMMAND_OK, or an exit code after a complaint.  remote_close in both cases. */
int remote_open(struct remote *r, struct command_call *call);
void remote_close(struct remote *r);

/* Send one request; the object is freed. */
void remote_send(struct remote *r, cJSON *request);

/* The next object; NULL when the server closed the connection. */
cJSON *remote_receive(struct remote *r);

#endif
