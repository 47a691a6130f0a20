/* SPDX-License-Identifier: ISC
 *
 * expect - does what was heard match what the talk expects? Pure, and written without any of the proxy's own grammar:
 * a parser's bug must not hide itself.
 */
#ifndef POSTERN_TESTS_TALK_EXPECT_H
#define POSTERN_TESTS_TALK_EXPECT_H

#include "tests/talk/script.h"

/* The octets of the first whole line with its LF, of the first whole reply, of the first header field with the lines
 * folded to it (the line behind must be there to know); 0 when it is not whole yet. */
size_t expect_line_size(struct slice heard);
size_t expect_reply_size(struct slice heard);
size_t expect_field_size(struct slice heard);

bool expect_reply(const struct step *step, struct slice reply);
bool expect_line(const struct step *step, struct slice line);
bool expect_field(const struct step *step, struct slice field);
/* Does `line` hold each word of `words` as a whole word? A word may begin and end with '*'; one with blanks is put in
 * quotes. */
bool expect_words(struct slice words, struct slice line);

#endif
