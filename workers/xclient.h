/* SPDX-License-Identifier: ISC
 *
 * xclient - the line that tells inside who the client is (Postfix's XCLIENT_README). Pure.
 *
 * One line, never pipelined, with every attribute that inside offers and that something is known of; values are xtext.
 * NAME goes with ADDR always, as [TEMPUNAVAIL] while no forward-confirmed name is known: without it Postfix keeps the
 * proxy's own name. Where the line would be too long, what inside can do without is left out from its end.
 */
#ifndef POSTERN_WORKERS_XCLIENT_H
#define POSTERN_WORKERS_XCLIENT_H

#include "workers/inside.h"

enum { XCLIENT_LINE_MAX = 512 };

/* With CRLF. `attributes`: what inside offers. False: it does not offer ADDR, or what must be said does not fit. */
bool xclient_print(struct buffer *to, uint32_t attributes, const struct inside_client *who);

#endif
