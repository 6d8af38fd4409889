/* The spellings of an internationalized domain name (RFC 5890): "пример.test" and
 * "xn--e1afmkfd.test" are one name. */
#ifndef MOONPOST_MAIL_IDNA_H
#define MOONPOST_MAIL_IDNA_H

#include "base/arena.h"
#include "base/status.h"

struct idna_spellings {
	struct slice ascii;           /* A-labels, in lower case */
	struct slice unicode;         /* U-labels, in lower case */
};

/* NOTFOUND: a name with one spelling alone, plain ASCII; SYNTAX: no name of IDNA. */
enum status idna_spell(struct slice domain, struct arena *a, struct idna_spellings *out);

#endif
