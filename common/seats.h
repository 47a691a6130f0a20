/* SPDX-License-Identifier: ISC
 *
 * seats - how many are here already: concurrency is never counted up and down, but looked at.
 *
 * A seat is a word of shared memory that says whom its slot serves just now. Who wants to know how many serve the same
 * one enters himself first and then scans all seats; so nothing needs repair when a worker dies.
 */
#ifndef POSTERN_COMMON_SEATS_H
#define POSTERN_COMMON_SEATS_H

#include <stdatomic.h>
#include <stdint.h>

/* Each of them is read once. */
int seats_count(const _Atomic uint32_t *seats, int count, uint32_t whom);

#endif
