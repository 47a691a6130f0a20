/* SPDX-License-Identifier: ISC
 *
 * xtext - the encoding of RFC 3461 section 4: "+HH" for what may not stand in a parameter. Pure.
 */
#ifndef POSTERN_WORKERS_SMTP_XTEXT_H
#define POSTERN_WORKERS_SMTP_XTEXT_H

#include "common/buffer.h"

bool xtext_print(struct buffer *to, struct slice octets); /* encodes '+', '=', and all outside 33..126 */
/* Well-formed, and what it stands for holds no control character. 8-bit octets only where allowed (RFC 6533). */
bool xtext_is_valid(struct slice text, bool allow_8bit);
bool xtext_decode(struct buffer *to, struct slice text);

#endif
