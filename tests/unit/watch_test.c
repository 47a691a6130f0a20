/* SPDX-License-Identifier: ISC
 *
 * watch, both sides of it: which directories the master has watched, shown by what wakes the descriptor, with real
 * files; and when the housekeeper asks for a renewal, with times of the test's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/watch.h"
#include "workers/housekeeper/watch.h"

enum { PATH_BYTES = 256, PATHS = 8, EVENT_BYTES = 65536 };

static char top[] = "/tmp/watch_test.XXXXXX";
static char logged[RECORD_MAX];

/* -- files -- */

/* Several may stand in one call. */
static const char *in_top(const char *name)
{
    static char paths[PATHS][PATH_BYTES];
    static int next;
    char *path = paths[next++ % PATHS];
    snprintf(path, PATH_BYTES, "%s/%s", top, name);
    return path;
}

static void put(const char *name, const char *text)
{
    int fd = open(in_top(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void make_directory(const char *name)
{
    assert_int_equal(mkdir(in_top(name), 0700), 0);
}

static void make_link(const char *target, const char *name)
{
    assert_int_equal(symlink(target, in_top(name)), 0);
}

static void rename_over(const char *from, const char *to)
{
    assert_int_equal(rename(in_top(from), in_top(to)), 0);
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    (void)about;
    (void)kind;
    (void)where;
    return remove(path);
}

static void take_line(enum level level, const char *line)
{
    (void)level;
    snprintf(logged, sizeof(logged), "%s", line);
}

static int set_up(void **state)
{
    (void)state;
    memcpy(top + strlen(top) - 6, "XXXXXX", 6);
    assert_non_null(mkdtemp(top));
    logged[0] = '\0';
    log_to_function(take_line);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* -- the master's side -- */

static int watch_one(const char *name)
{
    const char *file = in_top(name);
    int inotify = watch_open(&file, 1);
    assert_true(inotify >= 0);
    return inotify;
}

/* Something has happened; it is forgotten then. */
static bool is_woken(int inotify)
{
    _Alignas(struct inotify_event) static char events[EVENT_BYTES];
    return read(inotify, events, sizeof(events)) > 0;
}

static void each_way_to_replace_a_file_wakes(void **state)
{
    (void)state;
    put("cert.pem", "one");
    int inotify = watch_one("cert.pem");
    assert_false(is_woken(inotify));
    put("cert.pem", "two");
    assert_true(is_woken(inotify));
    put("new.pem", "three");
    assert_true(is_woken(inotify));
    rename_over("new.pem", "cert.pem");
    assert_true(is_woken(inotify));
    assert_int_equal(chmod(in_top("cert.pem"), 0644), 0);
    assert_true(is_woken(inotify));
    assert_int_equal(unlink(in_top("cert.pem")), 0);
    assert_true(is_woken(inotify));
    assert_string_equal(logged, "");
    close(inotify);
}

static void who_reads_wakes_nobody(void **state)
{
    char octet;
    (void)state;
    put("cert.pem", "one");
    make_directory("elsewhere");
    int inotify = watch_one("cert.pem");
    int fd = open(in_top("cert.pem"), O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, &octet, 1), 1);
    close(fd);
    put("elsewhere/cert.pem", "one");
    assert_false(is_woken(inotify));
    close(inotify);
}

static void the_descriptor_neither_blocks_nor_stays(void **state)
{
    (void)state;
    int inotify = watch_one("cert.pem");
    assert_true((fcntl(inotify, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(inotify, F_GETFD) & FD_CLOEXEC) != 0);
    close(inotify);
}

/* As certbot does it. */
static void a_link_that_is_turned_wakes(void **state)
{
    (void)state;
    make_directory("live");
    make_directory("archive");
    put("archive/cert1.pem", "one");
    make_link("../archive/cert1.pem", "live/cert.pem");
    int inotify = watch_one("live/cert.pem");
    put("archive/cert2.pem", "two");
    assert_true(is_woken(inotify));
    make_link("../archive/cert2.pem", "live/next.pem");
    rename_over("live/next.pem", "live/cert.pem");
    assert_true(is_woken(inotify));
    close(inotify);
}

static void each_link_of_a_chain_is_watched(void **state)
{
    (void)state;
    make_directory("a");
    make_directory("b");
    make_directory("c");
    put("c/cert.pem", "one");
    make_link(in_top("b/cert.pem"), "a/cert.pem");
    make_link("./../c//cert.pem", "b/cert.pem");
    int inotify = watch_one("a/../a/./cert.pem");
    put("a/x", "");
    assert_true(is_woken(inotify));
    put("b/x", "");
    assert_true(is_woken(inotify));
    put("c/x", "");
    assert_true(is_woken(inotify));
    close(inotify);
}

static void a_directory_that_is_a_link_is_watched(void **state)
{
    (void)state;
    make_directory("links");
    make_directory("v1");
    put("v1/cert.pem", "one");
    make_link("../v1", "links/current");
    int inotify = watch_one("links/current/cert.pem");
    make_link("../v2", "links/next");
    assert_true(is_woken(inotify));
    rename_over("links/next", "links/current");
    assert_true(is_woken(inotify));
    put("v1/cert.pem", "two");
    assert_true(is_woken(inotify));
    close(inotify);
}

static void what_is_missing_is_waited_for(void **state)
{
    (void)state;
    make_directory("there");
    int inotify = watch_one("there/not/cert.pem");
    make_directory("there/not");
    assert_true(is_woken(inotify));
    close(inotify);
    inotify = watch_one("there/cert.pem.ocsp");
    put("there/cert.pem.ocsp", "staple");
    assert_true(is_woken(inotify));
    close(inotify);
    make_link("nowhere", "there/link.pem");
    inotify = watch_one("there/link.pem");
    put("there/nowhere", "text");
    assert_true(is_woken(inotify));
    close(inotify);
    assert_string_equal(logged, "");
}

static void a_loop_of_links_is_told_of(void **state)
{
    (void)state;
    make_link("b", "a");
    make_link("a", "b");
    int inotify = watch_one("a");
    assert_non_null(strstr(logged, "event=watch-failed path="));
    put("c", "");
    assert_true(is_woken(inotify)); /* what could be watched is */
    close(inotify);
}

static void a_way_that_is_too_long_is_told_of(void **state)
{
    char name[PATH_MAX + 64];
    const char *file = name;
    (void)state;
    memset(name, 'x', sizeof(name) - 1);
    name[0] = '/';
    name[sizeof(name) - 1] = '\0';
    int inotify = watch_open(&file, 1);
    assert_true(inotify >= 0);
    assert_non_null(strstr(logged, "event=watch-failed "));
    close(inotify);
}

static void no_descriptor_is_told_of(void **state)
{
    struct rlimit before, few;
    const char *file = in_top("file");
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int inotify = watch_open(&file, 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(inotify, -1);
    assert_non_null(strstr(logged, "event=watch-failed error="));
}

static void the_mark_says_whether_a_file_has_changed(void **state)
{
    const char *files[] = {in_top("file"), in_top("link")};
    (void)state;
    uint64_t mark = watch_mark(files, 2), next;
    put("file", "one");
    assert_true((next = watch_mark(files, 2)) != mark); /* it is there now */
    make_link("file", "link");
    assert_true((mark = watch_mark(files, 2)) != next);
    put("beside", "something else");
    assert_int_equal(close(open(in_top("file"), O_RDONLY | O_CLOEXEC)), 0);
    assert_true(watch_mark(files, 2) == mark);
    put("file", "longer");
    assert_true((next = watch_mark(files, 2)) != mark);
    put("other", "longer");
    make_link("other", "turned");
    rename_over("turned", "link");
    assert_true((mark = watch_mark(files, 2)) != next);
    rename_over("other", "file");
    assert_true(watch_mark(files, 2) != mark);
}

/* -- the housekeeper's side -- */

static struct watch watch;
static int64_t now;
static int asked[2];

static void begin(int inotify)
{
    now = 100000;
    assert_int_equal(pipe2(asked, O_NONBLOCK | O_CLOEXEC), 0);
    watch_init(&watch, inotify, asked[1], now - WATCH_PAUSE_MS);
}

static void finish(int inotify)
{
    close(inotify);
    close(asked[0]);
    close(asked[1]);
}

/* What the loop of the housekeeper would do until `ms` have passed: it sleeps until something is due. How often the
 * master was asked meanwhile. */
static int let_pass(int64_t ms)
{
    char octets[64];
    int64_t end = now + ms;
    for (int turns = 0; turns < 1000; turns++) {
        struct pollfd fd = watch_poll(&watch);
        int64_t next = watch_next_ms(&watch);
        bool woken = poll(&fd, 1, 0) > 0;
        if (!woken && next > end)
            break;
        if (!woken && next > now)
            now = next;
        watch_step(&watch, now);
        assert_true(turns < 900); /* it does not spin */
    }
    now = end;
    ssize_t got = read(asked[0], octets, sizeof(octets));
    return got < 0 ? 0 : (int)got;
}

static void a_change_is_told_when_it_is_whole(void **state)
{
    (void)state;
    int inotify = watch_one("cert.pem");
    begin(inotify);
    assert_int_equal(let_pass(60000), 0);
    put("cert.pem", "one");
    assert_int_equal(let_pass(600), 0);
    put("key.pem", "one");
    assert_int_equal(let_pass(600), 0);
    assert_int_equal(let_pass(1000), 1);
    assert_int_equal(let_pass(60000), 0);
    finish(inotify);
}

static void patience_ends(void **state)
{
    char name[16];
    (void)state;
    int inotify = watch_one("cert.pem"), times = 0;
    begin(inotify);
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof(name), "file%d", i);
        put(name, "one");
        times += let_pass(500);
    }
    assert_int_equal(times, 1);
    finish(inotify);
}

/* A change each second, an hour long. */
static void nobody_asks_more_often_than_the_pause(void **state)
{
    char name[16];
    (void)state;
    int inotify = watch_one("cert.pem"), times = 0;
    begin(inotify);
    for (int i = 0; i < 3600; i++) {
        snprintf(name, sizeof(name), "file%d", i % 10);
        put(name, "one");
        int more = let_pass(1000);
        assert_true(more <= 1);
        times += more;
    }
    assert_in_range(times, 3600000 / WATCH_PAUSE_MS / 2, 3600000 / WATCH_PAUSE_MS + 1);
    assert_int_equal(let_pass(WATCH_PAUSE_MS), 1); /* and the last change is not forgotten */
    finish(inotify);
}

static void the_pause_begins_with_the_process(void **state)
{
    (void)state;
    int inotify = watch_one("cert.pem");
    begin(inotify);
    watch_init(&watch, inotify, asked[1], now);
    put("cert.pem", "one");
    assert_int_equal(let_pass(WATCH_PAUSE_MS - 1), 0);
    assert_int_equal(let_pass(1), 1);
    finish(inotify);
}

static void news_outlive_who_saw_them(void **state)
{
    (void)state;
    int inotify = watch_one("cert.pem");
    begin(inotify);
    put("cert.pem", "one");
    assert_int_equal(let_pass(500), 0);
    watch_init(&watch, inotify, asked[1], now); /* the next one */
    assert_int_equal(let_pass(WATCH_PAUSE_MS), 1);
    finish(inotify);
}

static void what_another_one_told_is_no_news(void **state)
{
    (void)state;
    int inotify = watch_one("cert.pem");
    begin(inotify);
    put("cert.pem", "one");
    assert_int_equal(let_pass(500), 0);
    assert_true(is_woken(inotify)); /* takes the events away */
    assert_int_equal(let_pass(60000), 0);
    put("cert.pem", "two");
    assert_int_equal(let_pass(60000), 1);
    finish(inotify);
}

static void a_master_who_does_not_read_is_not_waited_for(void **state)
{
    (void)state;
    int inotify = watch_one("cert.pem");
    begin(inotify);
    while (write(asked[1], "", 1) == 1)
        continue;
    assert_int_equal(errno, EAGAIN);
    put("cert.pem", "one");
    assert_true(let_pass(5000) > 0); /* the octets that were there */
    finish(inotify);
}

static void without_inotify_there_is_peace(void **state)
{
    (void)state;
    begin(-1);
    assert_int_equal(let_pass(60000), 0);
    assert_int_equal(watch_poll(&watch).fd, -1);
    watch_step(&watch, now);
    assert_true(watch_next_ms(&watch) == CLOCK_NEVER);
    close(asked[0]);
    close(asked[1]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_way_to_replace_a_file_wakes),
        TEST(who_reads_wakes_nobody),
        TEST(the_descriptor_neither_blocks_nor_stays),
        TEST(a_link_that_is_turned_wakes),
        TEST(each_link_of_a_chain_is_watched),
        TEST(a_directory_that_is_a_link_is_watched),
        TEST(what_is_missing_is_waited_for),
        TEST(a_loop_of_links_is_told_of),
        TEST(a_way_that_is_too_long_is_told_of),
        TEST(no_descriptor_is_told_of),
        TEST(the_mark_says_whether_a_file_has_changed),
        TEST(a_change_is_told_when_it_is_whole),
        TEST(patience_ends),
        TEST(nobody_asks_more_often_than_the_pause),
        TEST(the_pause_begins_with_the_process),
        TEST(news_outlive_who_saw_them),
        TEST(what_another_one_told_is_no_news),
        TEST(a_master_who_does_not_read_is_not_waited_for),
        TEST(without_inotify_there_is_peace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
