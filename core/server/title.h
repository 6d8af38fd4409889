/* The name of a process as ps(1) and /proc show it: "moonpost: worker.2". */
#ifndef MOONPOST_SERVER_TITLE_H
#define MOONPOST_SERVER_TITLE_H

/* Once, first thing in main(): remember the memory of the arguments; the environment moves away
 * from behind them. */
void server_title_init(int argc, char **argv);

/* After that the words of argv are gone: what is needed of them was copied before. */
void server_title_set(const char *name);

#endif
