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

/* `cut`: so many octets of what is said arrive at a time; 0: all at once. Once in a process. Returns when all was as
 * the script says; else report_fail ends the process. */
void play_run(const struct script *script, const char *directory, size_t cut, struct report *report);

#endif
