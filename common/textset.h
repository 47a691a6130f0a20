/* SPDX-License-Identifier: ISC
 *
 * textset - short texts that belong to some of many numbers, compiled into one sealed region that is read-only for
 * everybody (region_freeze).
 *
 * They are added in the order of their numbers, each number once. Whoever fills one may be out of memory; whoever asks
 * cannot fail.
 */
#ifndef POSTERN_COMMON_TEXTSET_H
#define POSTERN_COMMON_TEXTSET_H

#include "common/slice.h"

/* What was added so far: in plain memory. Zero: nothing. */
struct textset_draft {
    struct textset_row *rows;
    size_t count, room;
    char *octets;
    size_t used, octets_room;
};

/* Zero: holds nothing. */
struct textset {
    const void *memory;
    size_t size, count;
};

bool textset_add(struct textset_draft *draft, uint32_t number, struct slice text); /* false: no memory, or too much */
/* Clears the draft, whatever comes of it. False with errno: *set_out is zero. */
bool textset_compile(struct textset_draft *draft, struct textset *set_out);
void textset_clear_draft(struct textset_draft *draft);
void textset_clear(struct textset *set);

const char *textset_find(const struct textset *set, uint32_t number); /* NULL: none */

#endif
