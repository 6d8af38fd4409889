/* How often each message is referred to: a table of numbers for `store check`, 16 octets a
 * message. */
#ifndef MOONPOST_STORE_REFS_H
#define MOONPOST_STORE_REFS_H

#include <stddef.h>
#include <stdint.h>

struct refs_entry { uint64_t msgid; uint32_t count; };    /* count 0: free */
struct refs { struct refs_entry *entries; size_t size, used; };

void     refs_init(struct refs *r);
void     refs_clear(struct refs *r);
void     refs_add(struct refs *r, uint64_t msgid);
uint32_t refs_count(const struct refs *r, uint64_t msgid);

#endif
