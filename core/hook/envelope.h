/* The envelope of one mail transaction (RFC 5321, 2.3.1): reverse-path, recipients, parameters.
 * Lives in the transaction's arena. */
#ifndef MOONPOST_HOOK_ENVELOPE_H
#define MOONPOST_HOOK_ENVELOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct envelope_recipient {
	struct slice address;             /* forward-path as the client gave it, no brackets */
	struct slice mailbox;             /* where it is stored: canonical mailbox name */
	bool         discard;             /* accepted and thrown away by policy */
};

struct envelope {
	struct slice sender;              /* reverse-path without brackets; empty: null reverse-path */
	uint64_t     size;                /* SIZE= of MAIL, or 0 */
	bool         body_8bit;           /* BODY=8BITMIME */
	bool         smtputf8;
	struct envelope_recipient *recipients;
	unsigned     recipient_count;     /* accepted RCPT commands may expand to several */
};

#endif
