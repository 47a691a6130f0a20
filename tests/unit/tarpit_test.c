/* SPDX-License-Identifier: ISC
 *
 * tarpit: a session is held at any stage: who is, for how long, what ends it, what the scoreboard shows meanwhile.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "tests/lib/fake_clock.h"
#include "workers/pressure.h"
#include "workers/tarpit.h"

enum { POOL = 10 };

static struct scoreboard board;
static struct policy policy;
static struct session_options options;
static struct session_setup setup;
static struct wait waits;
static struct session *s;
static int client, pressure[2];
static int64_t began_ms, event_ms; /* after so long `event` happens; 0: never */
static void (*event)(void);

/* Time passes up to the event, or the deadline. */
static void pass_time(int64_t deadline_ms)
{
    if (event_ms == 0 || began_ms + event_ms > deadline_ms) {
        fake_clock_move_to(deadline_ms);
        return;
    }
    fake_clock_move_to(began_ms + event_ms);
    event_ms = 0;
    event();
}

/* As serve.c does. */
static enum io outside_woken(struct wait_guest *guest, short revents)
{
    (void)revents;
    enum input input = stream_input(&s->outside);
    guest->events = 0;
    return input == INPUT_END || input == INPUT_LOST ? IO_GONE : IO_OK;
}

static int make_session(void **state)
{
    int pair[2];
    (void)state;
    if (!scoreboard_create(&board, &(struct scoreboard_size){POOL, 1024, 1024}))
        return -1;
    orders_set_slots_end(board.orders, POOL);
    if (!scoreboard_enter(&board, 0) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 ||
        pipe2(pressure, O_NONBLOCK) != 0)
        return -1;
    for (int slot = 0; slot < POOL; slot++)
        scoreboard_set_tag(&board, slot, slot == 0 ? TAG_BUSY : TAG_IDLE);
    policy = (struct policy){.mode = MODE_ENFORCE};
    options = (struct session_options){
        .policy = &policy, .command_timeout_ms = 300000, .stress_timeout_ms = 10000, .tarpit_share = 50};
    waits = (struct wait){0};
    setup = (struct session_setup){.board = &board,
                                   .wait = &waits,
                                   .pool_size = POOL,
                                   .min_spare = 1,
                                   .pressure_read = pressure[0],
                                   .pressure_write = pressure[1]};
    s = calloc(1, sizeof(*s));
    s->setup = &setup;
    s->options = &options;
    client = pair[1];
    stream_init(&s->outside, &waits, s->outside_in, sizeof(s->outside_in), s->outside_out, sizeof(s->outside_out));
    stream_open(&s->outside, pair[0]);
    s->outside_watch = (struct wait_guest){.fd = pair[0], .woken = outside_woken, .context = s};
    wait_invite(&waits, &s->outside_watch);
    fake_clock_own(pass_time);
    began_ms = clock_ms();
    event_ms = 0;
    return 0;
}

static int clear_session(void **state)
{
    (void)state;
    stream_close(&s->outside);
    free(s);
    if (client >= 0)
        close(client);
    close(pressure[0]);
    close(pressure[1]);
    scoreboard_destroy(&board);
    return 0;
}

static int64_t passed(void)
{
    return clock_ms() - began_ms;
}

static int held_now(void)
{
    return scoreboard_count(&board, 0, POOL).held;
}

static void after(int64_t ms, void (*happens)(void))
{
    event_ms = ms;
    event = happens;
}

static void see_it_held(void)
{
    const struct slot_facts *facts = &board.own->facts;
    assert_int_equal(held_now(), 1);
    assert_int_equal(facts->held, 1);
}

static void held_to_the_end(void **state)
{
    (void)state;
    char heard[20];
    const struct slot_facts *facts = &board.own->facts;
    buffer_put_text(&s->outside.out, "250 Ok\r\n");
    after(1000, see_it_held);
    assert_int_equal(tarpit_hold(s, 6000, false), HELD_OVER);
    assert_int_equal(passed(), 6000);
    assert_int_equal(event_ms, 0);
    assert_int_equal(recv(client, heard, sizeof(heard), MSG_DONTWAIT), 8); /* what was due left before */
    assert_int_equal(held_now(), 0);
    assert_int_equal(facts->held, 0);
    assert_int_equal(facts->held_sessions, 1);
    assert_int_equal(facts->held_ms, 6000);
    assert_int_equal(tarpit_hold(s, 500, false), HELD_OVER);
    assert_int_equal(s->held_ms, 6500);
    assert_int_equal(facts->held_sessions, 1);
    assert_int_equal(facts->held_ms, 6500);
    assert_null(waits.queue);
}

static void fill_house(void);

/* Whether somebody is held is decided elsewhere; but these keep their room. */
static void the_good_make_no_room(void **state)
{
    (void)state;
    options.stress_timeout_ms = 0;
    s->standing = STANDING_GOOD;
    after(1000, fill_house);
    assert_int_equal(tarpit_hold(s, 6000, false), HELD_OVER);
    assert_int_equal(passed(), 6000);
    s->standing = STANDING_BAD;
    assert_true(pressure_may_ask(s));
    s->allowed = true;
    assert_false(pressure_may_ask(s));
    s->allowed = false;
    s->auth = "PLAIN";
    assert_false(pressure_may_ask(s));
}

static void delays_shrink(void **state)
{
    (void)state;
    for (int slot = 0; slot < 9; slot++)
        scoreboard_set_tag(&board, slot, TAG_BUSY);
    assert_int_equal(tarpit_hold(s, 6000, false), HELD_OVER);
    assert_int_equal(passed(), 3000);
}

static void hang_up(void)
{
    close(client);
    client = -1;
}

static void a_hang_up_ends_it(void **state)
{
    (void)state;
    after(1000, hang_up);
    assert_int_equal(tarpit_hold(s, 6000, false), HELD_ENDED);
    assert_int_equal(passed(), 1000);
    assert_string_equal(s->ending, "client hung up");
    assert_int_equal(held_now(), 0);
}

static void say_more(void)
{
    assert_int_equal(send(client, "RCPT TO:<a@b>\r\n", 15, 0), 15);
}

static void say_more_and_shut(void)
{
    say_more();
    assert_int_equal(shutdown(client, SHUT_WR), 0);
}

/* Who pipelines, and ends its side behind that, is still there (L9). */
static void unread_input_keeps_it(void **state)
{
    (void)state;
    after(1000, say_more_and_shut);
    assert_int_equal(tarpit_hold(s, 6000, false), HELD_OVER);
    assert_int_equal(passed(), 6000);
    assert_int_equal(tarpit_hold(s, 6000, false), HELD_OVER);
    assert_false(s->spoke_early);
}

static void a_word_ends_it_where_asked_for(void **state)
{
    (void)state;
    after(1000, say_more);
    assert_int_equal(tarpit_hold(s, 6000, true), HELD_SPOKE);
    assert_int_equal(passed(), 1000);
    assert_true(s->spoke_early);
    assert_int_equal(tarpit_hold(s, 6000, true), HELD_SPOKE); /* it is there already */
    assert_int_equal(passed(), 1000);
}

/* There is no room any more, and somebody says so. */
static void fill_house(void)
{
    for (int slot = 1; slot < POOL; slot++)
        scoreboard_set_tag(&board, slot, TAG_BUSY);
    assert_int_equal(pressure_ask(&setup, 1), 1);
}

static void room_is_made(void **state)
{
    (void)state;
    const struct slot_facts *facts = &board.own->facts;
    char octet;
    after(1000, fill_house);
    assert_int_equal(tarpit_hold(s, 6000, false), HELD_ENDED);
    assert_int_equal(passed(), 1000);
    assert_string_equal(s->ending, MADE_ROOM);
    assert_int_equal(facts->let_go, 1);
    assert_int_equal(buffer_unread(&s->outside.out).size, strlen("421 4.3.2 Busy, try again later\r\n"));
    assert_int_equal(read(pressure[0], &octet, 1), -1);
}

/* However often it is asked for, there are never more octets than room is missing. */
static void octets_do_not_pile_up(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++)
        assert_in_range(pressure_ask(&setup, 3), 1, 3);
    assert_int_equal(pressure_ask(&setup, 3), 3);
    assert_int_equal(pressure_ask(&setup, 2), 2);
    assert_int_equal(pressure_ask(&setup, 0), 0);
    char octets[10];
    assert_int_equal(read(pressure[0], octets, sizeof(octets)), 2);
    setup.pressure_read = setup.pressure_write = -1;
    assert_int_equal(pressure_ask(&setup, 2), 0);
    assert_int_equal(tarpit_hold(s, 1000, false), HELD_OVER); /* without a pipe nobody gives way */
}

#define HELD_TEST(test) cmocka_unit_test_setup_teardown(test, make_session, clear_session)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HELD_TEST(held_to_the_end),   HELD_TEST(the_good_make_no_room), HELD_TEST(delays_shrink),
        HELD_TEST(a_hang_up_ends_it), HELD_TEST(unread_input_keeps_it), HELD_TEST(a_word_ends_it_where_asked_for),
        HELD_TEST(room_is_made),      HELD_TEST(octets_do_not_pile_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
