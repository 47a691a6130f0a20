/* SPDX-License-Identifier: ISC
 *
 * law - how a fuzz target says that something is not as it must be: one line that begins with VIOLATION, then abort(),
 * so that the input is kept. And the few questions about octets that several targets ask, answered without Postern's
 * own code.
 */
#ifndef POSTERN_TESTS_FUZZ_LAW_H
#define POSTERN_TESTS_FUZZ_LAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"

void law_broken(const char *file, int line, const char *format, ...) __attribute__((noreturn, format(printf, 3, 4)));
/* What holds costs no formatting. */
#define law(holds, ...)                                                                                                \
    do {                                                                                                               \
        if (!(holds))                                                                                                  \
            law_broken(__FILE__, __LINE__, __VA_ARGS__);                                                               \
    } while (0)
/* Called by law_broken before it ends: prints the story so far. */
extern void (*law_story)(void);

/* Takes up to `size` octets off the front. */
struct slice law_take(struct slice *rest, size_t size);
unsigned char law_take_octet(struct slice *rest); /* 0 at the end */
/* No CR, LF, NUL, other control character or DEL. */
bool law_is_clean(struct slice octets);
bool law_same(struct slice a, struct slice b);
struct slice law_copy(struct slice octets); /* in memory of its own, exactly so long: a step too far is seen */
void law_free(struct slice copied);

#endif
