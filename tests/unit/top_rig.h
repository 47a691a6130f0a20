/* SPDX-License-Identifier: ISC
 *
 * Answers from their text, as posternd would say them. */
#ifndef POSTERN_TESTS_TOP_RIG_H
#define POSTERN_TESTS_TOP_RIG_H

#include <string.h>

#include "daemon/ctl/answer.h"

static inline struct answer answer_of(const char *text)
{
    struct answer answer = {0};
    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1)
        assert_true(answer_add(&answer, slice_make(text, (size_t)(end - text))));
    return answer;
}

#endif
