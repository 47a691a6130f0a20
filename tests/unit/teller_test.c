/* SPDX-License-Identifier: ISC
 *
 * teller: what posternctl's child answers of a store that lies in a directory of the test's, with a storekeeper that
 * writes down what it is told when it is asked to. */
#include "tests/unit/teller_rig.h"

enum { MANY = 1200 };

/* -- the greylist */

static void what_was_added_is_listed_and_goes_again(void **state)
{
    (void)state;
    ask("greylist add 192.0.2.7");
    assert_heard("allowance client=\"192.0.2.0/24\" by=\"order\" ");
    assert_unheard("until=");
    ask("greylist add Example.COM <Ann@Example.com> bob@example.org");
    assert_heard(
        "grey client=\"example.com\" sender=\"ann@example.com\" recipient=\"bob@example.org\" state=\"passed\" "
        "attempts=1 ");
    assert_heard(" until="); /* who passed is forgotten some day */
    ask("greylist add 192.0.2.0/24 <> bob@example.org");
    ask("greylist list");
    assert_ended_well();
    assert_heard("allowance client=\"192.0.2.0/24\"");
    assert_heard("sender=\"<>\" recipient=\"bob@example.org\"");
    assert_int_equal(count_heard("grey client="), 2);
    ask("greylist list ANN@");
    assert_int_equal(count_heard("client="), 1);
    ask("greylist list 192.0.2.77");
    assert_int_equal(count_heard("client=\"192.0.2.0/24\""), 2);
    assert_int_equal(count_heard("client="), 2);
    ask("greylist delete example.com ann@example.com");
    assert_heard("deleted entries=1 allowances=0");
    ask("greylist delete 192.0.2.99");
    assert_heard("deleted entries=1 allowances=1");
    ask("greylist list");
    assert_string_equal(heard, "ok\n");
    ask("greylist add Example.COM.");
    assert_heard("allowance client=\"example.com\" ");
    ask("greylist delete example.com");
    assert_heard("deleted entries=0 allowances=1");
    ask("greylist delete 192.0.2.99");
    assert_heard("error why=\"nothing is remembered of that\"");
}

static void a_client_is_deleted_whole_and_no_other(void **state)
{
    (void)state;
    import_well(lines_of("g example.com a@b.test\tfirst=%1$lld last=%2$lld expires=%3$lld passed=no\n"
                         "g example.com * c@d.test\tfirst=%1$lld last=%2$lld expires=%3$lld passed=no\n"
                         "g example.com.test a@b.test\tfirst=%1$lld last=%2$lld expires=%3$lld passed=no\n"));
    ask("greylist delete example.com");
    assert_heard("deleted entries=2 allowances=0");
    ask("greylist list");
    assert_int_equal(count_heard("client=\"example.com.test\""), 1);
    assert_int_equal(count_heard("client="), 1);
}

static void an_address_stands_for_a_network_of_each_length_that_clients_have(void **state)
{
    (void)state;
    prefixes_add(&prefixes, 4, 28);
    ask("greylist add 192.0.2.77");
    assert_heard("allowance client=\"192.0.2.0/24\"");
    assert_heard("allowance client=\"192.0.2.64/28\"");
    ask("greylist add 192.0.2.77 ann@example.com bob@example.org");
    assert_int_equal(count_heard("grey client="), 2);
    ask("greylist add 2001:db8::7");
    assert_int_equal(count_heard("allowance client=\"2001:db8::/64\""), 1);
    ask("greylist list 192.0.2.78");
    assert_int_equal(count_heard("client="), 4);
    ask("greylist list 192.0.2.1");
    assert_int_equal(count_heard("client="), 2);
    ask("greylist add 192.0.2.16/28");
    assert_heard("allowance client=\"192.0.2.16/28\"");
    ask("greylist delete 192.0.2.65");
    assert_heard("deleted entries=2 allowances=2");
    ask("greylist list");
    assert_int_equal(count_heard("client="), 2);
}

static void a_network_that_no_client_has_is_refused(void **state)
{
    (void)state;
    static const char *const networks[] = {"203.0.0.0/16", "203.0.113.0/28", "203.0.113.7/32"};
    prefixes_add(&prefixes, 4, 27);
    for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
        char line[64];
        snprintf(line, sizeof(line), "greylist add %s", networks[i]);
        ask(line);
        assert_heard("error why=\"no client's network is of that length: in the greylist those of IPv4 are /24, /27\"");
        snprintf(line, sizeof(line), "greylist delete %s", networks[i]);
        ask(line);
        assert_heard("those of IPv4 are /24, /27\"");
    }
    ask("greylist add 2001:db8::/48 ann@example.com");
    assert_heard("those of IPv6 are /64\"");
    ask("greylist list");
    assert_string_equal(heard, "ok\n");
    prefixes_add(&prefixes, 4, 16);
    ask("greylist add 203.0.0.0/16");
    prefixes.ipv4[16] = false;
    ask("greylist delete 203.0.0.0/16"); /* of a configuration before */
    assert_heard("deleted entries=0 allowances=1");
}

static void a_long_list_comes_whole(void **state)
{
    (void)state;
    char *lines = calloc(MANY, 128);
    assert_non_null(lines);
    size_t size = 0;
    long long now = (long long)time(NULL);
    for (int i = 0; i < MANY; i++)
        size += (size_t)snprintf(lines + size, 128, "g 10.%d.%d.0/24\tfirst=%lld last=%lld expires=%lld passed=no\n",
                                 i / 250, i % 250, now - 9, now - 9, now + DAY);
    import_well(lines);
    assert_heard("imported taken=1200 kept=0 over=0 bad=0");
    free(lines);
    ask("greylist list");
    assert_ended_well();
    assert_int_equal(count_heard("grey client="), MANY);
    ask("greylist stats");
    assert_heard("greylist entries=1200 waiting=1200 passed=0 over=0 ");
    assert_heard("store records=1200 ");
    ask("store check");
    assert_heard("sound sound=true greylist=1200 allowances=0 networks=0 domains=0 traps=0");
}

static void put(const char *key, const struct store_record *record)
{
    struct store_request request;
    store_request_init(&request, STORE_PUT, slice_of(key));
    memcpy(request.value, record, sizeof(*record));
    while (!store_tell(store_write, &request))
        clock_poll(NULL, 0, clock_deadline(1));
}

static void what_is_over_is_none_of_what_counts(void **state)
{
    (void)state;
    uint32_t now = (uint32_t)time(NULL);
    put("g over.test", &(struct store_record){now - 9, now - 9, now - 1, 1, {.passed = 0}});
    put("g passed.test", &(struct store_record){now - 9, now - 9, now - 1, 1, {.passed = 1}});
    put("a over.test", &(struct store_record){now - 9, now - 9, now - 1, UINT32_MAX, {0}});
    put("t 192.0.2.9", &(struct store_record){now - 9, now - 9, now - 1, 1, {0}});
    import_well(lines_of("g waits.test\tfirst=%1$lld last=%2$lld expires=%3$lld passed=no\n"
                         "g passes.test\tfirst=%1$lld last=%2$lld expires=%3$lld passed=yes\n"
                         "a earned.test\tfirst=%1$lld last=%2$lld expires=%3$lld count=9\n"));
    ask("greylist add ordered.test");
    ask("greylist list");
    assert_heard("grey client=\"over.test\" sender=\"\" recipient=\"\" state=\"over\"");
    assert_int_equal(count_heard("state=\"over\""), 2);
    assert_int_equal(count_heard("allowance client="), 2);
    assert_unheard("allowance client=\"over.test\"");
    ask("greylist stats");
    assert_heard("greylist entries=4 waiting=1 passed=1 over=2 ");
    assert_heard(" allowances=2 allowances_by_order=1\n");
    ask("reputation 192.0.2.9");
    assert_ended_well();
    assert_unheard("trapped of=");
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "greylist add nobody",
        "greylist add ann@example.com",
        "greylist delete",
        "greylist add 192.0.2.1/24",
        "greylist add example.com a%zz b",
        "greylist remember",
        "reputation nobody",
        "reputation ann@example.com",
        "reputation forget nobody",
        "store burn",
        "greylist add example.com a *",
        "else list",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        ask(lines[i]);
        if (strncmp(heard, "error why=", 10) != 0)
            fail_msg("%s: %s", lines[i], heard);
    }
}

/* -- reputations and traps */

static void a_reputation_is_told_as_it_is_now_and_on_disk_and_forgotten(void **state)
{
    (void)state;
    struct network network;
    struct table_counts counts = {0};
    import_well(lines_of("n 192.0.2.0/24\tfirst=%1$lld last=%2$lld expires=%3$lld count=4 good=0 bad=136\n"
                         "n 192.0.3.0/24\tfirst=%1$lld last=%2$lld expires=%3$lld count=1 good=16 bad=0\n"
                         "d example.com\tfirst=%1$lld last=%2$lld expires=%3$lld count=7 good=68 bad=0\n"
                         "t 192.0.2.9\tfirst=%1$lld last=%2$lld expires=%3$lld count=2\n"));
    assert_true(network_parse(slice_of("192.0.2.0/24"), &network));
    reputation_learn(&board.reputations, scoreboard_reputation_of(&board, &network), &(struct reputation){50, 0},
                     time(NULL), &counts);
    ask("reputation 192.0.2.7");
    assert_ended_well();
    assert_heard("reputation of=\"192.0.2.0/24\" standing=\"good\" good=3 bad=0");
    assert_heard("remembered of=\"192.0.2.0/24\" standing=\"bad\" good=0 bad=8 sessions=4 ");
    assert_heard("trapped of=\"192.0.2.9\" times=2 ");
    assert_unheard("192.0.3.0");
    ask("reputation 192.0.0.0/16");
    assert_unheard("reputation of=");
    assert_int_equal(count_heard("remembered of="), 2);
    ask("reputation Example.com.");
    assert_heard("reputation of=\"example.com\" standing=\"unknown\" good=0 bad=0");
    assert_heard("remembered of=\"example.com\" standing=\"good\" good=4 bad=0 sessions=7 ");
    ask("reputation 2001:db8::1");
    assert_heard("reputation of=\"2001:db8::/64\" standing=\"unknown\"");
    ask("reputation forget 192.0.2.7");
    assert_heard("deleted networks=1 domains=0 traps=1");
    ask("reputation forget Example.com.");
    assert_heard("deleted networks=0 domains=1 traps=0");
}

/* -- export and import */

/* The lines that were exported, as they are in a file. */
static char *exported(void)
{
    char *lines = calloc(1, HEARD_MAX), *to = lines;
    assert_non_null(lines);
    ask("store export");
    assert_ended_well();
    struct slice rest = slice_of(heard), line;
    static struct control_field field;
    while ((line = slice_take_until(&rest, '\n')).size > 2) {
        struct slice kind;
        assert_true(control_read_kind(&line, &kind) && slice_equal(kind, slice_of("line")));
        assert_true(control_read_field(&line, &field));
        memcpy(to, field.text, field.size);
        to += field.size;
        *to++ = '\n';
    }
    return lines;
}

static void what_was_exported_is_what_another_host_imports(void **state)
{
    (void)state;
    import_well(
        lines_of("g example.com a%%20b@b.test c@d.test\tfirst=%1$lld last=%2$lld expires=%3$lld count=3 passed=yes\n"
                 "a 2001:db8::/64\tfirst=%1$lld last=%2$lld expires=0 count=9\n"
                 "d example.com\tfirst=%1$lld last=%2$lld expires=%3$lld count=7 good=64 bad=5\n"));
    char *first = exported();
    assert_non_null(strstr(first, "g example.com a%20b@b.test c@d.test\tfirst="));
    end_keeper();
    forget_all();
    begin_keeper();
    import_well(first);
    assert_heard("imported taken=3 kept=0 over=0 bad=0");
    char *second = exported();
    assert_string_equal(first, second);
    import_well(second);
    assert_heard("imported taken=0 kept=3 over=0 bad=0");
    free(first);
    free(second);
}

static void bad_lines_are_named_and_the_others_are_taken(void **state)
{
    (void)state;
    char *lines = calloc(1, 8192);
    assert_non_null(lines);
    snprintf(lines, 8192, "%s\n%s",
             lines_of("x y\tfirst=1 last=1 expires=0\n"
                      "a good.test\tfirst=%1$lld last=%2$lld expires=%3$lld count=1\n"
                      "a over.test\tfirst=1 last=2 expires=3 count=1\n"
                      "g no.values\n"),
             "a ");
    memset(lines + strlen(lines), 'x', 3000);
    strncat(lines, "\na later.test\tfirst=1 last=1 expires=0 count=1\na cut.test\tfirst=1 last=1 expires=0 count=1",
            200);
    ask_with("store import", lines);
    free(lines);
    assert_heard("bad line=1 why=\"its key is none");
    assert_heard("bad line=4 why=");
    assert_heard("bad line=6 why=\"the line is too long\"");
    assert_heard("bad line=8 why=\"its end is missing");
    assert_heard("imported taken=2 kept=0 over=1 bad=4");
    assert_heard("error why=\"lines that are none of a store's were left out: 4\"");
    ask("greylist list");
    assert_int_equal(count_heard("allowance client="), 2);
}

/* What stood before must not be overwritten by the older line only since it is not on disk yet. */
static void what_stands_twice_is_merged_with_itself(void **state)
{
    (void)state;
    import_well(lines_of("a twice.test\tfirst=%1$lld last=%2$lld expires=%3$lld count=9\n"
                         "t 192.0.2.0/24\tfirst=%1$lld last=%2$lld expires=%3$lld count=3\n"
                         "a twice.test\tfirst=%1$lld last=%1$lld expires=%3$lld count=2\n"
                         "t 192.0.2.0/24\tfirst=%1$lld last=%1$lld expires=%3$lld count=1\n"));
    assert_heard("imported taken=2 kept=2 over=0 bad=0");
    ask("greylist list");
    assert_heard("client=\"twice.test\" by=\"deliveries\" deliveries=9 ");
}

static void what_another_clock_saw_later_than_now_was_seen_now(void **state)
{
    (void)state;
    char lines[256], text[64];
    long long later = (long long)time(NULL) + DAY;
    snprintf(lines, sizeof(lines), "g later.test\tfirst=%1$lld last=%1$lld expires=%2$lld count=1 passed=no\n", later,
             later + DAY);
    import_well(lines);
    ask("greylist list later.test");
    assert_int_equal(count_heard("client="), 1);
    snprintf(text, sizeof(text), "=%lld ", later);
    assert_unheard(text);
}

static void what_the_storekeeper_lost_meanwhile_is_said(void **state)
{
    (void)state;
    end_keeper();
    loses_all = true;
    begin_keeper();
    loses_all = false;
    ask_with("store import", "a lost.test\tfirst=1 last=1 expires=0 count=1\n");
    assert_heard("error why=\"the storekeeper has lost changes meanwhile\"");
}

static void one_that_has_no_room_is_asked_again_when_it_has(void **state)
{
    (void)state;
    const struct store_record record = {1, 1, 0, 1, {0}};
    char key[32];
    for (int i = 0; i < WAITING_MAX; i++) {
        snprintf(key, sizeof(key), "a x%d.test", i);
        put(key, &record);
    }
    ask("greylist add example.com");
    assert_ended_well();
    ask("greylist list example.com");
    assert_heard("allowance client=\"example.com\"");
}

/* -- what may be missing */

static void without_a_storekeeper_it_is_read_and_not_changed(void **state)
{
    (void)state;
    ask("greylist add example.com");
    end_keeper();
    ask("greylist list");
    assert_ended_well();
    assert_heard("allowance client=\"example.com\"");
    static const char *const changes[] = {"greylist add example.net", "greylist delete example.com", "store import"};
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        ask(changes[i]);
        assert_heard("error why=\"no storekeeper is there: nothing can be changed\" try=");
    }
    ask("greylist stats");
    assert_heard("storekeeper state=\"not answering\"");
}

static void without_a_store_there_is_a_way_out(void **state)
{
    (void)state;
    end_keeper();
    forget_all();
    ask("greylist list");
    assert_heard("error why=\"there is no store yet");
    options.directory = NULL;
    ask("reputation 192.0.2.7");
    assert_ended_well();
    assert_heard("reputation of=\"192.0.2.0/24\"");
    options.directory = directory;
}

static void scribble(off_t from, size_t size)
{
    char path[64], octets[4096];
    snprintf(path, sizeof(path), "%s/memory.mdb", directory);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    memset(octets, 0xa5, sizeof(octets));
    for (size_t at = 0; at < size; at += sizeof(octets))
        assert_int_equal(pwrite(fd, octets, sizeof(octets), from + (off_t)at), sizeof(octets));
    close(fd);
}

/* Whether LMDB finds out or dies of it: who asked is told. */
static void a_damaged_store_is_called_so(void **state)
{
    (void)state;
    ask("greylist add example.com");
    end_keeper();
    scribble(8192, 65536);
    ask_with("store check", "");
    assert_heard("error why=\"the store is damaged");
    assert_unheard("ok\n");
    scribble(0, 8192);
    ask("store check");
    assert_heard("error why=\"the store is damaged");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_added_is_listed_and_goes_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_is_deleted_whole_and_no_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_address_stands_for_a_network_of_each_length_that_clients_have, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_network_that_no_client_has_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_list_comes_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_over_is_none_of_what_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reputation_is_told_as_it_is_now_and_on_disk_and_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_exported_is_what_another_host_imports, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_lines_are_named_and_the_others_are_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_stands_twice_is_merged_with_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_another_clock_saw_later_than_now_was_seen_now, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_storekeeper_lost_meanwhile_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_has_no_room_is_asked_again_when_it_has, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_storekeeper_it_is_read_and_not_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_store_there_is_a_way_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_store_is_called_so, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
