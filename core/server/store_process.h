/* What a store process needs around it, for the master and for commands that work while no server
 * runs: directory, environment, listening socket. */
#ifndef MOONPOST_SERVER_STORE_PROCESS_H
#define MOONPOST_SERVER_STORE_PROCESS_H

#include "script/config.h"
#include "server/privilege.h"

/* Somebody serves the store's socket. */
bool server_store_process_alive(const struct store_settings *s);

/* Make directory and environment as the user who will own them, and the listening socket.
 * The descriptor, or -1 with error set (heap, the caller frees); a store that is served by
 * somebody else is an error too. */
int server_store_process_open(const struct config *c, const struct privilege *p, char **error);

/* Close and unlink the socket. */
void server_store_process_close(const struct store_settings *s, int fd);

/* mkdir -p; false with error set, which names the configuration key. */
bool server_store_process_directory(const char *path, mode_t mode, const char *key, char **error);

#endif
