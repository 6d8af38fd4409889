/* Random octets from the kernel; fit for keys, nonces and ids. */
#ifndef MOONPOST_BASE_RANDOM_H
#define MOONPOST_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void     random_bytes(void *out, size_t len);      /* dies if the kernel refuses */
uint64_t random_u64(void);

/* len characters of 0-9 a-z without vowels (about 4.9 bits each) and a NUL: out has len + 1. */
void random_id(char *out, size_t len);

#endif
