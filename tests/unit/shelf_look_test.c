/* SPDX-License-Identifier: ISC
 *
 * A shelf that is opened where it would be the end of who opens it, or of a good file: a length that no disk has, and
 * no room for the lock. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "workers/storekeeper/shelf.h"

enum { BYTES_MAX = 1 << 20, PAGE = 4096, AT_LAST_PAGE = 136, PATH_ROOM = 128 };
#define KEY "g 192.0.2.0/24 a@b c@d"

static bool lock_has_no_room;

int fallocate(int fd, int mode, off_t at, off_t size)
{
    if (!lock_has_no_room)
        return (int)syscall(SYS_fallocate, fd, mode, at, size);
    errno = ENOSPC;
    return -1;
}

struct rig {
    char directory[64], file[PATH_ROOM], lock[PATH_ROOM];
    struct shelf *shelf;
};

static void open_it(struct rig *rig)
{
    assert_int_equal(shelf_open(&rig->shelf, rig->directory, BYTES_MAX, NULL), SHELF_DONE);
}

/* With one record, and closed. */
static int set_up(void **state)
{
    static const struct store_record record = {.count = 1};
    const struct shelf_change change = {slice_of(KEY), &record};
    struct rig *rig = calloc(1, sizeof(*rig));
    *state = rig;
    snprintf(rig->directory, sizeof(rig->directory), "/tmp/postern-shelf-XXXXXX");
    assert_non_null(mkdtemp(rig->directory));
    snprintf(rig->file, sizeof(rig->file), "%s/memory.mdb", rig->directory);
    snprintf(rig->lock, sizeof(rig->lock), "%s/memory.mdb-lock", rig->directory);
    open_it(rig);
    assert_int_equal(shelf_write(rig->shelf, &change, 1, NULL), SHELF_DONE);
    shelf_close(&rig->shelf);
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    lock_has_no_room = false;
    shelf_close(&rig->shelf);
    unlink(rig->file);
    unlink(rig->lock);
    int left = rmdir(rig->directory);
    free(rig);
    return left;
}

/* In both of the pages that say so. */
static void say_last_page(const struct rig *rig, uint64_t number)
{
    int fd = open(rig->file, O_WRONLY);
    for (off_t page = 0; page < 2; page++)
        assert_int_equal(pwrite(fd, &number, sizeof(number), page * PAGE + AT_LAST_PAGE), sizeof(number));
    close(fd);
}

/* To make it that long would fail, each time again, or leave a file that cannot be mapped. */
static void a_length_that_no_disk_has_is_damage(void **state)
{
    struct rig *rig = *state;
    for (unsigned bit = 21; bit < 41; bit++) {
        say_last_page(rig, UINT64_C(1) << bit);
        assert_int_equal(shelf_open(&rig->shelf, rig->directory, BYTES_MAX, NULL), SHELF_DAMAGED);
        assert_int_equal(shelf_open_to_read(&rig->shelf, rig->directory, NULL), SHELF_DAMAGED);
    }
}

/* LMDB would die of it, and the file look as if it were why. */
static void no_room_for_the_lock_is_no_damage(void **state)
{
    struct rig *rig = *state;
    struct store_record record;
    assert_int_equal(unlink(rig->lock), 0);
    lock_has_no_room = true;
    assert_int_equal(shelf_open(&rig->shelf, rig->directory, BYTES_MAX, NULL), SHELF_FULL);
    assert_int_equal(shelf_open_to_read(&rig->shelf, rig->directory, NULL), SHELF_FULL);
    lock_has_no_room = false;
    open_it(rig);
    assert_int_equal(shelf_find(rig->shelf, slice_of(KEY), &record), SHELF_DONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_length_that_no_disk_has_is_damage),
        TEST(no_room_for_the_lock_is_no_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
