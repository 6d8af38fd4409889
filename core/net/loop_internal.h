/* What the files of core/net share about the loop. */
#ifndef MOONPOST_NET_LOOP_INTERNAL_H
#define MOONPOST_NET_LOOP_INTERNAL_H

#include <stddef.h>

#include "net/loop.h"

struct loop;
struct wheel;

struct wheel *loop_wheel(struct loop *l);

/* A slot of the wheel comes up at that time: do not sleep longer. */
void loop_alarm(struct loop *l, uint64_t at_ms);

/* The block that streams read into, one for all of the loop (net/stream.c); the loop frees it. */
struct loop_block { char *data; size_t cap; };
struct loop_block *loop_block(struct loop *l);

/* Changes in loop_after_fork: what was made under another number belongs to the parent. */
unsigned loop_generation(const struct loop *l);

#endif
