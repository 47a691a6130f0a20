/* SPDX-License-Identifier: ISC
 *
 * xclient - the line that tells Postfix who the client is (Postfix XCLIENT_README). Pure.
 *
 * One line, never pipelined, only attributes that inside offers; values are xtext. NAME goes with ADDR always, as
 * [TEMPUNAVAIL] while no forward-confirmed name is known: without it Postfix keeps the proxy's own name. HELO and PROTO
 * are left out, since the EHLO that follows sets both.
 */
#ifndef POSTERN_WORKERS_XCLIENT_H
#define POSTERN_WORKERS_XCLIENT_H

#include "common/buffer.h"
#include "common/net.h"

enum { XCLIENT_LINE_MAX = 512 };

/* With CRLF. `login`: NULL or "" where none is known. False: inside does not offer ADDR, or the line is too long. */
bool xclient_print(struct buffer *to, uint32_t attributes, const struct endpoint *client, const struct endpoint *local,
                   const char *login);

#endif
