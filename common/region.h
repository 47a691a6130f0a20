/* SPDX-License-Identifier: ISC
 *
 * region - a piece of shared memory: one memfd, sealed against resizing, with a second descriptor that only reads.
 *
 * Sealed, or a worker could truncate it and let the master die of SIGBUS. Whoever maps it through the read-only
 * descriptor cannot make it writable, whatever mprotect he tries. Left out of cores.
 *
 * What never changes once it is made is drafted, filled and frozen: from then on nobody can write to it, the master
 * neither, and whoever is forked shares its pages.
 */
#ifndef POSTERN_COMMON_REGION_H
#define POSTERN_COMMON_REGION_H

#include <stdbool.h>
#include <stddef.h>

struct region {
    int fd, readonly_fd; /* -1: closed */
    size_t size;
};

#define REGION_NONE                                                                                                    \
    (struct region)                                                                                                    \
    {                                                                                                                  \
        .fd = -1, .readonly_fd = -1                                                                                    \
    }

bool region_create(struct region *region, const char *name, size_t size); /* all zero; false with errno */
void *region_map(const struct region *region);                            /* NULL with errno */
void *region_map_readonly(const struct region *region);
void *region_map_part(const struct region *region, size_t offset, size_t size); /* writable */
void region_close(struct region *region); /* the descriptors; what is mapped stays */

/* Zeroed memory to fill; NULL with errno. Frozen, it is mapped anew for reading only, elsewhere, and no descriptor of
 * it is left: unmap it with region_thaw. NULL with errno: it is gone. */
void *region_draft(struct region *region, const char *name, size_t size);
const void *region_freeze(struct region *region, void *draft);
void region_thaw(const void *frozen, size_t size); /* NULL is fine */

enum { REGION_PAGE_BYTES = 4096, REGION_LOOK_MAX = 1024 };
/* Which of up to REGION_LOOK_MAX pages from `at` on are in memory: 1 or 0 for each. Nobody has ever written to the
 * others, and whoever reads them makes them. Where it cannot be told all are. */
void region_look(const void *at, size_t pages, unsigned char there_out[]);

#endif
