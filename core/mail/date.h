/* Dates of RFC 5322, 3.3 ("Sat, 21 Nov 2026 20:15:09 +0000"). */
#ifndef MOONPOST_MAIL_DATE_H
#define MOONPOST_MAIL_DATE_H

#include "base/slice.h"

enum { DATE_SIZE = 32 };
void date_format(int64_t seconds, char out[DATE_SIZE]);               /* in UTC */
enum status date_parse(struct slice in, int64_t *seconds);            /* SYNTAX */

#endif
