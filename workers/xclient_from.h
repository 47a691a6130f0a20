/* SPDX-License-Identifier: ISC
 *
 * xclient_from - XCLIENT from a listed client: another gate says who it is that it speaks for (Postfix's
 * XCLIENT_README).
 *
 * The session begins anew, at the banner, with the client that it names; TLS stays. Whether the right is there is asked
 * of who the client is now: with ADDR it is gone. What is not said of the new client is not known of it. PORT and
 * DESTPORT count beside their addresses; HELO and PROTO are checked and not kept, since the EHLO that has to follow
 * says both.
 */
#ifndef POSTERN_WORKERS_XCLIENT_FROM_H
#define POSTERN_WORKERS_XCLIENT_FROM_H

#include "workers/session.h"

enum {
    XCLIENT_FROM_ATTRIBUTES = ATTRIBUTE_NAME | ATTRIBUTE_ADDR | ATTRIBUTE_PORT | ATTRIBUTE_PROTO | ATTRIBUTE_HELO |
                              ATTRIBUTE_LOGIN | ATTRIBUTE_DESTADDR | ATTRIBUTE_DESTPORT | ATTRIBUTE_REVERSE_NAME
};

bool xclient_from_may(const struct session *s);
/* 220, a refusal of the new client, or the reply to a fault. */
struct reply xclient_from_answer(struct session *s, const struct command *command);

#endif
