/* SPDX-License-Identifier: ISC
 *
 * command - the commands of RFC 5321 section 4.1.1 and XCLIENT: one table, one answer each.
 *
 * command_answer moves the session's phase and returns the reply, several lines with '\n' between them. *violation_out
 * is set when the client went on behind a command whose reply it must wait for (RFC 2920 section 3.1).
 */
#ifndef SINK_COMMAND_H
#define SINK_COMMAND_H

#include "tests/sink/grammar.h"

struct session;

const char *command_answer(struct session *s, struct text line, const char **violation_out);

#endif
