/* SPDX-License-Identifier: ISC */
#include "common/seats.h"

/* Not one atomic load after another: compilers make no vectors of those, and it takes four times as long. A word that
 * is aligned is read whole by a vector's load as well; volatile, so that it is read once. */
enum { FOUR = 4 };
typedef uint32_t four __attribute__((vector_size(FOUR * sizeof(uint32_t)), may_alias));

_Static_assert(sizeof(_Atomic uint32_t) == sizeof(uint32_t), "a seat is a word");

static int is_at(const _Atomic uint32_t *seat, uint32_t whom)
{
    return atomic_load_explicit(seat, memory_order_relaxed) == whom;
}

int seats_count(const _Atomic uint32_t *seats, int count, uint32_t whom)
{
    four wanted = {whom, whom, whom, whom}, hits = {0};
    int i = 0, found = 0;
    for (; i < count && (uintptr_t)&seats[i] % sizeof(four) != 0; i++)
        found += is_at(&seats[i], whom);
    for (; i + FOUR <= count; i += FOUR)
        hits -= (four)(*(const volatile four *)(const void *)&seats[i] == wanted); /* a lane that fits is -1 */
    for (; i < count; i++)
        found += is_at(&seats[i], whom);
    return found + (int)(hits[0] + hits[1] + hits[2] + hits[3]);
}
