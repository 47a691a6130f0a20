/* SPDX-License-Identifier: ISC
 *
 * Reloads of the rig's master, waited for. */
#ifndef POSTERN_TESTS_UNIT_RELOAD_RIG_H
#define POSTERN_TESTS_UNIT_RELOAD_RIG_H

#include "daemon/succession.h"

#include "tests/unit/master_rig.h"

static inline bool logs_times(struct rig *rig, const char *text, int count)
{
    int64_t deadline = clock_deadline(RIG_PATIENCE_MS);
    while (rig_count(rig, text) < count && clock_ms() < deadline)
        rig_read_log(rig, RIG_POLL_MS);
    return rig_count(rig, text) == count;
}

static const char DONE[] = "event=reload state=done", REFUSED[] = "event=reload state=refused",
                  BEGUN[] = "event=reload state=begun";

static inline bool is_gone(pid_t pid)
{
    int64_t deadline = clock_deadline(RIG_PATIENCE_MS);
    while (kill(pid, 0) == 0 && clock_ms() < deadline)
        usleep(RIG_POLL_MS * 1000);
    return kill(pid, 0) != 0;
}

static inline void reload(struct rig *rig)
{
    rig_read_log(rig, 0);
    int before = rig_count(rig, DONE);
    assert_int_equal(kill(rig->master, SIGHUP), 0);
    assert_true(logs_times(rig, DONE, before + 1));
}

/* Who waits is woken by the end of its lifeline, or by one client more: so a client may still meet the generation
 * before. */
static inline struct client client_of(struct rig *rig, int generation)
{
    struct client client = client_open(rig);
    int64_t deadline = clock_deadline(RIG_PATIENCE_MS);
    while (client.generation != generation && clock_ms() < deadline) {
        assert_in_range(client.generation, 1, generation - 1);
        client_close(&client);
        usleep(RIG_POLL_MS * 1000); /* or who is to leave is never alone with its lifeline */
        client = client_open(rig);
    }
    assert_int_equal(client.generation, generation);
    return client;
}

static inline void reload_in_vain(struct rig *rig, const char *why)
{
    int before = rig_count(rig, REFUSED);
    assert_int_equal(kill(rig->master, SIGHUP), 0);
    assert_true(logs_times(rig, REFUSED, before + 1));
    assert_non_null(strstr(rig->log, why));
}

static inline void wait_for_plans(const struct rig *rig, int count)
{
    int64_t deadline = clock_deadline(RIG_PATIENCE_MS);
    while (rig->wanted->plans != count && clock_ms() < deadline)
        usleep(RIG_POLL_MS * 1000);
    assert_int_equal(rig->wanted->plans, count);
}

static inline void echo(const struct client *client)
{
    char line[DUMMY_LINE_SIZE];
    client_say(client, "echo");
    assert_true(client_hear(client, line));
    assert_string_equal(line, "echo\n");
}

static inline pid_t child_named(const struct rig *rig, const char *name)
{
    int64_t deadline = clock_deadline(RIG_PATIENCE_MS);
    while (clock_ms() < deadline) {
        pid_t all[256];
        int found = rig_children(rig, all, 256);
        for (int i = 0; i < found; i++)
            if (rig_is_named(all[i], name))
                return all[i];
        usleep(RIG_POLL_MS * 1000);
    }
    return 0;
}

static inline struct endpoint another_address(void)
{
    return (struct endpoint){
        .kind = ENDPOINT_IP, .address = {.family = 4, .bytes = {127, 0, 0, 1}}, .port = rig_free_port()};
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, rig_set_up, rig_tear_down)

#endif
