/* SPDX-License-Identifier: ISC
 *
 * report - the log lines of a session: key=value, one for each transaction and one for the session.
 */
#ifndef POSTERN_WORKERS_REPORT_H
#define POSTERN_WORKERS_REPORT_H

#include "workers/session.h"

void report_transaction(const struct session *s);
/* A command that was malformed or misplaced. What stood in it is told of the envelope alone: anything else may be a
 * secret that went to the wrong place. */
void report_fault(const struct session *s, const struct command *command);
/* Who told of the client (s->proxy) is at fault, and mail does not pass for it. */
void report_gate(const struct session *s, const char *alarm);
void report_session(const struct session *s);
/* The inside server's queue id in its answer to the dot: Postfix "queued as ID", Sendmail "ID Message accepted", Exim
 * "id=ID", OpenSMTPD "ID Message accepted"; empty when none is found. Pure. */
struct slice report_queue_id(struct slice text);

#endif
