/* SPDX-License-Identifier: ISC
 *
 * places: a server keeps its place as long as anybody names it, and no other gets it meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>

#include "daemon/places.h"

static const struct endpoint A = {.kind = ENDPOINT_IP, .address = {.family = 4, .bytes = {192, 0, 2, 1}}, .port = 25},
                             B = {.kind = ENDPOINT_IP, .address = {.family = 4, .bytes = {192, 0, 2, 2}}, .port = 25};

static void a_server_keeps_its_place(void **state)
{
    (void)state;
    struct places places = {0};
    assert_int_equal(places_take(&places, "in", "one", &A), 0);
    assert_int_equal(places_take(&places, "in", "two", &B), 1);
    /* the next configuration, while the first lives: another order, another address, another backend */
    assert_int_equal(places_take(&places, "in", "two", &B), 1);
    assert_int_equal(places_take(&places, "in", "one", &B), 2);
    assert_int_equal(places_take(&places, "out", "two", &B), 3);
    places_give_back(&places, 0);
    places_give_back(&places, 1);
    assert_int_equal(places_take(&places, "in", "three", &A), 0); /* free since nobody names it */
    places_give_back(&places, 1);
    assert_int_equal(places_take(&places, "in", "four", &A), 1);
    for (int i = 0; i < 4; i++)
        places_give_back(&places, i);
    places_give_back(&places, -1);
}

static void when_all_are_taken_there_is_none(void **state)
{
    (void)state;
    struct places places = {0};
    char name[16];
    for (int i = 0; i < SCOREBOARD_SERVERS_MAX; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        assert_int_equal(places_take(&places, "in", name, &A), i);
    }
    assert_int_equal(places_take(&places, "in", "more", &A), -1);
    places_give_back(&places, 17);
    assert_int_equal(places_take(&places, "in", "more", &A), 17);
    for (int i = 0; i < SCOREBOARD_SERVERS_MAX; i++)
        places_give_back(&places, i);
}

static void a_place_of_an_earlier_program_is_kept(void **state)
{
    static struct places places;
    (void)state;
    assert_true(places_keep(&places, 1, "in", "one", &A));
    assert_true(places_keep(&places, 1, "in", "one", &A)); /* of two generations */
    assert_false(places_keep(&places, 1, "in", "two", &B));
    assert_int_equal(places_take(&places, "in", "two", &B), 0);
    assert_int_equal(places_take(&places, "in", "one", &A), 1);
    places_give_back(&places, 1);
    places_give_back(&places, 1);
    assert_int_equal(places_take(&places, "in", "three", &A), 2);
    places_give_back(&places, 1);
    assert_int_equal(places_take(&places, "in", "four", &A), 1);
    for (int i = 0; i < 3; i++)
        places_give_back(&places, i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_keeps_its_place),
        cmocka_unit_test(when_all_are_taken_there_is_none),
        cmocka_unit_test(a_place_of_an_earlier_program_is_kept),
    };
    return cmocka_run_group_tests_name("places", tests, NULL, NULL);
}
