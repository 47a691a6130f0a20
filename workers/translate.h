/* SPDX-License-Identifier: ISC
 *
 * translate - the one function that turns an inside reply into the outside one. Pure.
 */
#ifndef POSTERN_WORKERS_TRANSLATE_H
#define POSTERN_WORKERS_TRANSLATE_H

#include "workers/smtp/reply.h"

/* What inside's reply answers. */
enum answers {
    ANSWERS_CLIENT, /* the client's own MAIL, RCPT, DATA, dot, or its being let in: passes whole */
    ANSWERS_US      /* what Postern asked for itself (XCLIENT, RSET ..): a refusal is own trouble, 451 */
};

/* The class is kept; an enhanced code is made where inside gave none (RFC 2034), never for 3yz. */
struct reply translate(const struct reply *inside, enum answers answers);

#endif
