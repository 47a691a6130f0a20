/* SPDX-License-Identifier: ISC
 *
 * xclient - the attributes of Postfix's XCLIENT command (Postfix's XCLIENT_README), checked and not acted upon.
 *
 * NULL when all is well, else the reply that refuses the command. `address_out`: ADDR was among them; Postfix then
 * takes the right to XCLIENT away, because the new address does not have it.
 */
#ifndef SINK_XCLIENT_H
#define SINK_XCLIENT_H

#include "tests/sink/grammar.h"

#define XCLIENT_KEYWORD "XCLIENT NAME ADDR PROTO HELO PORT LOGIN DESTADDR DESTPORT"

const char *xclient_check(struct text *t, bool *address_out);

#endif
