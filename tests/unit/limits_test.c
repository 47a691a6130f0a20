/* SPDX-License-Identifier: ISC
 *
 * limits: a machine made of files, and what is logged about it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ftw.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

#include "daemon/limits.h"
#include "daemon/limits_internal.h"

enum { PATH_SIZE = 512, LINES_SIZE = 8192, WALK_FDS = 8, PROCESSES = 1000, DESCRIPTORS = 16 };

static char root[] = "/tmp/postern-limits-XXXXXX";
static char lines[LINES_SIZE]; /* that were logged */

static void collect(enum level level, const char *line)
{
    size_t used = strlen(lines);
    assert_int_equal(level, LEVEL_WARNING);
    snprintf(lines + used, sizeof(lines) - used, "%s\n", line);
}

static void write_file(const char *path, const char *text)
{
    char full[PATH_SIZE];
    snprintf(full, sizeof(full), "%s%s", root, path);
    for (char *slash = full + strlen(root); (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
        *slash = '\0';
        mkdir(full, 0755);
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void write_cgroup(const char *directory, const char *max, const char *current)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "%s/pids.max", directory);
    write_file(path, max);
    snprintf(path, sizeof(path), "%s/pids.current", directory);
    write_file(path, current);
}

static int remove_one(const char *path, const struct stat *is, int kind, struct FTW *where)
{
    (void)is;
    (void)kind;
    (void)where;
    return remove(path);
}

/* A machine with room for everything, and no cgroups. */
static int set_up(void **state)
{
    (void)state;
    snprintf(strrchr(root, '-'), 8, "-XXXXXX");
    if (mkdtemp(root) == NULL)
        return -1;
    lines[0] = '\0';
    log_to_function(collect);
    write_file("/proc/loadavg", "0.23 0.20 0.19 1/91 9844\n");
    write_file("/proc/sys/kernel/threads-max", "192731\n");
    write_file("/proc/sys/kernel/pid_max", "4194304\n");
    write_file("/proc/sys/fs/file-max", "9223372036854775807\n");
    write_file("/proc/sys/fs/file-nr", "555\t0\t9223372036854775807\n");
    write_file("/proc/sys/net/core/somaxconn", "4096\n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(root, remove_one, WALK_FDS, FTW_DEPTH | FTW_PHYS);
}

/* These lines and no others. */
static void assert_warned(const char *wanted, int count)
{
    lines[0] = '\0';
    assert_int_equal(limits_check_at(root, PROCESSES, DESCRIPTORS), count);
    assert_string_equal(lines, wanted);
}

static void room_for_all_is_not_mentioned(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/system.slice/postern.service\n");
    write_cgroup("/sys/fs/cgroup/system.slice/postern.service", "max\n", "1\n");
    assert_warned("", 0);
}

static void our_own_cgroup_is_too_small(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/system.slice/postern.service\n");
    write_cgroup("/sys/fs/cgroup/system.slice/postern.service", "512\n", "1\n");
    assert_warned("event=limit limit=pids.max allows=512 needed=1000 "
                  "where=/sys/fs/cgroup/system.slice/postern.service way=\"raise TasksMax= of postern.service\"\n",
                  1);
}

/* What its other inhabitants have is not there for us; what we have ourselves is not counted twice. */
static void one_around_us_is_too_small(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/system.slice/postern.service\n");
    write_cgroup("/sys/fs/cgroup/system.slice/postern.service", "max\n", "400\n");
    write_cgroup("/sys/fs/cgroup/system.slice", "1050\n", "500\n");
    write_cgroup("/sys/fs/cgroup", "1120\n", "520\n");
    assert_warned("event=limit limit=pids.max allows=1050 needed=1100 where=/sys/fs/cgroup/system.slice "
                  "way=\"raise TasksMax= of system.slice\"\n",
                  1);
}

static void a_container_sees_its_own_root(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/\n");
    write_cgroup("/sys/fs/cgroup", "100\n", "3\n");
    assert_warned("event=limit limit=pids.max allows=100 needed=1000 where=/sys/fs/cgroup "
                  "way=\"write a higher number into pids.max there\"\n",
                  1);
    write_file("/proc/self/cgroup", "0::/../..\n"); /* moved in from outside: not to be found */
    assert_warned("", 0);
}

static void the_first_version_is_known_as_well(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "9:name=systemd:/\n8:cpu,pids:/box/inner\n4:memory:/pids\n0::/\n");
    write_cgroup("/sys/fs/cgroup/pids/box/inner", "max\n", "1\n");
    write_cgroup("/sys/fs/cgroup/pids/box", "999\n", "1\n");
    assert_warned("event=limit limit=pids.max allows=999 needed=1000 where=/sys/fs/cgroup/pids/box "
                  "way=\"write a higher number into pids.max there\"\n",
                  1);
}

static void the_machine_is_too_small(void **state)
{
    (void)state;
    write_file("/proc/sys/kernel/threads-max", "1090\n");
    write_file("/proc/sys/kernel/pid_max", "1091\n"); /* just enough beside 91 others */
    write_file("/proc/sys/fs/file-max", "8554\n");
    write_file("/proc/sys/net/core/somaxconn", "128\n");
    assert_warned("event=limit limit=threads-max allows=1090 needed=1091 where=/proc/sys/kernel/threads-max "
                  "way=\"sysctl kernel.threads-max\"\n"
                  "event=limit limit=file-max allows=8554 needed=8555 where=/proc/sys/fs/file-max "
                  "way=\"sysctl fs.file-max\"\n"
                  "event=limit limit=somaxconn allows=128 needed=4096 where=/proc/sys/net/core/somaxconn "
                  "way=\"sysctl net.core.somaxconn\"\n",
                  3);
}

static void descriptors_of_one_process_are_too_few(void **state)
{
    struct rlimit before, low;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = (struct rlimit){DESCRIPTORS - 1, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    int count = limits_check_at(root, PROCESSES, DESCRIPTORS);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(count, 1);
    assert_non_null(strstr(lines, "limit=descriptors allows=15 needed=16 where=posternd"));
}

static void what_cannot_be_read_is_no_limit(void **state)
{
    static const char *const nonsense[] = {"", "\n", "-1\n", "many\n", "0x10\n", "99999999999999999999999\n"};
    (void)state;
    write_file("/proc/self/cgroup", "nonsense\n0::/gone\n:\n");
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        write_file("/proc/sys/kernel/threads-max", nonsense[i]);
        write_file("/proc/loadavg", nonsense[i]);
        assert_warned("", 0);
    }
    assert_int_equal(limits_check_at("/nowhere", PROCESSES, DESCRIPTORS), 0);
}

static void this_machine_can_be_asked(void **state)
{
    (void)state;
    assert_true(limits_check(2000000000, 1) >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(room_for_all_is_not_mentioned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(our_own_cgroup_is_too_small, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_around_us_is_too_small, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_container_sees_its_own_root, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_version_is_known_as_well, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_machine_is_too_small, set_up, tear_down),
        cmocka_unit_test_setup_teardown(descriptors_of_one_process_are_too_few, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_no_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(this_machine_can_be_asked, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
