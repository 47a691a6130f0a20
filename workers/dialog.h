/* SPDX-License-Identifier: ISC
 *
 * dialog - the conversation with the outside as one table: verb, phases, answer, next phase.
 *
 * Unknown and misplaced commands are rows too. A row's answer is a reply of ours, or a function that finds one. Every
 * command gets exactly one reply (L9); malformed and misplaced ones count towards max_errors.
 */
#ifndef POSTERN_WORKERS_DIALOG_H
#define POSTERN_WORKERS_DIALOG_H

#include "workers/session.h"

/* Reads one command and answers it. */
void dialog_step(struct session *s);

#endif
