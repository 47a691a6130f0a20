/* SPDX-License-Identifier: ISC
 *
 * sasl - what Postern has to know of SASL to carry AUTH (RFC 4954): its mechanisms, base64, and whose login it is.
 * Pure.
 *
 * Only mechanisms of the table exist (L4). Not in it: EXTERNAL and *-PLUS, which vouch for the TLS that ends at the
 * gate, and ANONYMOUS, which vouches for nobody. What was decoded to find a login is wiped before the call returns.
 */
#ifndef POSTERN_WORKERS_SMTP_SASL_H
#define POSTERN_WORKERS_SMTP_SASL_H

#include "common/keyword.h"
#include "common/slice.h"

enum { SASL_LOGIN_MAX = 255 };

uint32_t sasl_mechanism(struct slice name); /* its bit (enum keyword), no case; 0: not one of ours */
const char *sasl_name(uint32_t mechanism);

/* RFC 4648 section 4: the alphabet, padded to fours at the end, and not an octet else. The empty text is. */
bool sasl_is_base64(struct slice text);

/* From the first thing that a client says in this mechanism, as it was sent: base64, or "=" or "" for nothing. "" where
 * there is no login in it, or one that is too long, not UTF-8, or not printable. */
void sasl_login(uint32_t mechanism, struct slice said, char login_out[SASL_LOGIN_MAX + 1]);

#endif
