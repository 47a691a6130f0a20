/* SPDX-License-Identifier: ISC
 *
 * setting - what stands before a talk's first step: options, the policy, the client, what DNS says.
 */
#ifndef POSTERN_TESTS_TALK_SETTING_H
#define POSTERN_TESTS_TALK_SETTING_H

#include "tests/talk/script.h"

/* A line by its first word. NULL, or what is wrong with it: "not understood" for a word that is none of these. */
const char *setting_take(struct script *script, struct slice word, struct slice rest);
void setting_free(struct script *script);

#endif
