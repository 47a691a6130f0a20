/* SPDX-License-Identifier: ISC
 *
 * datetime - a moment as FUTURERELEASE writes it (RFC 4865 section 4, of RFC 3339): "2026-11-28T05:00:00Z", UTC alone,
 * a fraction of a second perhaps. Pure.
 */
#ifndef POSTERN_WORKERS_SMTP_DATETIME_H
#define POSTERN_WORKERS_SMTP_DATETIME_H

#include "common/buffer.h"

/* The whole slice, or false. Seconds since 1970, the fraction dropped; 1970 to 9999. */
bool datetime_parse(struct slice text, uint64_t *seconds_out);
/* False when it does not fit, or is after 9999. */
bool datetime_print(struct buffer *to, uint64_t seconds);

#endif
