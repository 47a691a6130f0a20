/* SPDX-License-Identifier: ISC
 *
 * deeds, on a ledger with a real file: what is answered before, while and after it goes to disk is the same; what
 * cannot be written down defers nobody; keys that are none of a deed's are none of its business.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "workers/storekeeper/deeds.h"

enum { NOW = 1700000000, DELAY = 300, WINDOW = 86400, LIFETIME = 36 * 86400, MIB = 1 << 20 };

struct fixture {
    char directory[64];
    struct shelf *shelf;
    struct ledger ledger;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    snprintf(f->directory, sizeof(f->directory), "/tmp/postern-deeds-XXXXXX");
    if (mkdtemp(f->directory) == NULL || shelf_open(&f->shelf, f->directory, 16 * MIB, NULL) != SHELF_DONE)
        return -1;
    return ledger_open(&f->ledger, f->shelf) ? 0 : -1;
}

static void remove_file(const char *directory, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    unlink(path);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ledger_close(&f->ledger);
    shelf_close(&f->shelf);
    remove_file(f->directory, "memory.mdb");
    remove_file(f->directory, "memory.mdb-lock");
    rmdir(f->directory);
    free(f);
    return 0;
}

static struct store_request request_of(enum store_deed deed, const char *key)
{
    struct store_request request;
    store_request_init(&request, deed, slice_of(key));
    request.delay_s = DELAY;
    request.window_s = WINDOW;
    request.lifetime_s = LIFETIME;
    return request;
}

static struct store_answer ask(struct fixture *f, enum store_deed deed, const char *key, time_t now)
{
    struct store_request request = request_of(deed, key);
    return deeds_do(&f->ledger, &request, now);
}

static void commit(struct fixture *f)
{
    if (ledger_launch(&f->ledger) > 0)
        assert_int_equal(ledger_land(&f->ledger, false, NULL), SHELF_DONE);
}

#define GREY "g 192.0.2.0/24 ann@example.com bob@example.org"

static void an_attempt_is_remembered_wherever_it_is(void **state)
{
    struct fixture *f = *state;
    struct store_answer answer = ask(f, STORE_ATTEMPT, GREY, NOW);
    assert_int_equal(answer.outcome, STORE_FIRST);
    assert_int_equal(answer.seconds, DELAY);
    answer = ask(f, STORE_ATTEMPT, GREY, NOW + 100);
    assert_int_equal(answer.outcome, STORE_EARLY);
    assert_int_equal(answer.seconds, DELAY - 100);
    assert_true(ledger_launch(&f->ledger) > 0); /* on its way */
    assert_int_equal(ask(f, STORE_ATTEMPT, GREY, NOW + 200).outcome, STORE_EARLY);
    assert_int_equal(ledger_land(&f->ledger, false, NULL), SHELF_DONE);
    assert_int_equal(ask(f, STORE_ATTEMPT, GREY, NOW + DELAY).outcome, STORE_PASS);
    commit(f);
    assert_int_equal(ask(f, STORE_ATTEMPT, GREY, NOW + DELAY + LIFETIME - 1).outcome, STORE_PASS);
    assert_int_equal(ask(f, STORE_ATTEMPT, "g 192.0.2.0/24 ann@example.com eve@example.org", NOW).outcome, STORE_FIRST);
}

static void deliveries_an_hour_apart_earn_an_allowance(void **state)
{
    struct fixture *f = *state;
    struct store_request request = request_of(STORE_DELIVERED, GREY);
    request.allow_after = 2;
    struct store_request other = request_of(STORE_ATTEMPT, "g 192.0.2.0/24 new@example.com bob@example.org");
    other.allow_after = 2;
    assert_int_equal(deeds_do(&f->ledger, &request, NOW).outcome, STORE_DONE);
    assert_int_equal(deeds_do(&f->ledger, &request, NOW + 60).outcome, STORE_DONE);
    assert_int_equal(deeds_do(&f->ledger, &other, NOW + 61).outcome, STORE_FIRST);
    assert_int_equal(deeds_do(&f->ledger, &request, NOW + 3700).outcome, STORE_DONE);
    commit(f);
    assert_int_equal(deeds_do(&f->ledger, &other, NOW + 3701).outcome, STORE_PASS);
    other.allow_after = 0;
    assert_int_equal(deeds_do(&f->ledger, &other, NOW + 3702).outcome, STORE_PASS); /* has waited meanwhile */
}

static void reputations_add_up(void **state)
{
    struct fixture *f = *state;
    struct store_request request = request_of(STORE_LEARN, "d example.com");
    struct store_record record;
    bool damaged;
    request.good = REPUTATION_ONE;
    assert_int_equal(deeds_do(&f->ledger, &request, NOW).outcome, STORE_DONE);
    commit(f);
    assert_int_equal(deeds_do(&f->ledger, &request, NOW).outcome, STORE_DONE);
    assert_int_equal(ledger_find(&f->ledger, slice_of("d example.com"), &record), LEDGER_FOUND);
    assert_int_equal(reputation_read(record.reputation, NOW, &damaged).good, 2 * REPUTATION_ONE);
    assert_int_equal(record.count, 2);
    assert_int_equal(record.first_s, NOW);
}

static uint32_t end_of_put(struct fixture *f, const char *key, uint32_t expires_s)
{
    struct store_request request = request_of(STORE_PUT, key);
    struct store_record record = {.first_s = NOW, .last_s = NOW, .expires_s = expires_s, .count = 1};
    memcpy(request.value, &record, sizeof(record));
    assert_int_equal(deeds_do(&f->ledger, &request, NOW).outcome, STORE_DONE);
    assert_int_equal(ledger_find(&f->ledger, slice_of(key), &record), LEDGER_FOUND);
    return record.expires_s;
}

static void a_reputation_is_over_when_its_points_have_faded(void **state)
{
    enum { DAY = 86400, FADED = NOW + 15 * DAY };
    static const char *const keys[] = {"n 192.0.2.0/24", "d example.com"};
    struct fixture *f = *state;
    struct store_record record;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        assert_int_equal(ask(f, STORE_LEARN, keys[i], NOW).outcome, STORE_DONE);
        assert_int_equal(ledger_find(&f->ledger, slice_of(keys[i]), &record), LEDGER_FOUND);
        assert_int_equal(record.expires_s, FADED);
        assert_int_equal(end_of_put(f, keys[i], NOW + DAY), NOW + DAY);
        assert_int_equal(end_of_put(f, keys[i], FADED + 1), FADED); /* whoever exported it said otherwise */
        assert_int_equal(end_of_put(f, keys[i], 0), FADED);
    }
    assert_int_equal(end_of_put(f, "a example.com", 0), 0);
    assert_int_equal(end_of_put(f, "t 192.0.2.0/24", FADED + 1), FADED + 1);
}

static void who_wrote_to_a_trap_is_known_as_long_as_said(void **state)
{
    struct fixture *f = *state;
    struct store_request request = request_of(STORE_TRAPPED, "t 192.0.2.1/32");
    request.lifetime_s = 1000;
    assert_int_equal(ask(f, STORE_ASK, "t 192.0.2.1/32", NOW).outcome, STORE_FIRST);
    assert_int_equal(deeds_do(&f->ledger, &request, NOW).outcome, STORE_DONE);
    commit(f);
    struct store_answer answer = ask(f, STORE_ASK, "t 192.0.2.1/32", NOW + 400);
    assert_int_equal(answer.outcome, STORE_PASS);
    assert_int_equal(answer.seconds, 600);
    assert_int_equal(ask(f, STORE_ASK, "t 192.0.2.1/32", NOW + 1001).outcome, STORE_FIRST);
}

static void who_is_trapped_for_longer_stays_so(void **state)
{
    struct fixture *f = *state;
    struct store_request request = request_of(STORE_TRAPPED, "t 192.0.2.1/32"), put = request_of(STORE_PUT, "t ::/64");
    struct store_record for_ever = {.first_s = NOW, .last_s = NOW, .count = 1};
    request.lifetime_s = 1000;
    assert_int_equal(deeds_do(&f->ledger, &request, NOW).outcome, STORE_DONE);
    request.lifetime_s = 10;
    assert_int_equal(deeds_do(&f->ledger, &request, NOW + 1).outcome, STORE_DONE);
    assert_int_equal(ask(f, STORE_ASK, "t 192.0.2.1/32", NOW + 400).seconds, 600);
    memcpy(put.value, &for_ever, sizeof(for_ever));
    assert_int_equal(deeds_do(&f->ledger, &put, NOW).outcome, STORE_DONE);
    request = request_of(STORE_TRAPPED, "t ::/64");
    request.lifetime_s = 10;
    assert_int_equal(deeds_do(&f->ledger, &request, NOW).outcome, STORE_DONE);
    assert_int_equal(ask(f, STORE_ASK, "t ::/64", NOW + 1000000).outcome, STORE_PASS);
}

static void what_is_deleted_is_gone_wherever_it_was(void **state)
{
    struct fixture *f = *state;
    ask(f, STORE_ATTEMPT, GREY, NOW);
    commit(f);
    assert_int_equal(ask(f, STORE_DELETE, GREY, NOW).outcome, STORE_PASS);
    assert_int_equal(ask(f, STORE_DELETE, GREY, NOW).outcome, STORE_FIRST);
    assert_int_equal(ask(f, STORE_ATTEMPT, GREY, NOW + DELAY).outcome, STORE_FIRST);
    assert_int_equal(ask(f, STORE_DELETE, GREY, NOW).outcome, STORE_PASS);
    commit(f);
    assert_int_equal(ask(f, STORE_DELETE, GREY, NOW).outcome, STORE_FIRST);
}

static void keys_of_others_are_refused(void **state)
{
    static const struct {
        enum store_deed deed;
        const char *key;
    } wrong[] = {
        {STORE_ATTEMPT, "n 192.0.2.0/24"},
        {STORE_ATTEMPT, "a 192.0.2.0/24"},
        {STORE_LEARN, GREY},
        {STORE_ASK, "d example.com"},
        {STORE_PUT, ""},
        {STORE_PUT, "! x"},
        {STORE_PUT, "z 192.0.2.0/24"},
        {STORE_TRAPPED, GREY},
        {STORE_DELIVERED, "n 192.0.2.0/24"},
        {STORE_FLUSH, GREY},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(ask(f, wrong[i].deed, wrong[i].key, NOW).outcome, STORE_UNSURE);
    assert_int_equal(ledger_waiting(&f->ledger), 0);
}

/* Nobody would remember that they were here, and they would wait for ever. */
static void who_cannot_be_written_down_is_not_deferred(void **state)
{
    struct fixture *f = *state;
    struct store_answer answer = {STORE_FIRST, 0};
    char key[128];
    int tries = 0;
    ask(f, STORE_ATTEMPT, GREY, NOW);
    commit(f);
    for (; answer.outcome == STORE_FIRST && tries <= PENDING_CHANGES_MAX; tries++) {
        snprintf(key, sizeof(key), "g 192.0.2.0/24 ann@example.com bob-%d@example.org", tries);
        answer = ask(f, STORE_ATTEMPT, key, NOW);
    }
    assert_int_equal(answer.outcome, STORE_UNSURE);
    assert_int_equal(ledger_lost(&f->ledger), 1);
    assert_int_equal(ask(f, STORE_ATTEMPT, "g 192.0.2.0/24 ann@example.com bob-0@example.org", NOW).outcome,
                     STORE_EARLY); /* who was is remembered */
    assert_int_equal(ask(f, STORE_ATTEMPT, GREY, NOW + 1).outcome, STORE_EARLY);
    assert_int_equal(ask(f, STORE_ATTEMPT, GREY, NOW + DELAY).outcome, STORE_PASS);
    commit(f);
    assert_int_equal(ask(f, STORE_ATTEMPT, key, NOW).outcome, STORE_FIRST); /* there is room again */
}

/* By a flood, which would have everybody deferred for as long as it lasts. */
static void who_would_be_forgotten_before_he_is_back_is_not_deferred(void **state)
{
    struct fixture *f = *state;
    ask(f, STORE_ATTEMPT, GREY, NOW);
    ledger_note_evicted(&f->ledger, 2 * DELAY, 0);
    assert_int_equal(ask(f, STORE_ATTEMPT, "g 192.0.2.0/24", NOW).outcome, STORE_UNSURE);
    assert_int_equal(ledger_waiting(&f->ledger), 1); /* nor does it take room of others */
    assert_int_equal(ask(f, STORE_ATTEMPT, GREY, NOW + 1).outcome, STORE_EARLY);
    ledger_note_evicted(&f->ledger, UINT32_MAX, 2 * DELAY * 1000 - 1);
    assert_int_equal(ask(f, STORE_ATTEMPT, "g 192.0.2.0/24", NOW).outcome, STORE_UNSURE);
    ledger_note_evicted(&f->ledger, UINT32_MAX, 2 * DELAY * 1000);
    assert_int_equal(ask(f, STORE_ATTEMPT, "g 192.0.2.0/24", NOW).outcome, STORE_FIRST);
    ledger_note_evicted(&f->ledger, 5 * DELAY, 2 * DELAY * 1000);
    assert_int_equal(ask(f, STORE_ATTEMPT, "g 198.51.100.0/24", NOW).outcome, STORE_FIRST);
}

static void a_mark_is_passed_when_all_before_it_is_safe(void **state)
{
    struct fixture *f = *state;
    assert_true(ledger_has_passed(&f->ledger, ledger_mark(&f->ledger))); /* nothing was said */
    ask(f, STORE_ATTEMPT, GREY, NOW);
    uint64_t first = ledger_mark(&f->ledger);
    assert_false(ledger_has_passed(&f->ledger, first));
    ledger_launch(&f->ledger);
    uint64_t flying = ledger_mark(&f->ledger);
    ask(f, STORE_ATTEMPT, "g 192.0.2.0/24", NOW);
    uint64_t second = ledger_mark(&f->ledger);
    assert_int_equal(ledger_land(&f->ledger, true, NULL), SHELF_DONE);
    assert_true(ledger_has_passed(&f->ledger, first));
    assert_true(ledger_has_passed(&f->ledger, flying));
    assert_false(ledger_has_passed(&f->ledger, second));
    commit(f);
    assert_false(ledger_has_passed(&f->ledger, second)); /* it is written, and may be lost with the machine */
    assert_false(ledger_has_passed(&f->ledger, ledger_mark(&f->ledger)));
    assert_int_equal(ledger_sync(&f->ledger), SHELF_DONE);
    assert_true(ledger_has_passed(&f->ledger, second));
}

#define IT(does) cmocka_unit_test_setup_teardown(does, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        IT(an_attempt_is_remembered_wherever_it_is),
        IT(deliveries_an_hour_apart_earn_an_allowance),
        IT(reputations_add_up),
        IT(a_reputation_is_over_when_its_points_have_faded),
        IT(who_wrote_to_a_trap_is_known_as_long_as_said),
        IT(who_is_trapped_for_longer_stays_so),
        IT(what_is_deleted_is_gone_wherever_it_was),
        IT(keys_of_others_are_refused),
        IT(who_cannot_be_written_down_is_not_deferred),
        IT(who_would_be_forgotten_before_he_is_back_is_not_deferred),
        IT(a_mark_is_passed_when_all_before_it_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
