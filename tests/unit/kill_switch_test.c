/* SPDX-License-Identifier: ISC
 *
 * kill_switch: the session that was named is shut down, by a signal or at its beginning; no other one, and no other
 * descriptor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/orders.h"
#include "workers/kill_switch.h"

enum { SLOT = 1, SLOTS = 2, NUMBER = 4711 };

struct ends {
    struct orders *orders;
    int ours, theirs;
};

static int set_up(void **state)
{
    struct ends *ends = calloc(1, sizeof(*ends));
    int pair[2];
    *state = ends;
    if (ends == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    ends->orders = calloc(1, orders_bytes(SLOTS));
    ends->ours = pair[0];
    ends->theirs = pair[1];
    return kill_switch_install() ? 0 : -1;
}

static int tear_down(void **state)
{
    struct ends *ends = *state;
    kill_switch_disarm();
    close(ends->ours);
    close(ends->theirs);
    free(ends->orders);
    free(ends);
    return 0;
}

static bool is_shut(const struct ends *ends)
{
    char octet;
    ssize_t got = recv(ends->theirs, &octet, 1, MSG_DONTWAIT);
    assert_true(got == 0 || (got < 0 && errno == EAGAIN));
    return got == 0;
}

static void order(const struct ends *ends, int slot, uint64_t number)
{
    orders_kill(ends->orders, slot, number);
    raise(SIGUSR2);
}

static void the_session_that_was_named_is_shut_down(void **state)
{
    struct ends *ends = *state;
    kill_switch_arm(ends->orders, SLOT, NUMBER, ends->ours);
    assert_false(kill_switch_is_pulled());
    order(ends, SLOT, NUMBER);
    assert_true(kill_switch_is_pulled());
    assert_true(is_shut(ends));
}

static void no_other_one_is(void **state)
{
    struct ends *ends = *state;
    kill_switch_arm(ends->orders, SLOT, NUMBER, ends->ours);
    raise(SIGUSR2);
    order(ends, SLOT, NUMBER - 1);
    order(ends, 0, NUMBER);
    assert_false(kill_switch_is_pulled());
    assert_false(is_shut(ends));
}

static void an_order_that_was_there_before_is_seen(void **state)
{
    struct ends *ends = *state;
    order(ends, SLOT, NUMBER); /* nobody is served */
    assert_false(is_shut(ends));
    kill_switch_arm(ends->orders, SLOT, NUMBER, ends->ours);
    assert_true(kill_switch_is_pulled());
    assert_true(is_shut(ends));
}

static void the_next_session_begins_anew(void **state)
{
    struct ends *ends = *state;
    order(ends, SLOT, NUMBER);
    kill_switch_arm(ends->orders, SLOT, NUMBER + 1, ends->ours);
    raise(SIGUSR2);
    assert_false(kill_switch_is_pulled());
    assert_false(is_shut(ends));
}

static void once_disarmed_the_descriptor_is_safe(void **state)
{
    struct ends *ends = *state;
    kill_switch_arm(ends->orders, SLOT, NUMBER, ends->ours);
    kill_switch_disarm();
    order(ends, SLOT, NUMBER);
    assert_false(is_shut(ends));
}

static void nobody_orders_anything(void **state)
{
    struct ends *ends = *state;
    kill_switch_arm(NULL, SLOT, NUMBER, ends->ours);
    raise(SIGUSR2);
    assert_false(kill_switch_is_pulled());
    assert_false(is_shut(ends));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_session_that_was_named_is_shut_down, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_other_one_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_order_that_was_there_before_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_next_session_begins_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(once_disarmed_the_descriptor_is_safe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_orders_anything, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
