/* SPDX-License-Identifier: ISC
 *
 * scripted_check - two checks that say what a test wants, beside all real ones, in place of workers/checks/table.
 *
 * policy { scripted { says = { "connect reject", "mail score=3 if=spam", "rcpt allow if=friend" } } }: a stage, then
 * defer, reject, drop, allow, score=N, delay=MS, rate=OCTETS, result=WORDS_WITH_THEIR_BLANKS_SO; with if=WORD only
 * where the name of HELO, the sender, or at RCPT the recipient has this word in it. `scripted_law` is the same and
 * holds for everyone.
 */
#ifndef POSTERN_TESTS_LIB_SCRIPTED_CHECK_H
#define POSTERN_TESTS_LIB_SCRIPTED_CHECK_H

#include <stdbool.h>

bool scripted_check_has_all(void); /* of workers/checks/table, in that order */

#endif
