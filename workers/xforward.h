/* SPDX-License-Identifier: ISC
 *
 * xforward - of whom a message comes, for the log alone (Postfix's XFORWARD_README), in from a listed client, and on to
 * an inside server that offers it.
 *
 * Inside hears IDENT with every message, so that its log names our session (Postfix: orig_queue_id=); what a listed
 * client said of its own source goes in its place, and beside it. Nobody is judged by any of it. It dies with the
 * transaction.
 */
#ifndef POSTERN_WORKERS_XFORWARD_H
#define POSTERN_WORKERS_XFORWARD_H

#include "workers/session.h"

enum {
    XFORWARD_ATTRIBUTES = ATTRIBUTE_NAME | ATTRIBUTE_ADDR | ATTRIBUTE_PORT | ATTRIBUTE_PROTO | ATTRIBUTE_HELO |
                          ATTRIBUTE_IDENT | ATTRIBUTE_SOURCE
};

/* Who connected (or who its load balancer says) has the right for the whole session, whomever XCLIENT names later. */
void xforward_begin(struct session *s);
struct reply xforward_answer(struct session *s, const struct command *command);
/* Before MAIL goes inside. ASKED_LOST where inside does not answer it with yes: own trouble. */
enum asked xforward_say(struct session *s, struct reply *reply_out);
void xforward_forget(struct session *s); /* what the client said of a message that has ended */

#endif
