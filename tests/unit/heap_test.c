/* SPDX-License-Identifier: ISC
 *
 * What the master has free is in no child's way: what is asked for once the heap is filled lies behind all that there
 * was, and none of it is lost for good.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/heap.h"

enum { PIECES = 400, ASKED = 200, SIZE_MAX_ASKED = 9000 };

#if defined(__SANITIZE_ADDRESS__)
enum { OWN_MALLOC = 0 }; /* it is the sanitizer's, which goes by other rules */
#else
enum { OWN_MALLOC = 1 };
#endif

static size_t size_of(int i)
{
    return 16 + (size_t)(i * 7919 % SIZE_MAX_ASKED);
}

static void make_holes(void *pieces[PIECES])
{
    for (int i = 0; i < PIECES; i++)
        assert_non_null(pieces[i] = malloc(size_of(i)));
    for (int i = 0; i < PIECES; i += 2) {
        free(pieces[i]);
        pieces[i] = NULL;
    }
}

static void drop(void **pieces, int count)
{
    for (int i = 0; i < count; i++)
        free(pieces[i]);
}

static void what_is_asked_for_then_lies_behind(void **state)
{
    (void)state;
    void *pieces[PIECES], *asked[ASKED];
    make_holes(pieces);
    uintptr_t top = (uintptr_t)sbrk(0) - mallinfo2().keepcost;
    heap_fill();
    for (int i = 0; i < ASKED; i++) {
        assert_non_null(asked[i] = malloc(size_of(i)));
        assert_true((uintptr_t)asked[i] >= top || !OWN_MALLOC);
    }
    drop(asked, ASKED);
    drop(pieces, PIECES);
}

static void filled_again_it_takes_no_more(void **state)
{
    (void)state;
    void *pieces[PIECES];
    make_holes(pieces);
    heap_fill();
    size_t used = mallinfo2().uordblks;
    for (int i = 0; i < 1000; i++) {
        heap_empty();
        heap_fill();
    }
    assert_true(mallinfo2().uordblks <= used + used / 100);
    heap_empty();
    drop(pieces, PIECES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_for_then_lies_behind),
        cmocka_unit_test(filled_again_it_takes_no_more),
    };
    mallopt(M_MXFAST, 0); /* as daemon/main.c has it */
    mallopt(M_MMAP_THRESHOLD, 32768);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
