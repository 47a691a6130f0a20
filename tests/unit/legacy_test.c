/* SPDX-License-Identifier: ISC
 *
 * What a master leaves to the next program: written, sealed, read; and what a reader does with what it cannot use.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/legacy.h"

enum { WHY_MAX = 256 };

static void write_all(struct legacy *to, int fd)
{
    assert_true(legacy_create(to));
    legacy_begin(to, "first");
    legacy_put_number(to, "number", -7);
    legacy_put_flag(to, "flag", true);
    legacy_put_string(to, "text", "a \"b\"\n\\ \xff");
    legacy_put_string(to, "none", NULL);
    legacy_end(to);
    legacy_begin(to, "of-a-later-version");
    legacy_put_number(to, "number", 1);
    legacy_end(to);
    for (int i = 0; i < 2; i++) {
        legacy_begin(to, "open");
        legacy_put_fd(to, "fd", i == 0 ? fd : -1);
        legacy_end(to);
    }
    assert_true(legacy_seal(to));
}

/* As over an exec: the reader has the descriptor alone. */
static void pass_on(struct legacy *writer, struct legacy *reader)
{
    char why[WHY_MAX] = "";
    int fd = fcntl(writer->fd, F_DUPFD_CLOEXEC, 0);
    legacy_clear(writer);
    if (!legacy_open(reader, fd, why, sizeof(why)))
        fail_msg("%s", why);
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    struct legacy to, from;
    char text[32], why[WHY_MAX];
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    write_all(&to, fd);
    pass_on(&to, &from);
    struct legacy_record r = {0};
    assert_true(legacy_next(&from, "first", &r));
    assert_int_equal(legacy_number(&r, "number", -7, 0), -7);
    assert_true(legacy_flag(&r, "flag"));
    assert_int_equal(legacy_text(&r, "text", text, sizeof(text)), 9);
    assert_string_equal(text, "a \"b\"\n\\ \xff");
    assert_false(legacy_has(&r, "none"));
    char *copy = legacy_string(&r, "text");
    assert_string_equal(copy, text);
    free(copy);
    assert_false(legacy_next(&from, "first", &r));
    r = (struct legacy_record){0};
    assert_true(legacy_next(&from, "open", &r));
    assert_int_equal(legacy_fd(&r, "fd"), fd);
    assert_true(legacy_next(&from, "open", &r));
    assert_int_equal(legacy_fd(&r, "fd"), -1);
    assert_true(legacy_is_good(&from, why, sizeof(why)));
    legacy_close_left(&from); /* it was asked for */
    assert_int_not_equal(fcntl(fd, F_GETFD), -1);
    legacy_leave(&from, fd);
    legacy_close_left(&from);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    legacy_clear(&from);
}

static void descriptors_are_kept_open_over_an_exec_or_not(void **state)
{
    (void)state;
    struct legacy to, from;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    write_all(&to, fd);
    legacy_keep_open(&to, true);
    assert_int_equal(fcntl(fd, F_GETFD), 0);
    assert_int_equal(fcntl(to.fd, F_GETFD), 0);
    pass_on(&to, &from); /* the list is there before anything was read */
    legacy_keep_open(&from, false);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    legacy_keep_open(&from, true);
    assert_int_equal(fcntl(fd, F_GETFD), 0);
    legacy_clear(&from);
    close(fd);
}

/* Each one of these makes all of it bad, and says so. */
static void what_makes_no_sense_is_bad(void **state)
{
    (void)state;
    char why[WHY_MAX], text[8];
    for (int wrong = 0; wrong < 9; wrong++) {
        struct legacy to, from;
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        write_all(&to, fd);
        pass_on(&to, &from);
        struct legacy_record r = {0}, of_fd = {0};
        assert_true(legacy_next(&from, "first", &r) && legacy_next(&from, "open", &of_fd));
        if (wrong == 0)
            assert_int_equal(legacy_number(&r, "number", 0, 10), 0);
        if (wrong == 1)
            assert_int_equal(legacy_number(&r, "number", -100, -10), -100);
        if (wrong == 2)
            assert_int_equal(legacy_number(&r, "missing", 3, 10), 3);
        if (wrong == 3)
            assert_int_equal(legacy_number(&r, "text", 3, 10), 3);
        if (wrong == 4)
            assert_false(legacy_flag(&r, "number"));
        if (wrong == 5)
            assert_int_equal(legacy_text(&r, "text", text, sizeof(text)), 0);
        if (wrong == 6)
            assert_null(legacy_string(&r, "missing"));
        if (wrong == 7) { /* nobody has two owners */
            assert_int_equal(legacy_fd(&of_fd, "fd"), fd);
            assert_int_equal(legacy_fd(&of_fd, "fd"), -1);
        }
        if (wrong == 8) {
            assert_int_equal(close(fd), 0);
            assert_int_equal(legacy_fd(&of_fd, "fd"), -1);
        }
        assert_false(legacy_is_good(&from, why, sizeof(why)));
        assert_non_null(strstr(why, "not understood"));
        legacy_clear(&from);
        close(fd);
    }
}

static void only_what_nobody_can_change_is_read(void **state)
{
    (void)state;
    struct legacy from;
    char why[WHY_MAX];
    int plain = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int open_to_all = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(write(open_to_all, "first number=1\n", 15), 15);
    assert_false(legacy_open(&from, plain, why, sizeof(why)));
    assert_false(legacy_open(&from, open_to_all, why, sizeof(why)));
    assert_false(legacy_open(&from, 12345, why, sizeof(why)));
    close(plain);
    close(open_to_all);
}

static void what_does_not_fit_is_told(void **state)
{
    (void)state;
    struct legacy to;
    char *text = calloc(1, CONTROL_RECORD_MAX + 1);
    memset(text, 'x', CONTROL_RECORD_MAX);
    assert_true(legacy_create(&to));
    legacy_begin(&to, "large");
    legacy_put_string(&to, "text", text);
    legacy_end(&to);
    assert_false(legacy_seal(&to));
    legacy_clear(&to);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),   cmocka_unit_test(descriptors_are_kept_open_over_an_exec_or_not),
        cmocka_unit_test(what_makes_no_sense_is_bad), cmocka_unit_test(only_what_nobody_can_change_is_read),
        cmocka_unit_test(what_does_not_fit_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
