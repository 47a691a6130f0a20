/* SPDX-License-Identifier: ISC
 *
 * shelf: what was written is there, whoever was killed meanwhile; a file that is full takes deletions, and records
 * again after them. */
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/shelf_rig.h"

enum { SMALL_MAX = 1 << 20 };

/* What the machine would lose is no matter here. */
int fdatasync(int fd)
{
    (void)fd;
    errno = 0;
    return 0;
}

static void what_is_written_is_found(void **state)
{
    struct rig *rig = *state;
    struct store_record record;
    open_it(rig, BYTES_MAX);
    assert_int_equal(shelf_find(rig->shelf, slice_of("g a b c"), &record), SHELF_NONE);
    assert_int_equal(write_range(rig->shelf, 0, BATCH, true), SHELF_DONE);
    assert_int_equal(write_range(rig->shelf, 10, 5, false), SHELF_DONE);
    assert_int_equal(write_range(rig->shelf, 10, 5, false), SHELF_DONE); /* they are gone already */
    for (int i = 0; i < BATCH; i++)
        assert_int_equal(has(rig->shelf, i), i < 10 || i >= 15);
    assert_int_equal(put_one(rig->shelf, "n 192.0.2.0/24", 1), SHELF_DONE);
    assert_int_equal(put_one(rig->shelf, "n 192.0.2.0/24", 2), SHELF_DONE);
    assert_int_equal(shelf_find(rig->shelf, slice_of("n 192.0.2.0/24"), &record), SHELF_DONE);
    assert_int_equal(record.count, 2);
    assert_int_equal(shelf_find(rig->shelf, slice_make(NULL, 0), &record), SHELF_NONE);
    struct shelf_size size;
    assert_true(shelf_measure(rig->shelf, &size));
    assert_int_equal(size.records, BATCH - 5 + 1);
    assert_int_equal(size.bytes_max, BYTES_MAX);
    assert_true(size.bytes_used <= size.file_bytes && size.file_bytes < BYTES_MAX);
    shelf_check_readers(rig->shelf);
}

static void what_is_no_key_is_not_written(void **state)
{
    struct rig *rig = *state;
    struct shelf_size size;
    char long_one[STORE_KEY_MAX + 2];
    memset(long_one, 'a', sizeof(long_one) - 1);
    memcpy(long_one, "d ", 2);
    long_one[sizeof(long_one) - 1] = '\0';
    open_it(rig, BYTES_MAX);
    assert_int_equal(put_one(rig->shelf, "!", 1), SHELF_DONE);
    assert_int_equal(put_one(rig->shelf, "", 1), SHELF_DONE);
    assert_int_equal(put_one(rig->shelf, long_one, 1), SHELF_DONE);
    assert_true(shelf_measure(rig->shelf, &size));
    assert_int_equal(size.records, 0);
    long_one[STORE_KEY_MAX] = '\0';
    assert_int_equal(put_one(rig->shelf, long_one, 1), SHELF_DONE);
    shelf_close(&rig->shelf);
    open_it(rig, BYTES_MAX); /* the mark is what it was */
    assert_true(shelf_measure(rig->shelf, &size));
    assert_int_equal(size.records, 1);
}

static void it_outlives_its_closing(void **state)
{
    struct rig *rig = *state;
    struct stat status;
    open_it(rig, BYTES_MAX);
    assert_int_equal(write_range(rig->shelf, 0, BATCH, true), SHELF_DONE);
    assert_int_equal(shelf_sync(rig->shelf), SHELF_DONE);
    shelf_close(&rig->shelf);
    assert_null(rig->shelf);
    assert_int_equal(stat(rig->file, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    open_it(rig, BYTES_MAX);
    assert_true(has(rig->shelf, BATCH - 1));
}

/* -- walks */

struct seen {
    int count, end_after;
    char last[64];
    bool is_in_order;
};

static bool see(void *context, struct slice key, const struct store_record *record)
{
    struct seen *seen = context;
    char text[64];
    (void)record;
    snprintf(text, sizeof(text), "%.*s", SLICE_ARGS(key));
    seen->is_in_order = seen->is_in_order && strcmp(seen->last, text) < 0;
    memcpy(seen->last, text, sizeof(text));
    return ++seen->count != seen->end_after;
}

static void walks_see_all_in_order_a_slice_at_a_time(void **state)
{
    struct rig *rig = *state;
    struct store_key from = {.size = 0};
    struct seen seen = {.is_in_order = true};
    enum shelf_result result;
    int slices = 0;
    open_it(rig, BYTES_MAX);
    assert_int_equal(shelf_walk(rig->shelf, &from, slice_of(""), 7, see, &seen), SHELF_NONE);
    assert_int_equal(seen.count, 0);
    assert_int_equal(write_range(rig->shelf, 0, BATCH, true), SHELF_DONE);
    assert_int_equal(put_one(rig->shelf, "t 192.0.2.1", 1), SHELF_DONE);
    assert_int_equal(put_one(rig->shelf, "a x", 1), SHELF_DONE);
    while ((result = shelf_walk(rig->shelf, &from, slice_of(""), 7, see, &seen)) == SHELF_DONE)
        slices++;
    assert_int_equal(result, SHELF_NONE);
    assert_int_equal(seen.count, BATCH + 2);
    assert_int_equal(slices, (BATCH + 2) / 7);
    assert_true(seen.is_in_order);
}

static void walks_keep_to_their_prefix_and_end_when_told(void **state)
{
    struct rig *rig = *state;
    struct store_key from = {.size = 0};
    struct seen seen = {.is_in_order = true};
    open_it(rig, BYTES_MAX);
    assert_int_equal(write_range(rig->shelf, 0, BATCH, true), SHELF_DONE);
    assert_int_equal(put_one(rig->shelf, "n 192.0.2.0/24", 1), SHELF_DONE);
    assert_int_equal(put_one(rig->shelf, "a x", 1), SHELF_DONE);
    assert_int_equal(shelf_walk(rig->shelf, &from, slice_of("g x000001"), 1000, see, &seen), SHELF_NONE);
    assert_int_equal(seen.count, 10);
    from.size = 0;
    seen = (struct seen){.is_in_order = true, .end_after = 3};
    assert_int_equal(shelf_walk(rig->shelf, &from, slice_of("g "), 1000, see, &seen), SHELF_DONE);
    assert_true(slice_equal(store_key_slice(&from), slice_of("g x0000002.example a@b c@d")));
    /* What was deleted meanwhile is no place to go on from, what follows it is. */
    assert_int_equal(write_range(rig->shelf, 2, 1, false), SHELF_DONE);
    assert_int_equal(shelf_walk(rig->shelf, &from, slice_of("g "), 1, see, &seen), SHELF_DONE);
    assert_string_equal(seen.last, "g x0000003.example a@b c@d");
    assert_int_equal(shelf_walk(rig->shelf, &from, slice_of("x"), 1, see, &seen), SHELF_NONE);
}

/* -- no room */

/* The first number of those that were not all written. */
static int fill(struct shelf *shelf, int from)
{
    enum shelf_result result;
    while ((result = write_range(shelf, from, BATCH, true)) == SHELF_DONE)
        from += BATCH;
    assert_int_equal(result, SHELF_FULL);
    return from;
}

static void a_full_file_takes_deletions_and_records_again(void **state)
{
    struct rig *rig = *state;
    struct shelf_size size;
    uint64_t records[STORE_KINDS];
    open_it(rig, SMALL_MAX);
    for (int round = 0, from = 0; round < 5; round++) {
        int end = fill(rig->shelf, from);
        assert_true(shelf_measure(rig->shelf, &size));
        assert_true(size.file_bytes <= SMALL_MAX);
        assert_true(size.bytes_used > SMALL_MAX / 2);
        assert_int_equal(write_range(rig->shelf, end, 1, true), SHELF_FULL);
        assert_true(has(rig->shelf, end - 1));
        assert_int_equal(write_range(rig->shelf, from, (end - from) / 2, false), SHELF_DONE);
        assert_false(has(rig->shelf, from));
        from = end;
        if (round == 4)
            assert_int_equal(write_range(rig->shelf, 0, end + BATCH, false), SHELF_DONE);
    }
    assert_int_equal(shelf_verify(rig->shelf, records, &rig->why), SHELF_DONE);
    assert_int_equal(records[STORE_GREY], 0);
}

/* One in so many, from each page some. */
static enum shelf_result delete_scattered(struct shelf *shelf, int from, int count, int one_in)
{
    struct shelf_change *changes = calloc((size_t)count, sizeof(*changes));
    char(*names)[32] = calloc((size_t)count, sizeof(*names));
    size_t used = 0;
    for (int i = from; i < count; i += one_in, used++)
        changes[used] = (struct shelf_change){name_of(names[used], i), NULL};
    enum shelf_result result = shelf_write(shelf, changes, used, NULL);
    free(names);
    free(changes);
    return result;
}

/* Each commit leaves copies of pages behind, which are no use before there was another one; and deletions may have
 * taken from the reserve. */
static void a_file_that_is_half_full_is_never_full(void **state)
{
    struct rig *rig = *state;
    struct shelf_size size = {.bytes_used = 0};
    open_it(rig, SMALL_MAX);
    for (int count = BATCH; size.bytes_used < SMALL_MAX / 2; count += BATCH) {
        for (int i = 0; i < 10; i++) {
            assert_int_equal(delete_scattered(rig->shelf, i, count, 20), SHELF_DONE);
            assert_int_equal(write_range(rig->shelf, count - BATCH, i == 0 ? BATCH : 1, true), SHELF_DONE);
        }
        assert_true(shelf_measure(rig->shelf, &size));
    }
}

static void a_smaller_size_opens_what_is_larger(void **state)
{
    struct rig *rig = *state;
    struct shelf_size size;
    open_it(rig, BYTES_MAX);
    for (int i = 0; i < 40000; i += 10000)
        assert_int_equal(write_range(rig->shelf, i, 10000, true), SHELF_DONE);
    shelf_close(&rig->shelf);
    open_it(rig, SMALL_MAX);
    assert_true(shelf_measure(rig->shelf, &size));
    assert_true(size.bytes_max > SMALL_MAX);
    assert_true(has(rig->shelf, 39999));
    assert_int_equal(write_range(rig->shelf, 0, 30000, false), SHELF_DONE);
    assert_int_equal(write_range(rig->shelf, 0, 1, true), SHELF_DONE);
    shelf_close(&rig->shelf);
    open_it(rig, 1);
    shelf_close(&rig->shelf);
    open_it(rig, 2 * BYTES_MAX); /* and grows */
    assert_true(shelf_measure(rig->shelf, &size));
    assert_int_equal(size.bytes_max, 2 * BYTES_MAX);
}

/* -- other processes */

static int status_of(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* A child's: all that was there when it was made, although the writer goes on. */
static int read_all(const struct rig *rig, int count)
{
    struct shelf *own;
    uint64_t records[STORE_KINDS];
    if (shelf_open_to_read(&own, rig->directory, NULL) != SHELF_DONE)
        return 1;
    for (int i = 0; i < count; i++)
        if (!has(own, i))
            return 2;
    if (shelf_verify(own, records, NULL) != SHELF_DONE || records[STORE_GREY] < (uint64_t)count)
        return 3;
    if (write_range(own, 0, 1, true) == SHELF_DONE)
        return 4;
    shelf_close(&own);
    return 0;
}

static void a_child_reads_while_we_write(void **state)
{
    struct rig *rig = *state;
    open_it(rig, BYTES_MAX);
    for (int i = 0; i < 10; i++)
        assert_int_equal(write_range(rig->shelf, i * BATCH, BATCH, true), SHELF_DONE);
    pid_t child = fork();
    if (child == 0)
        _exit(read_all(rig, 10 * BATCH));
    for (int i = 10; i < 30; i++)
        assert_int_equal(write_range(rig->shelf, i * BATCH, BATCH, true), SHELF_DONE);
    assert_int_equal(status_of(child), 0);
    shelf_check_readers(rig->shelf);
    assert_true(has(rig->shelf, 30 * BATCH - 1));
}

/* Or there would be no place for a reader any more. */
static void readers_that_died_give_their_places_back(void **state)
{
    enum { MANY = 200, MOST_AT_ONCE = 40 };
    struct rig *rig = *state;
    open_it(rig, BYTES_MAX);
    for (int i = 0; i < MANY; i++) {
        pid_t child = fork();
        if (child == 0) {
            struct shelf *own;
            _exit((int)shelf_open_to_read(&own, rig->directory, NULL));
        }
        assert_int_equal(status_of(child), SHELF_DONE);
        if (i % MOST_AT_ONCE == 0)
            shelf_check_readers(rig->shelf);
    }
}

/* A child's: says how many are there, until it is killed. */
static void write_for_ever(const struct rig *rig, int from, int to)
{
    struct shelf *own;
    if (shelf_open(&own, rig->directory, BYTES_MAX, NULL) != SHELF_DONE)
        _exit(1);
    for (;; from += BATCH)
        if (write_range(own, from, BATCH, true) != SHELF_DONE || write(to, &from, sizeof(from)) != sizeof(from))
            _exit(2);
}

static void what_was_acknowledged_outlives_a_kill(void **state)
{
    struct rig *rig = *state;
    int end = 0;
    uint64_t records[STORE_KINDS];
    for (int round = 0; round < 4; round++) {
        int way[2], from = 0;
        assert_int_equal(pipe(way), 0);
        pid_t child = fork();
        if (child == 0)
            write_for_ever(rig, end, way[1]);
        close(way[1]);
        for (int i = 0; i < 5 + round; i++)
            assert_int_equal(read(way[0], &from, sizeof(from)), sizeof(from));
        kill(child, SIGKILL);
        while (read(way[0], &from, sizeof(from)) == sizeof(from))
            ; /* said before it died */
        close(way[0]);
        assert_int_equal(WTERMSIG(status_of(child)), SIGKILL);
        end = from + BATCH;
        open_it(rig, BYTES_MAX);
        for (int i = 0; i < end; i++)
            assert_true(has(rig->shelf, i));
        assert_int_equal(shelf_verify(rig->shelf, records, &rig->why), SHELF_DONE);
        shelf_close(&rig->shelf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_found),
        TEST(what_is_no_key_is_not_written),
        TEST(it_outlives_its_closing),
        TEST(walks_see_all_in_order_a_slice_at_a_time),
        TEST(walks_keep_to_their_prefix_and_end_when_told),
        TEST(a_full_file_takes_deletions_and_records_again),
        TEST(a_file_that_is_half_full_is_never_full),
        TEST(a_smaller_size_opens_what_is_larger),
        TEST(a_child_reads_while_we_write),
        TEST(readers_that_died_give_their_places_back),
        TEST(what_was_acknowledged_outlives_a_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
