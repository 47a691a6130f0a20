/* SPDX-License-Identifier: ISC
 *
 * Files that hold lists: which are read, and what their lines are. */
#include <fcntl.h>

#include "tests/unit/config_fixture.h"

#include "common/listfile.h"

static struct listfile_lines lines;
static struct listfile_item item;

static void begin(const char *text)
{
    lines = (struct listfile_lines){.rest = slice_of(text)};
}

static void expect_item(uint32_t number, const char *word, const char *rest)
{
    assert_true(listfile_next(&lines, &item));
    assert_int_equal(lines.number, number);
    assert_true(slice_equal(item.word, slice_of(word)));
    assert_true(slice_equal(item.rest, slice_of(rest)));
}

static void expect_end(void)
{
    assert_false(listfile_next(&lines, &item));
    assert_null(lines.wrong);
}

static void expect_wrong(uint32_t number, const char *wrong)
{
    assert_false(listfile_next(&lines, &item));
    assert_non_null(lines.wrong);
    assert_string_equal(lines.wrong, wrong);
    assert_int_equal(lines.number, number);
    assert_false(listfile_next(&lines, &item));
}

static void items_have_a_line_each(void **state)
{
    (void)state;
    begin("192.0.2.1\n\n  \t\n# a comment\n\t .example.org \t go away,  please \t\n192.0.2.2#3\n"
          "192.0.2.4 # \xC3\xA4 why\n192.0.2.5 look at ##5, #7\nlast");
    expect_item(1, "192.0.2.1", "");
    expect_item(5, ".example.org", "go away,  please");
    expect_item(6, "192.0.2.2#3", "");
    expect_item(7, "192.0.2.4", "");
    expect_item(8, "192.0.2.5", "look at");
    expect_item(9, "last", "");
    expect_end();
    begin("");
    expect_end();
    begin("#");
    expect_end();
}

static void a_fault_ends_it(void **state)
{
    static char longest[LISTFILE_LINE_MAX + 4];
    (void)state;
    begin("a\nb\r\nc\n");
    expect_item(1, "a", "");
    expect_wrong(2, "a carriage return; lines end with a line feed alone (say: tr -d '\\r')");
    begin("\xEF\xBB\xBF"
          "192.0.2.1\n");
    expect_wrong(1, "more than printable ASCII");
    lines = (struct listfile_lines){.rest = slice_make("a\0b", 3)};
    expect_wrong(1, "more than printable ASCII");
    memset(longest, 'x', LISTFILE_LINE_MAX + 1);
    begin(longest);
    expect_wrong(1, "a line of more than 2048 octets");
    longest[LISTFILE_LINE_MAX] = '\n';
    begin(longest);
    assert_true(listfile_next(&lines, &item));
    assert_int_equal(item.word.size, LISTFILE_LINE_MAX);
}

static void lines_are_counted_up_to_a_bound(void **state)
{
    size_t size = (size_t)LISTFILE_LINES_MAX + 1;
    char *text = malloc(size);
    (void)state;
    assert_non_null(text);
    memset(text, '\n', size);
    lines = (struct listfile_lines){.rest = slice_make(text, size - 1)};
    expect_end();
    lines = (struct listfile_lines){.rest = slice_make(text, size)};
    expect_wrong(LISTFILE_LINES_MAX + 1, "more than 16777215 lines");
    free(text);
}

static void expect_unread(const char *path, const char *expected)
{
    struct listfile file;
    char why[WHY_MAX];
    int before = open_descriptors();
    assert_false(listfile_read(path, &file, why, sizeof(why)));
    assert_string_equal(why, expected);
    assert_null(file.octets);
    assert_int_equal(open_descriptors(), before);
}

static void which_files_are_read(void **state)
{
    struct listfile file;
    char why[WHY_MAX];
    (void)state;
    write_file("good", "a\nb\n");
    assert_true(listfile_read("good", &file, why, sizeof(why)));
    assert_true(slice_equal(slice_make(file.octets, file.size), slice_of("a\nb\n")));
    listfile_free(&file);
    write_file("empty", "");
    assert_true(listfile_read("empty", &file, why, sizeof(why)));
    assert_int_equal(file.size, 0);
    listfile_free(&file);
    expect_unread("missing", "cannot be opened: No such file or directory");
    expect_unread(".", "is not a plain file");
    assert_int_equal(mkfifo("fifo", 0600), 0);
    expect_unread("fifo", "is not a plain file");
    assert_int_equal(chmod("good", 0664), 0);
    expect_unread("good", "may be written by group or others, who could then say whose mail passes; say chmod go-w");
    assert_int_equal(truncate("empty", (off_t)LISTFILE_BYTES_MAX + 1), 0);
    expect_unread("empty", "is larger than 64 MiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_have_a_line_each),
        cmocka_unit_test(a_fault_ends_it),
        cmocka_unit_test(lines_are_counted_up_to_a_bound),
        config_test_case(which_files_are_read),
    };
    return cmocka_run_group_tests_name("listfile", tests, NULL, NULL);
}
