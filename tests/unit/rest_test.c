/* SPDX-License-Identifier: ISC
 *
 * Who waits for long gives back memory: when that is, and that nothing is lost by it.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/wait.h"
#include "tests/lib/fake_clock.h"
#include "workers/rest.h"

enum { DEPTH_BYTES = 65536, PAGE_BYTES = 4096 };

static struct rests {
    int64_t at_ms[4];
    int count;
    int good_from; /* before that it says: not now */
} rests;

static bool count_rest(void *context)
{
    struct rests *r = context;
    assert_true(r->count < 4);
    r->at_ms[r->count++] = clock_ms();
    return r->count > r->good_from;
}

static int begin(void **state)
{
    (void)state;
    rests = (struct rests){0};
    return 0;
}

static struct wait resting(void)
{
    return (struct wait){.rest = count_rest, .rest_context = &rests};
}

static void once_in_a_long_wait(void **state)
{
    (void)state;
    struct wait wait = resting();
    int ends[2];
    int64_t began_ms = clock_ms();
    assert_int_equal(wait_for(&wait, -1, 0, clock_deadline(60000)), IO_LATE);
    assert_int_equal(clock_ms() - began_ms, 60000);
    assert_int_equal(rests.count, 1);
    assert_int_equal(rests.at_ms[0] - began_ms, WAIT_LONG_MS);
    assert_int_equal(wait_for(&wait, -1, 0, clock_deadline(60000)), IO_LATE);
    assert_int_equal(rests.count, 1); /* nothing came meanwhile */
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(wait_for(&wait, ends[1], POLLOUT, clock_deadline(60000)), IO_OK);
    assert_int_equal(wait_for(&wait, -1, 0, clock_deadline(60000)), IO_LATE);
    assert_int_equal(rests.count, 2);
    close(ends[0]);
    close(ends[1]);
}

static void not_in_a_short_one(void **state)
{
    (void)state;
    struct wait wait = resting();
    for (int i = 0; i < 5; i++)
        assert_int_equal(wait_for(&wait, -1, 0, clock_deadline(WAIT_LONG_MS)), IO_LATE);
    assert_int_equal(rests.count, 0);
}

static void again_where_it_could_not(void **state)
{
    (void)state;
    struct wait wait = resting();
    int64_t began_ms = clock_ms();
    rests.good_from = 2;
    assert_int_equal(wait_for(&wait, -1, 0, clock_deadline(60000)), IO_LATE);
    assert_int_equal(rests.count, 3);
    assert_int_equal(rests.at_ms[2] - began_ms, 3 * WAIT_LONG_MS);
}

/* -- the stack: the real one, where a sanitizer would have another for locals -- */

#define ON_THE_STACK __attribute__((noinline, no_sanitize_address))

static ON_THE_STACK void go_deep(void)
{
    volatile char deep[DEPTH_BYTES];
    for (size_t i = 0; i < sizeof(deep); i += PAGE_BYTES / 4)
        deep[i] = 1;
}

/* Of `count` pages, how many are there, from the `from`th below `at` on. */
static int pages_below(const void *at, int from, int count)
{
    unsigned char there[DEPTH_BYTES / PAGE_BYTES];
    uintptr_t end = ((uintptr_t)at & ~(uintptr_t)(PAGE_BYTES - 1)) - (uintptr_t)from * PAGE_BYTES;
    assert_int_equal(mincore((void *)(end - (size_t)count * PAGE_BYTES), (size_t)count * PAGE_BYTES, there), 0);
    int found = 0;
    for (int i = 0; i < count; i++)
        found += there[i] & 1;
    return found;
}

static ON_THE_STACK void what_was_deeper_on_the_stack_goes_and_the_rest_stays(void **state)
{
    (void)state;
    enum { DEEP = DEPTH_BYTES / PAGE_BYTES - 4, OWN = 4 };
    char kept[256];
    memset(kept, 'k', sizeof(kept));
    go_deep();
    assert_int_equal(pages_below(kept, OWN, DEEP - OWN), DEEP - OWN);
    assert_true(rest(NULL));
    assert_int_equal(pages_below(kept, OWN, DEEP - OWN), 0);
    for (size_t i = 0; i < sizeof(kept); i++)
        assert_int_equal(kept[i], 'k');
    go_deep();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(once_in_a_long_wait, begin),
        cmocka_unit_test_setup(not_in_a_short_one, begin),
        cmocka_unit_test_setup(again_where_it_could_not, begin),
        cmocka_unit_test(what_was_deeper_on_the_stack_goes_and_the_rest_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
