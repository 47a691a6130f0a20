/* SPDX-License-Identifier: ISC
 *
 * listing and listed_file: what was ordered is there again after a start; nothing that goes wrong with the file keeps
 * posternd from starting or an order from holding, and nobody loses what he wrote into it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"

#include "daemon/listing.h"
#include "tests/lib/fake_clock.h"

enum { TEXT_MAX = 4096, HOUR_MS = 3600 * 1000 };

static char logged[4 * TEXT_MAX];

static void note(enum level level, const char *line)
{
    (void)level;
    size_t used = strlen(logged);
    snprintf(logged + used, sizeof(logged) - used, "%s\n", line);
}

struct rig {
    char top[64], path[128], saved[160];
    struct listed listed;
    struct listing listing;
};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    snprintf(rig->top, sizeof(rig->top), "/tmp/listing-XXXXXX");
    assert_non_null(mkdtemp(rig->top));
    snprintf(rig->path, sizeof(rig->path), "%s/lib/listed", rig->top);
    snprintf(rig->saved, sizeof(rig->saved), "%s" LISTED_FILE_SAVED, rig->path);
    log_to_function(note);
    logged[0] = '\0';
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    char directory[128];
    unlink(rig->path);
    unlink(rig->saved);
    snprintf(directory, sizeof(directory), "%s/lib", rig->top);
    rmdir(directory);
    int left = rmdir(rig->top); /* nothing else was left there */
    free(rig);
    return left;
}

/* As after a start of another process. */
static void start(struct rig *rig)
{
    memset(&rig->listed, 0, sizeof(rig->listed));
    listing_open(&rig->listing, &rig->listed, rig->path, false);
}

static void put_file(const char *path, const char *text, mode_t mode)
{
    FILE *to = fopen(path, "w");
    assert_non_null(to);
    assert_true(fputs(text, to) >= 0);
    assert_int_equal(fclose(to), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static const char *read_file(const char *path)
{
    static char text[TEXT_MAX];
    FILE *from = fopen(path, "r");
    if (from == NULL)
        return "";
    text[fread(text, 1, sizeof(text) - 1, from)] = '\0';
    fclose(from);
    return text;
}

static bool put(struct rig *rig, enum listed_as as, const char *words)
{
    struct listed_line line;
    const char *why, *try;
    assert_true(listed_line_parse(slice_of(words), as, clock_wall(), &line, &why, &try));
    return listing_put(&rig->listing, &line);
}

static bool drop(struct rig *rig, const char *text)
{
    struct network network;
    assert_true(network_parse(slice_of(text), &network));
    return listing_drop(&rig->listing, &network);
}

static enum listed_as find(const struct rig *rig, const char *address)
{
    struct ipaddr client;
    assert_true(ipaddr_parse(slice_of(address), &client));
    return listed_find(&rig->listed, &client, clock_wall(), NULL, NULL);
}

static bool was_logged(const char *text)
{
    return strstr(logged, text) != NULL;
}

static void it_is_there_again_after_a_start(void **state)
{
    struct rig *rig = *state;
    struct stat is;
    start(rig);
    assert_true(put(rig, LISTED_BLOCKED, "192.0.2.0/24 for 1h reason an open proxy"));
    assert_true(put(rig, LISTED_ALLOWED, "2001:db8::7"));
    assert_true(put(rig, LISTED_BLOCKED, "198.51.100.1"));
    assert_true(drop(rig, "198.51.100.1"));
    assert_string_equal(rig->listing.unkept, "");
    assert_int_equal(stat(rig->path, &is), 0);
    assert_int_equal(is.st_mode & 07777, 0600);
    start(rig);
    assert_int_equal(find(rig, "192.0.2.9"), LISTED_BLOCKED);
    assert_int_equal(find(rig, "2001:db8::7"), LISTED_ALLOWED);
    assert_int_equal(find(rig, "198.51.100.1"), LISTED_NOT);
    assert_non_null(strstr(read_file(rig->path), "reason an open proxy\n"));
    assert_true(was_logged("event=listed-file state=read"));
    assert_true(access(rig->saved, F_OK) != 0);
}

static void the_directory_is_made(void **state)
{
    struct rig *rig = *state;
    struct stat is;
    char directory[128];
    start(rig);
    snprintf(directory, sizeof(directory), "%s/lib", rig->top);
    assert_int_equal(stat(directory, &is), 0);
    assert_int_equal(is.st_mode & 07777, 0711);
    assert_string_equal(read_file(rig->path), "");
}

static void a_bad_line_is_named_and_kept(void **state)
{
    struct rig *rig = *state;
    start(rig);
    put_file(rig->path, "# ours\nblock 192.0.2.7\nblcok 192.0.2.8\n\nallow 192.0.2.9 for 1h\nallow 192.0.2.10", 0600);
    start(rig);
    assert_int_equal(find(rig, "192.0.2.7"), LISTED_BLOCKED);
    assert_int_equal(find(rig, "192.0.2.8"), LISTED_NOT);
    assert_int_equal(find(rig, "192.0.2.10"), LISTED_ALLOWED);
    assert_true(was_logged("line=3 why=\"it begins with neither block nor allow\""));
    assert_true(was_logged("line=5 why="));
    assert_true(put(rig, LISTED_BLOCKED, "192.0.2.11"));
    assert_string_equal(rig->listing.saved, rig->saved);
    assert_true(was_logged("state=saved"));
    assert_non_null(strstr(read_file(rig->saved), "blcok 192.0.2.8\n"));
    assert_non_null(strstr(read_file(rig->path), "block 192.0.2.7\n"));
    assert_null(strstr(read_file(rig->path), "blcok"));
    assert_true(put(rig, LISTED_BLOCKED, "192.0.2.12")); /* once is enough */
    assert_string_equal(rig->listing.saved, "");
    assert_non_null(strstr(read_file(rig->saved), "blcok 192.0.2.8\n"));
}

static void what_somebody_wrote_meanwhile_is_kept(void **state)
{
    struct rig *rig = *state;
    start(rig);
    assert_true(put(rig, LISTED_BLOCKED, "192.0.2.7"));
    put_file(rig->path, "block 203.0.113.1\n", 0600);
    assert_true(put(rig, LISTED_BLOCKED, "192.0.2.8"));
    assert_string_equal(read_file(rig->saved), "block 203.0.113.1\n");
    assert_string_equal(rig->listing.saved, rig->saved);
    assert_string_equal(rig->listing.unkept, "");
}

static void a_file_that_others_may_write_is_not_obeyed(void **state)
{
    struct rig *rig = *state;
    start(rig);
    put_file(rig->path, "allow 0.0.0.0/0\n", 0666);
    start(rig);
    assert_int_equal(find(rig, "192.0.2.7"), LISTED_NOT);
    assert_true(was_logged("state=bad"));
}

static void garbage_ends_the_complaints_not_the_start(void **state)
{
    struct rig *rig = *state;
    char text[TEXT_MAX];
    memset(text, '\n', sizeof(text));
    for (size_t i = 0; i < sizeof(text) - 1; i += 2)
        text[i] = 'x';
    text[sizeof(text) - 1] = '\0';
    start(rig);
    put_file(rig->path, text, 0600);
    start(rig);
    assert_true(was_logged("line=20 "));
    assert_false(was_logged("line=21 "));
    assert_true(was_logged("there are more such lines"));
}

static void what_is_no_file_is_complained_of(void **state)
{
    struct rig *rig = *state;
    start(rig);
    assert_int_equal(mkfifo(rig->path, 0600), 0);
    start(rig); /* and nobody waits */
    assert_true(was_logged("why=\"it is no file\""));
}

static void what_cannot_be_kept_holds(void **state)
{
    struct rig *rig = *state;
    char directory[128];
    start(rig);
    snprintf(directory, sizeof(directory), "%s/lib", rig->top);
    assert_int_equal(rmdir(directory), 0);
    assert_true(put(rig, LISTED_BLOCKED, "192.0.2.7"));
    assert_int_equal(find(rig, "192.0.2.7"), LISTED_BLOCKED);
    assert_non_null(strstr(rig->listing.unkept, "No such file or directory"));
    assert_true(was_logged("state=not-kept"));
    assert_int_equal(mkdir(directory, 0700), 0);
    int64_t look_ms = listing_look(&rig->listing, clock_ms());
    assert_int_equal(look_ms, clock_ms() + LISTING_RETRY_MS);
    assert_string_equal(read_file(rig->path), "");
    fake_clock_move_to(look_ms);
    assert_true(listing_look(&rig->listing, look_ms) == CLOCK_NEVER);
    assert_non_null(strstr(read_file(rig->path), "block 192.0.2.7\n"));
    assert_string_equal(rig->listing.unkept, "");
    assert_true(was_logged("state=kept"));
}

static void without_a_file_it_holds_and_is_not_kept(void **state)
{
    struct rig *rig = *state;
    listing_open(&rig->listing, &rig->listed, NULL, false);
    assert_true(put(rig, LISTED_BLOCKED, "192.0.2.7"));
    assert_int_equal(find(rig, "192.0.2.7"), LISTED_BLOCKED);
    assert_non_null(strstr(rig->listing.unkept, "listed_file is not set"));
    assert_true(listing_look(&rig->listing, clock_ms()) == CLOCK_NEVER);
}

static void what_is_over_goes_from_memory_and_file(void **state)
{
    struct rig *rig = *state;
    start(rig);
    assert_true(put(rig, LISTED_BLOCKED, "192.0.2.7 for 1h"));
    assert_true(put(rig, LISTED_BLOCKED, "192.0.2.8 for 30d"));
    int64_t began_ms = clock_ms(), look_ms = began_ms;
    for (int looks = 0; look_ms <= began_ms + HOUR_MS; looks++) {
        assert_true(looks < 100);
        fake_clock_move_to(look_ms);
        int64_t next_ms = listing_look(&rig->listing, look_ms);
        assert_true(next_ms > look_ms);
        look_ms = next_ms;
    }
    assert_int_equal(find(rig, "192.0.2.7"), LISTED_NOT);
    assert_null(strstr(read_file(rig->path), "192.0.2.7"));
    assert_non_null(strstr(read_file(rig->path), "192.0.2.8"));
}

static void what_was_over_at_the_start_is_not_there(void **state)
{
    struct rig *rig = *state;
    start(rig);
    put_file(rig->path, "block 192.0.2.7 until 1970-01-02T00:00:00Z\n", 0600);
    start(rig);
    assert_int_equal(rig->listed.end, 0);
    assert_false(was_logged("state=bad"));
}

static void a_master_that_stops_leaves_the_file_alone(void **state)
{
    struct rig *rig = *state;
    start(rig);
    assert_true(put(rig, LISTED_BLOCKED, "192.0.2.7"));
    listing_yield(&rig->listing);
    assert_true(put(rig, LISTED_BLOCKED, "192.0.2.8"));
    assert_int_equal(find(rig, "192.0.2.8"), LISTED_BLOCKED);
    assert_true(rig->listing.unkept[0] != '\0');
    assert_null(strstr(read_file(rig->path), "192.0.2.8"));
}

static void there_is_an_end_to_it(void **state)
{
    struct rig *rig = *state;
    listing_open(&rig->listing, &rig->listed, NULL, false);
    for (int i = 0; i < LISTED_MAX; i++) {
        char text[32];
        snprintf(text, sizeof(text), "10.0.%d.%d", i / 256, i % 256);
        assert_true(put(rig, LISTED_BLOCKED, text));
    }
    assert_false(put(rig, LISTED_BLOCKED, "192.0.2.7"));
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(it_is_there_again_after_a_start),
        WITH_RIG(the_directory_is_made),
        WITH_RIG(a_bad_line_is_named_and_kept),
        WITH_RIG(what_somebody_wrote_meanwhile_is_kept),
        WITH_RIG(a_file_that_others_may_write_is_not_obeyed),
        WITH_RIG(garbage_ends_the_complaints_not_the_start),
        WITH_RIG(what_is_no_file_is_complained_of),
        WITH_RIG(what_cannot_be_kept_holds),
        WITH_RIG(without_a_file_it_holds_and_is_not_kept),
        WITH_RIG(what_is_over_goes_from_memory_and_file),
        WITH_RIG(what_was_over_at_the_start_is_not_there),
        WITH_RIG(a_master_that_stops_leaves_the_file_alone),
        WITH_RIG(there_is_an_end_to_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
