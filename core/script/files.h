/* Blocking file operations for mail.file, run on the thread pool: plain bytes, no Lua. */
#ifndef MOONPOST_SCRIPT_FILES_H
#define MOONPOST_SCRIPT_FILES_H

#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"

/* A piece of what is written: octets, or a descriptor that is read from its beginning. */
struct files_piece {
	char  *octets;
	size_t len;
	int    fd;                        /* or -1 */
	bool   mbox;                      /* line ends become LF, "From " is quoted (mboxrd) */
};

struct files_request {
	char    *path, *other;            /* other: the new name */
	char   **paths;                   /* remove: many; NULL-terminated */
	uint64_t offset, max;
	bool     exclusive, append, sync;
	bool     crlf;                    /* read, stat: line ends become CRLF */
	struct files_piece *pieces;
	unsigned piece_count;
	/* the result */
	int         error;                /* errno, or 0 */
	const char *failed;               /* the path it failed for, when not `path` */
	struct buf  out;                  /* read: octets; list: names, each with its NUL */
	struct stat stat;
	char        last;                 /* octet before, while line ends are converted */
	uint64_t    crlf_octets;          /* stat with crlf: the size with CRLF line ends */
	int         fd;                   /* lock: held while open */
};

void files_read(struct files_request *r);
void files_stat(struct files_request *r);
void files_list(struct files_request *r);
void files_write(struct files_request *r);       /* a failed write leaves no file behind */
void files_rename(struct files_request *r);
void files_remove(struct files_request *r);
void files_mkdir(struct files_request *r);       /* with its parents; there already is fine */
void files_sync(struct files_request *r);        /* a directory's entries */
void files_lock(struct files_request *r);        /* EWOULDBLOCK: somebody has it */

void files_clear(struct files_request *r);

#endif
