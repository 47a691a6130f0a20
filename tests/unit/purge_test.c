/* SPDX-License-Identifier: ISC
 *
 * purge: what is over goes, and nothing else while there is room; when room is short the oldest go, those that never
 * came back before the others; a shelf that is written to without end stays usable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "workers/storekeeper/purge.h"

enum { NOW = 1700000000, BATCH = 500, SMALL_MAX = 3 << 20, BYTES_MAX = 16 << 20, ROUNDS_MAX = 100 };

/* LMDB's: what the machine would lose is no matter here, and a disk that others use is slow. */
int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

struct rig {
    char directory[64];
    struct shelf *shelf;
    struct purge *purge;
    struct purge_done sum;
};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    snprintf(rig->directory, sizeof(rig->directory), "/tmp/postern-purge-XXXXXX");
    assert_non_null(mkdtemp(rig->directory));
    rig->purge = purge_new();
    *state = rig;
    return rig->purge != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    char path[128];
    purge_free(&rig->purge);
    shelf_close(&rig->shelf);
    snprintf(path, sizeof(path), "%s/memory.mdb", rig->directory);
    unlink(path);
    snprintf(path, sizeof(path), "%s/memory.mdb-lock", rig->directory);
    unlink(path);
    int left = rmdir(rig->directory);
    free(rig);
    return left;
}

static void open_it(struct rig *rig, uint64_t bytes_max)
{
    assert_int_equal(shelf_open(&rig->shelf, rig->directory, bytes_max, NULL), SHELF_DONE);
}

typedef struct store_record making(int number);

static enum shelf_result put(struct rig *rig, const char *prefix, int from, int count, making *make)
{
    struct shelf_change changes[BATCH];
    struct store_record records[BATCH];
    char names[BATCH][48];
    assert_true(count <= BATCH);
    for (int i = 0; i < count; i++) {
        int size = snprintf(names[i], sizeof(names[i]), "%s%07d.example", prefix, from + i);
        records[i] = make(from + i);
        changes[i] = (struct shelf_change){slice_make(names[i], (size_t)size), &records[i]};
    }
    return shelf_write(rig->shelf, changes, (size_t)count, NULL);
}

static bool is_there(struct rig *rig, const char *prefix, int number)
{
    char name[48];
    struct store_record record;
    int size = snprintf(name, sizeof(name), "%s%07d.example", prefix, number);
    return shelf_find(rig->shelf, slice_make(name, (size_t)size), &record) == SHELF_DONE;
}

static int count(struct rig *rig, const char *prefix, int from, int to)
{
    int found = 0;
    for (int i = from; i < to; i++)
        found += is_there(rig, prefix, i);
    return found;
}

static void slice(struct rig *rig, unsigned pressure)
{
    struct purge_done done;
    const char *why = "";
    enum shelf_result result = purge_slice(rig->purge, rig->shelf, NOW, pressure, &done, &why);
    if (result != SHELF_DONE)
        fail_msg("%d: %s", result, why);
    assert_true(done.looked <= PURGE_LOOKS_MAX);
    assert_true(done.over + done.evicted <= PURGE_DELETES_MAX);
    rig->sum.looked += done.looked;
    rig->sum.over += done.over;
    rig->sum.evicted += done.evicted;
    rig->sum.youngest_s = done.youngest_s < rig->sum.youngest_s ? done.youngest_s : rig->sum.youngest_s;
    rig->sum.is_round_over = done.is_round_over;
}

static void go_round(struct rig *rig, unsigned pressure)
{
    rig->sum = (struct purge_done){.youngest_s = UINT32_MAX};
    for (int i = 0; i < ROUNDS_MAX && !rig->sum.is_round_over; i++)
        slice(rig, pressure);
    assert_true(rig->sum.is_round_over);
}

/* A quarter is over. */
static struct store_record some_over(int number)
{
    return (struct store_record){NOW - 10, NOW - 10, number % 4 == 0 ? NOW : number % 4 == 1 ? 0 : NOW + 1, 1, {0}};
}

/* The higher its number, the younger. */
static struct store_record waiting(int number)
{
    return (struct store_record){(uint32_t)(NOW - 100000 + number), NOW, 0, 1, {.passed = 0}};
}

static struct store_record passed(int number)
{
    uint32_t last = (uint32_t)(NOW - 100000 + number);
    return (struct store_record){last, last, 0, 1, {.passed = 1}};
}

/* An allowance, say: it has not waited, and does not either. */
static struct store_record never_waited(int number)
{
    struct store_record record = passed(number);
    record.passed = 0;
    return record;
}

static void what_is_over_goes_and_nothing_else(void **state)
{
    struct rig *rig = *state;
    open_it(rig, BYTES_MAX);
    go_round(rig, 0);
    assert_int_equal(rig->sum.looked, 0);
    for (int i = 0; i < 5000; i += BATCH)
        assert_int_equal(put(rig, "g x", i, BATCH, some_over), SHELF_DONE);
    assert_int_equal(put(rig, "n x", 0, 100, some_over), SHELF_DONE);
    go_round(rig, PURGE_PRESSURE_PERCENT);
    assert_int_equal(rig->sum.looked, 5100);
    assert_int_equal(rig->sum.over, 5100 / 4);
    assert_int_equal(rig->sum.evicted, 0);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(is_there(rig, "g x", i), i % 4 != 0);
    go_round(rig, PURGE_PRESSURE_PERCENT);
    assert_int_equal(rig->sum.over, 0);
    assert_int_equal(rig->sum.youngest_s, UINT32_MAX);
}

static void the_oldest_that_never_came_back_go_first(void **state)
{
    struct rig *rig = *state;
    open_it(rig, BYTES_MAX);
    for (int i = 0; i < 4000; i += BATCH) {
        assert_int_equal(put(rig, "g w", i * 20, BATCH, waiting), SHELF_DONE);
        assert_int_equal(put(rig, "g p", i * 20, BATCH, passed), SHELF_DONE);
    }
    slice(rig, 85); /* is looked at before anything goes */
    assert_int_equal(rig->sum.evicted, 0);
    for (int i = 0; i < 3; i++)
        go_round(rig, 85);
    assert_int_equal(count(rig, "g p", 0, 80000), 4000);
    int left = count(rig, "g w", 0, 80000);
    assert_true(left > 400 && left < 550); /* 8,000 x (70/85)^3 - 4,000 or so */
    int young = count(rig, "g w", 70000, 70000 + BATCH);
    assert_true(young == (left < BATCH ? left : BATCH));
    assert_int_equal(count(rig, "g w", 0, BATCH), 0);
    assert_true(rig->sum.youngest_s > 20000 && rig->sum.youngest_s < 100000); /* what is told of how long they stay */
}

static struct store_record of_the_future(int number)
{
    uint32_t then = (uint32_t)(number < 100 ? NOW + 3600 : NOW + 100 * 86400);
    return (struct store_record){then, then, 0, 1, {.passed = 0}};
}

static void a_lie_about_its_age_keeps_no_record(void **state)
{
    struct rig *rig = *state;
    open_it(rig, BYTES_MAX);
    assert_int_equal(put(rig, "g f", 0, 150, of_the_future), SHELF_DONE);
    assert_int_equal(put(rig, "g w", 90000, BATCH, waiting), SHELF_DONE);
    go_round(rig, 76);
    go_round(rig, 76);
    assert_int_equal(count(rig, "g f", 0, 100), 100);
    assert_true(count(rig, "g f", 100, 150) < 5);
    assert_true(count(rig, "g w", 90000, 90000 + BATCH) > BATCH - 10);
}

static void under_the_worst_pressure_the_others_too(void **state)
{
    struct rig *rig = *state;
    open_it(rig, BYTES_MAX);
    static const char *const prefixes[] = {"g p", "a x", "n x", "d x", "t x"};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(put(rig, prefixes[i], 0, BATCH, i == 0 ? passed : never_waited), SHELF_DONE);
        assert_int_equal(put(rig, prefixes[i], 90000, BATCH, i == 0 ? passed : never_waited), SHELF_DONE);
    }
    assert_int_equal(put(rig, "g w", 0, 10, waiting), SHELF_DONE);
    go_round(rig, 90);
    go_round(rig, 90);
    assert_int_equal(rig->sum.evicted, 10);
    go_round(rig, 95);
    assert_true(rig->sum.evicted > 0);
    go_round(rig, 95);
    assert_true(rig->sum.evicted > 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(count(rig, prefixes[i], 90000, 90000 + BATCH), BATCH); /* the younger half */
    for (int round = 0; round < 40; round++)
        go_round(rig, 99);
    struct shelf_size size;
    assert_true(shelf_measure(rig->shelf, &size));
    assert_true(size.records < 10);
}

/* As the storekeeper does: write, clean, however full it is. */
static void a_shelf_that_is_always_written_to_stays_usable(void **state)
{
    struct rig *rig = *state;
    struct shelf_size size;
    int refused = 0, next = 0;
    open_it(rig, SMALL_MAX);
    srandom(7);
    for (int step = 0; step < 300; step++) {
        int from = (int)(random() % 900000) + 1000; /* anywhere */
        enum shelf_result result = put(rig, "g w", from, 100, waiting);
        if (result == SHELF_DONE)
            result = put(rig, "g w", next = 900000 + step * 100, 100, waiting); /* and at the end */
        assert_true(result == SHELF_DONE || result == SHELF_FULL);
        refused += result == SHELF_FULL;
        assert_true(shelf_measure(rig->shelf, &size));
        slice(rig, purge_pressure(rig->purge, &size));
    }
    assert_true(rig->sum.evicted > 0);
    assert_true(refused < 20);
    assert_int_equal(count(rig, "g w", next, next + 100), 100);
    assert_true(shelf_measure(rig->shelf, &size));
    assert_true(size.file_bytes <= SMALL_MAX);
    assert_true(size.records > 4000); /* not emptied out of fear */
}

static void pressure_is_what_records_take(void **state)
{
    struct rig *rig = *state;
    struct shelf_size size = {.records = 1000000, .bytes_used = 900, .bytes_max = 1000};
    assert_int_equal(purge_pressure(rig->purge, &size), 90); /* not more than the pages say */
    size = (struct shelf_size){.records = 1000, .bytes_used = 800000, .bytes_max = 1000000};
    assert_int_equal(purge_pressure(rig->purge, &size), 14); /* 1,000 x 94 x 3/2 */
    size.bytes_used = 950000;
    assert_int_equal(purge_pressure(rig->purge, &size), 95); /* hardly a page is left */
    size = (struct shelf_size){0};
    assert_int_equal(purge_pressure(rig->purge, &size), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_over_goes_and_nothing_else),
        TEST(the_oldest_that_never_came_back_go_first),
        TEST(a_lie_about_its_age_keeps_no_record),
        TEST(under_the_worst_pressure_the_others_too),
        TEST(a_shelf_that_is_always_written_to_stays_usable),
        TEST(pressure_is_what_records_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
