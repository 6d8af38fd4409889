/* Paths and mailboxes of RFC 5321, 4.1.2, with the UTF-8 of RFC 6531. */
#ifndef MOONPOST_MAIL_ADDRESS_H
#define MOONPOST_MAIL_ADDRESS_H

#include "base/arena.h"

enum { ADDRESS_LOCALPART_MAX = 64, ADDRESS_DOMAIN_MAX = 255, ADDRESS_PATH_MAX = 256 };

struct address_parts {
	struct slice whole;               /* local part as given "@" domain; no brackets, no source route */
	struct slice localpart;           /* as given, quotes and all */
	struct slice plain;               /* local part without quotes and backslashes */
	struct slice domain;              /* lower case; a literal keeps its brackets; "": postmaster */
	bool         utf8;                /* has an octet above 127: needs SMTPUTF8 */
	bool         literal;
};

enum address_flag {
	ADDRESS_EMPTY_OK   = 1,           /* "<>": OK with everything empty */
	ADDRESS_NO_DOMAIN_OK = 2,         /* "<postmaster>" (RFC 5321, 4.1.1.3) */
	ADDRESS_UTF8       = 4,
};

/* "<" [source route ":"] mailbox ">" off the front of *in; *in starts behind ">".
 * Slices live in the arena or in *in's memory.  SYNTAX, TOOBIG (a length limit of 4.5.3.1). */
enum status address_parse_path(struct slice *in, unsigned flags, struct arena *a,
                               struct address_parts *out);

/* The same without brackets: "local@domain", whole slice. */
enum status address_parse_mailbox(struct slice in, unsigned flags, struct arena *a,
                                  struct address_parts *out);

/* Domain of HELO/EHLO: a domain name or an address literal.  SYNTAX. */
enum status address_check_domain(struct slice in, bool utf8);

/* Canonical mailbox name: plain local part in lower case (ASCII) "@" domain; in the arena. */
struct slice address_canonical(const struct address_parts *p, struct arena *a);

/* Split "user+detail" at the first delimiter (0: never). */
void address_split_detail(struct slice plain, char delimiter, struct slice *user, struct slice *detail);

#endif
