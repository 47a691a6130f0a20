/* SPDX-License-Identifier: ISC
 *
 * shelf: what is no store is found out and never ends the process; a disk that fails loses no file. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "tests/unit/shelf_rig.h"

enum { PAGE = 4096 };

/* -- a disk that fails: LMDB calls these. What is shorter than a page is of a meta page. */

static int meta_fails, pages_fail;

ssize_t pwrite(int fd, const void *at, size_t size, off_t where)
{
    errno = size < PAGE ? meta_fails : pages_fail;
    return errno != 0 ? -1 : syscall(SYS_pwrite64, fd, at, size, where);
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    errno = pages_fail;
    return errno != 0 ? -1 : syscall(SYS_writev, fd, pieces, count);
}

/* What the machine would lose is no matter here. */
int fdatasync(int fd)
{
    (void)fd;
    errno = 0;
    return 0;
}

/* -- files that are no store, or none any more */

static void put_file(const char *path, const void *octets, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, octets, size), size);
    close(fd);
}

static size_t get_file(const char *path, char **octets_out)
{
    struct stat status;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &status) == 0);
    *octets_out = malloc((size_t)status.st_size);
    assert_int_equal(read(fd, *octets_out, (size_t)status.st_size), status.st_size);
    close(fd);
    return (size_t)status.st_size;
}

static void garbage_is_damage(void **state)
{
    struct rig *rig = *state;
    static char octets[10 * PAGE];
    for (int fill = 0; fill < 4; fill++)
        for (size_t size = 1; size <= sizeof(octets); size = size * 7 + 3) {
            memset(octets, "\0 \xff g"[fill], sizeof(octets));
            put_file(rig->file, octets, size);
            assert_int_equal(shelf_open(&rig->shelf, rig->directory, BYTES_MAX, &rig->why), SHELF_DAMAGED);
            assert_null(rig->shelf);
        }
}

static void a_head_that_lies_is_damage(void **state)
{
    struct rig *rig = *state;
    char *whole;
    static const struct {
        size_t at;
        uint32_t value;
    } lies[] = {{16, 0}, {20, 2}, {40, 0}, {40, 3}, {40, 1 << 30}, {40, 8192}, {136, 0}, {140, UINT32_MAX}};
    open_it(rig, BYTES_MAX);
    assert_int_equal(write_range(rig->shelf, 0, BATCH, true), SHELF_DONE);
    shelf_close(&rig->shelf);
    size_t size = get_file(rig->file, &whole);
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
        for (size_t page = 0; page < 2; page++) {
            char *lying = malloc(size);
            memcpy(lying, whole, size);
            memcpy(lying + page * PAGE + lies[i].at, &lies[i].value, sizeof(lies[i].value));
            put_file(rig->file, lying, size);
            free(lying);
            assert_int_equal(shelf_open(&rig->shelf, rig->directory, BYTES_MAX, &rig->why), SHELF_DAMAGED);
        }
    free(whole);
}

static void a_file_that_was_cut_off_is_damage(void **state)
{
    struct rig *rig = *state;
    char *whole;
    open_it(rig, BYTES_MAX);
    for (int i = 0; i < 20; i++)
        assert_int_equal(write_range(rig->shelf, i * BATCH, BATCH, true), SHELF_DONE);
    shelf_close(&rig->shelf);
    size_t size = get_file(rig->file, &whole), places[] = {1, 100, 152, PAGE, PAGE + 100, 2 * PAGE, 3 * PAGE + 1, 0, 0};
    places[7] = size / 2;
    places[8] = size - 1;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        put_file(rig->file, whole, places[i]);
        assert_int_equal(shelf_open_to_read(&rig->shelf, rig->directory, &rig->why),
                         places[i] < 2 * PAGE ? SHELF_DAMAGED : SHELF_FAILED);
        assert_int_equal(shelf_open(&rig->shelf, rig->directory, BYTES_MAX, &rig->why), SHELF_DAMAGED);
    }
    put_file(rig->file, whole, 0);
    assert_int_equal(shelf_open_to_read(&rig->shelf, rig->directory, &rig->why), SHELF_NONE);
    open_it(rig, BYTES_MAX); /* begun */
    free(whole);
}

static void another_layout_is_foreign(void **state)
{
    struct rig *rig = *state;
    char *whole, *mark;
    open_it(rig, BYTES_MAX);
    shelf_close(&rig->shelf);
    size_t size = get_file(rig->file, &whole);
    while ((mark = memmem(whole, size, "postern store 1", 15)) != NULL)
        mark[14] = '2';
    put_file(rig->file, whole, size);
    free(whole);
    assert_int_equal(shelf_open(&rig->shelf, rig->directory, BYTES_MAX, &rig->why), SHELF_FOREIGN);
    assert_int_equal(shelf_open_to_read(&rig->shelf, rig->directory, &rig->why), SHELF_FOREIGN);
    assert_string_equal(shelf_set_aside(rig->directory), "memory.damaged");
    assert_int_equal(access(rig->file, F_OK), -1);
    assert_int_equal(access(rig->aside, F_OK), 0);
    assert_null(shelf_set_aside(rig->directory));
    assert_int_equal(errno, ENOENT);
    open_it(rig, BYTES_MAX);
    shelf_close(&rig->shelf);
    assert_string_equal(shelf_set_aside(rig->directory), "memory.damaged"); /* in place of the older one */
    put_file(rig->file, "less", 4);
    assert_string_equal(shelf_set_aside(rig->directory), "memory.damaged-later"); /* that one has more in it */
    char later[PATH_ROOM + 8];
    snprintf(later, sizeof(later), "%s-later", rig->aside);
    assert_int_equal(unlink(later), 0);
}

static void what_is_not_there_is_none_or_made(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(shelf_open_to_read(&rig->shelf, rig->directory, &rig->why), SHELF_NONE);
    assert_int_equal(access(rig->lock, F_OK), -1); /* nothing is written by who only reads */
    assert_int_equal(shelf_open(&rig->shelf, "/nonexistent/directory", BYTES_MAX, &rig->why), SHELF_FAILED);
    assert_int_equal(mkdir(rig->file, 0700), 0);
    assert_int_equal(shelf_open(&rig->shelf, rig->directory, BYTES_MAX, &rig->why), SHELF_FAILED);
    assert_int_equal(rmdir(rig->file), 0);
}

/* -- damaged while it is open */

enum { PAGE_FLAGS = 10, KEYS_ALONE = 0x20, TREES = 40, TREE_BYTES = 48, TREE_ROOT = 40, COMMIT = 144 };

/* The page where the last commit's free list (tree 0) or records (1) begin. */
static off_t root_of(int fd, int tree)
{
    uint64_t commits[2], root;
    for (int page = 0; page < 2; page++)
        assert_int_equal(pread(fd, &commits[page], sizeof(commits[page]), page * PAGE + COMMIT), sizeof(uint64_t));
    off_t meta = commits[1] > commits[0] ? PAGE : 0;
    assert_int_equal(pread(fd, &root, sizeof(root), meta + TREES + tree * TREE_BYTES + TREE_ROOT), sizeof(root));
    return (off_t)root * PAGE;
}

/* LMDB believes a page that says so, and gives no values at all. */
static void make_keys_alone(struct rig *rig, int tree)
{
    uint16_t flags;
    int fd = open(rig->file, O_RDWR);
    off_t at = root_of(fd, tree) + PAGE_FLAGS;
    assert_int_equal(pread(fd, &flags, sizeof(flags), at), sizeof(flags));
    flags |= KEYS_ALONE;
    assert_int_equal(pwrite(fd, &flags, sizeof(flags), at), sizeof(flags));
    close(fd);
}

static bool see_nothing(void *context, struct slice key, const struct store_record *record)
{
    (void)context;
    (void)key;
    (void)record;
    fail_msg("a record, where there are keys alone");
    return false;
}

static void a_free_list_without_values_is_damage(void **state)
{
    struct rig *rig = *state;
    struct shelf_size size;
    for (int i = 0; i < 5; i++) {
        open_it(rig, BYTES_MAX);
        assert_int_equal(write_range(rig->shelf, i * BATCH, BATCH, true), SHELF_DONE);
        shelf_close(&rig->shelf);
    }
    open_it(rig, BYTES_MAX);
    assert_true(shelf_measure(rig->shelf, &size));
    make_keys_alone(rig, 0);
    assert_false(shelf_measure(rig->shelf, &size));
    assert_int_equal(write_range(rig->shelf, 0, BATCH, true), SHELF_DAMAGED);
}

static void records_without_values_are_damage(void **state)
{
    struct rig *rig = *state;
    struct store_record record;
    struct store_key from = {.size = 0};
    char name[32];
    open_it(rig, BYTES_MAX);
    assert_int_equal(write_range(rig->shelf, 0, 10, true), SHELF_DONE);
    make_keys_alone(rig, 1);
    assert_int_equal(shelf_walk(rig->shelf, &from, slice_make("", 0), 10, see_nothing, NULL), SHELF_DAMAGED);
    assert_int_not_equal(shelf_find(rig->shelf, name_of(name, 1), &record), SHELF_DONE);
}

/* -- a disk that fails */

static void a_disk_that_is_full_ends_one_commit(void **state)
{
    struct rig *rig = *state;
    open_it(rig, BYTES_MAX);
    assert_int_equal(write_range(rig->shelf, 0, BATCH, true), SHELF_DONE);
    pages_fail = ENOSPC;
    assert_int_equal(write_range(rig->shelf, BATCH, BATCH, true), SHELF_FULL);
    pages_fail = EIO;
    assert_int_equal(write_range(rig->shelf, BATCH, BATCH, true), SHELF_FAILED);
    pages_fail = 0;
    assert_true(has(rig->shelf, 0));
    assert_false(has(rig->shelf, BATCH));
    assert_int_equal(write_range(rig->shelf, BATCH, BATCH, true), SHELF_DONE);
    assert_true(has(rig->shelf, BATCH));
}

static void a_meta_page_that_fails_spends_the_handle_and_not_the_file(void **state)
{
    struct rig *rig = *state;
    struct store_record record;
    uint64_t records[STORE_KINDS];
    open_it(rig, BYTES_MAX);
    assert_int_equal(write_range(rig->shelf, 0, BATCH, true), SHELF_DONE);
    meta_fails = ENOSPC;
    assert_int_equal(write_range(rig->shelf, BATCH, BATCH, true), SHELF_FULL);
    meta_fails = 0;
    assert_int_equal(write_range(rig->shelf, BATCH, BATCH, true), SHELF_REOPEN);
    assert_int_equal(shelf_find(rig->shelf, slice_of("g a"), &record), SHELF_REOPEN);
    shelf_close(&rig->shelf);
    open_it(rig, BYTES_MAX);
    assert_true(has(rig->shelf, BATCH - 1));
    assert_int_equal(write_range(rig->shelf, BATCH, BATCH, true), SHELF_DONE);
    assert_int_equal(shelf_verify(rig->shelf, records, &rig->why), SHELF_DONE);
    assert_int_equal(records[STORE_GREY], 2 * BATCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(garbage_is_damage),
        TEST(a_head_that_lies_is_damage),
        TEST(a_file_that_was_cut_off_is_damage),
        TEST(another_layout_is_foreign),
        TEST(what_is_not_there_is_none_or_made),
        TEST(a_free_list_without_values_is_damage),
        TEST(records_without_values_are_damage),
        TEST(a_disk_that_is_full_ends_one_commit),
        TEST(a_meta_page_that_fails_spends_the_handle_and_not_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
