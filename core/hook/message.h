/* The octets of one message on their way in: memory up to 64 KiB, then an unnamed file beside the
 * store (O_TMPFILE).  Facts that readers need later are counted while the octets pass: lines,
 * header octets, lines that begin with a dot, 8-bit octets, crc32c.
 *
 * Heap, one owner.  Octets are the true ones (CRLF line ends, not dot-stuffed). */
#ifndef MOONPOST_HOOK_MESSAGE_H
#define MOONPOST_HOOK_MESSAGE_H

#include "base/buf.h"

enum { MESSAGE_IN_MEMORY_MAX = 65280 };           /* 16 chunks of 4080 octets: see core/store */

enum message_flag {
	MESSAGE_DOT_LINES = 1 << 0,       /* a line begins with '.': RETR must stuff */
	MESSAGE_8BIT      = 1 << 1,       /* an octet above 127 */
	MESSAGE_IN_FILE   = 1 << 2,
	MESSAGE_OPEN_END  = 1 << 3,       /* the last octets are not CRLF (BDAT): RETR adds one */
};

struct message_header;
struct mime;

struct message {
	struct buf  memory;               /* the octets while fd < 0 */
	int         fd;                   /* the unnamed file, or -1 */
	const char *directory;            /* where a file would be made; borrowed */
	uint64_t    octets;
	uint64_t    lines;                /* CRLFs seen */
	uint64_t    header_octets;        /* up to and with the empty line; 0 while still in the header */
	uint32_t    flags;                /* enum message_flag */
	uint32_t    crc;                  /* crc32c of all octets so far */
	uint64_t    synced;               /* file: octets already handed to sync_file_range */
	unsigned char tail[4];            /* last octets seen, newest last */
	/* views: made when somebody looks, see message_header.h and mail/mime.h */
	struct message_header *header;    /* the header with what policy changed; or NULL */
	struct mime           *mime;      /* the parts, or NULL */
	uint64_t               mime_octets;   /* it has seen so many */
	bool                   mime_whole;    /* and there are no more */
	bool                   editable, utf8;    /* the header may be changed now, and hold UTF-8 */
};

/* directory: an existing directory on the store's file system, or NULL: never a file, TOOBIG
 * above MESSAGE_IN_MEMORY_MAX. */
struct message *message_new(const char *directory);
void message_free(struct message *m);             /* NULL is fine */

/* Append octets that end anywhere.  IO or NOSPACE (errno kept) when the file cannot be written;
 * the message is then useless. */
enum status message_append(struct message *m, struct slice octets);

/* Copy octets [offset, offset + *len) into out; *len becomes what was there.  IO. */
enum status message_read(const struct message *m, uint64_t offset, void *out, size_t *len);

/* crc32c (Castagnoli) of more octets; start with crc = 0.  By instruction where there is one. */
uint32_t crc32c(uint32_t crc, const void *octets, size_t len);
uint32_t crc32c_portable(uint32_t crc, const void *octets, size_t len);   /* by tables */

#endif
