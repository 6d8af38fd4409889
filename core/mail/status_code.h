/* Enhanced status codes (RFC 3463, 2). */
#ifndef MOONPOST_MAIL_STATUS_CODE_H
#define MOONPOST_MAIL_STATUS_CODE_H

#include "base/slice.h"

/* "5.7.1": class 2, 4 or 5; subject and detail of one to three digits. */
bool status_code_valid(struct slice s);

#endif
