/* SPDX-License-Identifier: ISC
 *
 * play_tls - the steps that begin, end and spoil TLS.
 */
#ifndef POSTERN_TESTS_TALK_PLAY_TLS_H
#define POSTERN_TESTS_TALK_PLAY_TLS_H

#include "tests/talk/sides.h"

/* `end` is who the step is about. False: not done yet, the session goes on first; then it comes again, with `again`. */
bool play_tls(const struct step *step, struct end *end, struct sides *sides, bool again);

#endif
