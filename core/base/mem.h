/* Memory from the heap that cannot fail: a process without memory dies with a log line and is
 * replaced by the master.  Sizes that a peer chooses never come here directly; they go through
 * buf (base/buf.h), which has a ceiling. */
#ifndef MOONPOST_BASE_MEM_H
#define MOONPOST_BASE_MEM_H

#include <stddef.h>

#include "base/slice.h"

void *mem_alloc(size_t size);                     /* zeroed; free with free() */
void *mem_array(size_t count, size_t size);       /* zeroed; dies on overflow */
void *mem_resize(void *old, size_t size);         /* new bytes are not zeroed */
char *mem_strdup(const char *s);                  /* NULL gives NULL */
char *mem_slice_dup(struct slice s);              /* NUL-terminated copy */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Overwrite a secret so that no optimiser drops it. */
void mem_wipe(void *ptr, size_t size);

#define MEM_NEW(type)  ((type *)mem_alloc(sizeof(type)))
#define COUNT_OF(a)    (sizeof(a) / sizeof((a)[0]))

/* The structure that embeds *ptr as its field. */
#define CONTAINER_OF(ptr, type, field)  ((type *)(void *)((char *)(ptr) - offsetof(type, field)))

#endif
