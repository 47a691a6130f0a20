/* SPDX-License-Identifier: ISC
 *
 * config_fixture - for the tests of config: files in a directory of their own, and loading them. */
#ifndef POSTERN_TESTS_UNIT_CONFIG_FIXTURE_H
#define POSTERN_TESTS_UNIT_CONFIG_FIXTURE_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/config.h"

enum { WHY_MAX = 2048 };

/* Each test runs inside a fresh directory, so that messages name files by short relative paths. */
static int enter_directory(void **state)
{
    char name[] = "/tmp/config_test.XXXXXX";
    *state = mkdtemp(name) != NULL ? strdup(name) : NULL;
    umask(022);
    return *state != NULL && chdir(*state) == 0 ? 0 : -1;
}

static void remove_tree(const char *path)
{
    DIR *directory = opendir(path);
    char inner[512];

    for (struct dirent *e; directory != NULL && (e = readdir(directory)) != NULL;) {
        snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (unlink(inner) != 0)
            remove_tree(inner);
    }
    if (directory != NULL)
        closedir(directory);
    rmdir(path);
}

static int leave_directory(void **state)
{
    if (chdir("/") != 0)
        return -1;
    remove_tree(*state);
    free(*state);
    return 0;
}

static inline void write_octets(const char *name, const char *octets, size_t size)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(octets, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static inline void write_file(const char *name, const char *text)
{
    write_octets(name, text, strlen(text));
}

static inline int open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;
    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

/* Loads "c" and wants exactly this complaint. */
static inline void expect_error_of_file(const struct block *root, const char *expected)
{
    char why[WHY_MAX];
    struct config *config = config_load("c", root, why, sizeof why);
    if (config != NULL)
        fail_msg("loaded, instead of: %s", expected);
    assert_string_equal(why, expected);
}

static inline void expect_error(const struct block *root, const char *text, const char *expected)
{
    write_file("c", text);
    expect_error_of_file(root, expected);
}

static inline struct config *load_ok(const struct block *root, const char *text)
{
    char why[WHY_MAX];
    write_file("c", text);
    struct config *config = config_load("c", root, why, sizeof why);
    if (config == NULL)
        fail_msg("%s", why);
    return config;
}

/* Overrides: texts, ended by NULL. */
static inline struct config *load_with(const struct block *root, const char *text, const char *const *overrides,
                                       char why[WHY_MAX])
{
    struct text_list list = {overrides, 0};
    while (overrides[list.count] != NULL)
        list.count++;
    write_file("c", text);
    return config_load_with("c", root, &list, why, WHY_MAX);
}

#define config_test_case(f) cmocka_unit_test_setup_teardown(f, enter_directory, leave_directory)

#endif
