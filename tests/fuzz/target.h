/* SPDX-License-Identifier: ISC
 *
 * target - what every fuzz target of a pure unit begins with: libFuzzer's call, with the input in memory of its own.
 */
#ifndef POSTERN_TESTS_FUZZ_TARGET_H
#define POSTERN_TESTS_FUZZ_TARGET_H

#include "tests/fuzz/law.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* FUZZ { .. } with `input` */
#define FUZZ                                                                                                           \
    static void fuzz_one(struct slice input);                                                                          \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)                                                       \
    {                                                                                                                  \
        struct slice copy = law_copy(slice_make((const char *)data, size));                                            \
        fuzz_one(copy);                                                                                                \
        law_free(copy);                                                                                                \
        return 0;                                                                                                      \
    }                                                                                                                  \
    static void fuzz_one(struct slice input)

#endif
