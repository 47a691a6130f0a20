/* SPDX-License-Identifier: ISC
 *
 * results_oracle - which fields of a message's header do not go inside since they claim to be our results, answered
 * from the definition, by one who sees everything at once.
 */
#ifndef POSTERN_TESTS_RESULTS_ORACLE_H
#define POSTERN_TESTS_RESULTS_ORACLE_H

#include "common/slice.h"

struct results_answer {
    char *text; /* what goes inside: the asker's memory, as much as the message */
    size_t size;
    uint64_t removed;
};

/* `message`: as it would go inside, without the final dot; `id` in small letters. */
void results_oracle_ask(struct slice message, const char *id, struct results_answer *out);

#endif
