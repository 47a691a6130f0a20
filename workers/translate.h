/* SPDX-License-Identifier: ISC
 *
 * translate - the one function that turns an inside reply into the outside one. Pure.
 *
 * It is for replies to what the client asked itself: its MAIL, RCPT, DATA, dot, or its being let in after it was passed
 * on. What inside refuses to Postern (connect, XCLIENT, RSET) never comes here: that is own trouble, inside.h.
 */
#ifndef POSTERN_WORKERS_TRANSLATE_H
#define POSTERN_WORKERS_TRANSLATE_H

#include "workers/smtp/reply.h"

/* Code and text are kept; an enhanced code is made where inside gave none (RFC 2034), never for 3yz. */
struct reply translate(const struct reply *inside);

#endif
