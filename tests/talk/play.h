/* SPDX-License-Identifier: ISC
 *
 * play - a script's steps against the subject, in this process, with the fake clock.
 *
 * The subject runs until it would have to wait; then the clock asks for the next step, and so on to the end of both.
 */
#ifndef POSTERN_TESTS_TALK_PLAY_H
#define POSTERN_TESTS_TALK_PLAY_H

#include "tests/talk/report.h"
#include "tests/talk/script.h"

/* Once in a process. Returns when all was as the script says; else report_fail ends the process. */
void play_run(const struct script *script, const char *directory, struct report *report);

#endif
