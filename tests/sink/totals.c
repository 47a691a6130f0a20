/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>

#include "tests/sink/totals.h"

void totals_enter(struct totals *t)
{
    uint64_t open = atomic_fetch_add(&t->open, 1) + 1, peak = t->peak;
    while (open > peak && !atomic_compare_exchange_weak(&t->peak, &peak, open))
        ;
}

void totals_leave(struct totals *t)
{
    atomic_fetch_sub(&t->open, 1);
}

static void say_marked(const struct totals *t, const struct options *options)
{
    for (int i = 0; i < options->mark_count; i++)
        printf(" %s=%" PRIu64, options->marks[i], t->marked[i]);
}

void totals_say(struct totals *t, const struct options *options)
{
    printf("connections=%" PRIu64 " commands=%" PRIu64 " refused=%" PRIu64 " recipients=%" PRIu64 " messages=%" PRIu64
           " unfinished=%" PRIu64 " violations=%" PRIu64 " octets=%" PRIu64 " open=%" PRIu64 " peak=%" PRIu64,
           t->connections, t->commands, t->refused, t->recipients, t->messages, t->unfinished, t->violations, t->octets,
           t->open, t->peak);
    say_marked(t, options);
    printf("\n");
    fflush(stdout);
    t->peak = t->open;
}
