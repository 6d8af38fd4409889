/* Telling systemd how we are (sd_notify(3)), without its library. */
#ifndef MOONPOST_SERVER_NOTIFY_H
#define MOONPOST_SERVER_NOTIFY_H

/* "READY=1", "STOPPING=1"; nothing when no service manager asked for it. */
void server_notify(const char *state);

#endif
