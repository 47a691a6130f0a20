/* SPDX-License-Identifier: ISC
 *
 * ticket_keys: rotation and order; no reader in another process ever sees half of a change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/ticket_keys.h"

enum { ROTATIONS = 20000 };

static void without_a_key_there_is_none(void **state)
{
    static const unsigned char none[TICKET_NAME_BYTES];
    struct ticket_keys keys = {0};
    struct ticket_key key;
    bool newest;
    (void)state;
    assert_false(ticket_keys_newest(&keys, &key));
    assert_false(ticket_keys_find(&keys, none, &key, &newest));
}

static void the_newest_seals_and_the_oldest_goes(void **state)
{
    struct ticket_keys keys = {0};
    struct ticket_key made[TICKET_KEYS_MAX + 1], found;
    bool newest;
    (void)state;
    for (uint32_t i = 0; i <= TICKET_KEYS_MAX; i++) {
        int64_t before = clock_ms();
        assert_true(ticket_keys_rotate(&keys));
        assert_int_equal(atomic_load(&keys.rotated), i + 1);
        assert_true(atomic_load(&keys.rotated_ms) >= before);
        assert_true(ticket_keys_newest(&keys, &made[i]));
        assert_true(i == 0 || memcmp(made[i].name, made[i - 1].name, TICKET_NAME_BYTES) != 0);
    }
    assert_false(ticket_keys_find(&keys, made[0].name, &found, &newest));
    for (int i = 1; i <= TICKET_KEYS_MAX; i++) {
        assert_true(ticket_keys_find(&keys, made[i].name, &found, &newest));
        assert_memory_equal(&found, &made[i], sizeof(found));
        assert_int_equal(newest, i == TICKET_KEYS_MAX);
    }
}

static void a_writer_that_died_half_way_stops_no_reader_for_good(void **state)
{
    struct ticket_keys keys = {0};
    struct ticket_key key;
    (void)state;
    assert_true(ticket_keys_rotate(&keys));
    atomic_fetch_add(&keys.sequence, 1); /* odd, as one killed within a change leaves it */
    assert_false(ticket_keys_newest(&keys, &key));
    assert_true(ticket_keys_rotate(&keys));
    assert_true(ticket_keys_newest(&keys, &key));
}

/* 0: whatever was read under one name was one and the same key; until the writer says that it is done. */
static int read_on(const struct ticket_keys *keys, const _Atomic bool *done)
{
    struct ticket_key first, second, found;
    bool newest;
    while (!atomic_load(done)) {
        if (!ticket_keys_newest(keys, &first) || !ticket_keys_newest(keys, &second))
            continue;
        if (memcmp(first.name, second.name, TICKET_NAME_BYTES) == 0 && memcmp(&first, &second, sizeof(first)) != 0)
            return 1;
        if (ticket_keys_find(keys, first.name, &found, &newest) && memcmp(&first, &found, sizeof(first)) != 0)
            return 2;
    }
    return 0;
}

struct shared {
    struct ticket_keys keys;
    _Atomic bool done;
};

static void no_reader_sees_half_a_change(void **state)
{
    struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    (void)state;
    assert_ptr_not_equal(shared, MAP_FAILED);
    assert_true(ticket_keys_rotate(&shared->keys));
    pid_t reader = fork();
    assert_true(reader >= 0);
    if (reader == 0)
        _exit(read_on(&shared->keys, &shared->done));
    for (int i = 0; i < ROTATIONS; i++)
        assert_true(ticket_keys_rotate(&shared->keys));
    atomic_store(&shared->done, true);
    assert_int_equal(waitpid(reader, &status, 0), reader);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    munmap(shared, sizeof(*shared));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_key_there_is_none),
        cmocka_unit_test(the_newest_seals_and_the_oldest_goes),
        cmocka_unit_test(a_writer_that_died_half_way_stops_no_reader_for_good),
        cmocka_unit_test(no_reader_sees_half_a_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
