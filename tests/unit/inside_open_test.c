/* SPDX-License-Identifier: ISC
 *
 * inside_open: servers are tried in the order of the file, those that the housekeeper believes down last; nobody is
 * left out for a rumour, nor tried twice. No server is there at all: whom it tried, and when, is what it complains of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/scoreboard.h"
#include "workers/inside.h"

static struct server servers[4] = {
    {.name = "a", .heard_slot = 7}, {.name = "b", .heard_slot = 63}, {.name = "c", .heard_slot = -1}, {.name = "d"}};
static const struct backend backend = {.name = "inside",
                                       .pass_client = PASS_CLIENT_NONE,
                                       .servers = {servers, 4, sizeof(servers[0])},
                                       .connect_timeout_ms = 1000};
static struct health health[SCOREBOARD_SERVERS_MAX];
static char tried[256];

static void take_line(enum level level, const char *line)
{
    const char *server = strstr(line, " server=");
    (void)level;
    assert_non_null(server);
    strncat(tried, server + strlen(" server="), 1);
}

static int set_up(void **state)
{
    (void)state;
    memset(health, 0, sizeof(health));
    for (size_t i = 0; i < backend.servers.count; i++) {
        servers[i].address = (struct endpoint){.kind = ENDPOINT_UNIX};
        snprintf(servers[i].address.path, sizeof(servers[i].address.path), "/nonexistent/%s", servers[i].name);
    }
    log_to_function(take_line);
    return 0;
}

static const char *try_all(const struct health *known)
{
    static struct inside in;
    struct wait wait = {0};
    struct endpoint client = {.kind = ENDPOINT_IP, .address.family = 4};
    struct inside_client who = {&client, &client, "mx.test", "s1"};
    struct reply reply;
    tried[0] = '\0';
    inside_init(&in, &wait, &backend, NULL, &who);
    in.health = known;
    assert_int_equal(inside_reach(&in, &reply), ASKED_LOST);
    assert_int_equal(reply.code, 451);
    return tried;
}

static void the_files_order_where_nothing_is_known(void **state)
{
    (void)state;
    assert_string_equal(try_all(NULL), "abcd");
    assert_string_equal(try_all(health), "abcd");
}

static void who_is_down_comes_last(void **state)
{
    (void)state;
    health[7].state = HEALTH_DOWN;
    health[0].state = HEALTH_UP;
    assert_string_equal(try_all(health), "bcda");
    health[63].state = HEALTH_DOWN;
    assert_string_equal(try_all(health), "cdab");
}

static void all_down_is_as_none_down(void **state)
{
    (void)state;
    for (int i = 0; i < SCOREBOARD_SERVERS_MAX; i++)
        health[i].state = HEALTH_DOWN;
    assert_string_equal(try_all(health), "cabd"); /* c has no place on the scoreboard */
}

static void damage_is_no_news(void **state)
{
    (void)state;
    memset(health, 0xff, sizeof(health));
    assert_string_equal(try_all(health), "abcd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_files_order_where_nothing_is_known, set_up),
        cmocka_unit_test_setup(who_is_down_comes_last, set_up),
        cmocka_unit_test_setup(all_down_is_as_none_down, set_up),
        cmocka_unit_test_setup(damage_is_no_news, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
