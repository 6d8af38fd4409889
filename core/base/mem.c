/* Heap allocation that dies instead of failing. */
#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

enum { SMALL = 1024 };

static void *checked(void *ptr, size_t size)
{
	if (!ptr)
		die("out of memory: %zu bytes were asked for", size);
	return ptr;
}

void *mem_alloc(size_t size)
{
	/* glibc before 2.41 gives small blocks that were freed just now to malloc, never to calloc. */
	if (size <= SMALL)
		return memset(checked(malloc(size ? size : 1), size), 0, size);
	return checked(calloc(1, size), size);
}

void *mem_array(size_t count, size_t size)
{
	return checked(calloc(count ? count : 1, size ? size : 1), count * size);
}

void *mem_resize(void *old, size_t size)
{
	return checked(realloc(old, size ? size : 1), size);
}

char *mem_strdup(const char *s)
{
	return s ? mem_slice_dup(slice_from(s)) : NULL;
}

char *mem_slice_dup(struct slice s)
{
	char *copy = mem_alloc(s.len + 1);

	if (s.len)
		memcpy(copy, s.ptr, s.len);
	return copy;
}

char *mem_printf(const char *fmt, ...)
{
	va_list ap;
	char *out = NULL;

	va_start(ap, fmt);
	int n = vasprintf(&out, fmt, ap);
	va_end(ap);
	if (n < 0)
		die("out of memory while formatting \"%s\"", fmt);
	return out;
}

void mem_wipe(void *ptr, size_t size)
{
	if (ptr && size)
		explicit_bzero(ptr, size);
}
