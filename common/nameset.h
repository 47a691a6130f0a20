/* SPDX-License-Identifier: ISC
 *
 * nameset - a compiled set of names with a value behind each: host names and domains, .example.org for all that is
 * below one, whole addresses, local parts. No case. Of equal ones the one that was added first counts.
 *
 * Compiled it is one sealed region that is read-only for everybody (region_freeze): a table of hashes, and the names
 * behind it. A look is a hash and a comparison for each form that is tried; it takes no lock, no memory and no system
 * call. Whoever fills one may be out of memory; whoever asks cannot fail.
 */
#ifndef POSTERN_COMMON_NAMESET_H
#define POSTERN_COMMON_NAMESET_H

#include "common/slice.h"

#define NAMESET_NONE UINT32_MAX /* is no value */
enum { NAMESET_NAME_MAX = 1024 + 255 + 1 };

/* What was added so far: in plain memory. Zero: nothing. */
struct nameset_draft {
    char *octets;
    size_t used, room, count;
};

/* Zero: holds nothing. */
struct nameset {
    const void *memory;
    size_t size;
    const struct nameset_head *head;
};

bool nameset_add(struct nameset_draft *draft, struct slice name, uint32_t value); /* false: no memory, or too much */
/* Clears the draft, whatever comes of it. False with errno: *set_out is zero. */
bool nameset_compile(struct nameset_draft *draft, struct nameset *set_out);
void nameset_clear_draft(struct nameset_draft *draft);
void nameset_clear(struct nameset *set);

/* Each gives the value of the first form that is in the set, or NAMESET_NONE. */
uint32_t nameset_find(const struct nameset *set, struct slice name); /* as it stands */
/* mail.example.org, .example.org, .org. A dot at its end is none. */
uint32_t nameset_find_domain(const struct nameset *set, struct slice domain);
/* local@domain, then the domain as above, then local@. */
uint32_t nameset_find_address(const struct nameset *set, struct slice local, struct slice domain);

#endif
