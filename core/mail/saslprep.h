/* SASLprep (RFC 4013): one spelling for user names and passwords of SCRAM.  The tables and NFKC
 * are libidn's; ASCII, which is nearly everything, never gets there. */
#ifndef MOONPOST_MAIL_SASLPREP_H
#define MOONPOST_MAIL_SASLPREP_H

#include "base/buf.h"

/* Append the prepared form of in.  SYNTAX: not UTF-8, a prohibited character (controls, private
 * use ...), mixed directions, or nothing left.  TOOBIG: more than 4 KiB. */
enum status saslprep(struct slice in, struct buf *out);

#endif
