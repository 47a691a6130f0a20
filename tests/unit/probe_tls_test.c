/* SPDX-License-Identifier: ISC
 *
 * probe: TLS as the backend has it. What sessions would take for a trouble is one, and nothing else is.
 */
#include "tests/unit/probe_rig.h"

#include "tests/unit/tls_certificates.h"

static struct tls_server *good;
static struct tls_client *by_pin, *by_other_pin;
static char certificate_pin_text[65];

static void make_client(struct tls_client **client, const char *pin)
{
    static struct tls_client_options options;
    struct tls_fault fault;
    options = (struct tls_client_options){
        .mode = TLS_MODE_REQUIRE, .verify = TLS_VERIFY_PIN, .pins = {&pin, 1}, .handshake_timeout_ms = TIMEOUT_MS};
    *client = tls_client_new(&options, &fault);
    if (*client == NULL)
        fail_msg("%s: %s", fault.option, fault.text);
}

static int make_all(void **state)
{
    (void)state;
    struct made made = certificate_make((struct wish){.common_name = "inside.test", .names = "DNS:inside.test"});
    const char *file = certificate_write(&made, rig_directory, "inside.pem", true);
    struct tls_server_options options = {.mode = TLS_MODE_MAY, .certificates = {&file, 1}};
    struct tls_fault fault;
    good = tls_server_new(&options, &fault);
    if (good == NULL)
        fail_msg("%s: %s", fault.option, fault.text);
    certificate_pin(&made, certificate_pin_text);
    make_client(&by_pin, certificate_pin_text);
    memset(certificate_pin_text, '0', 64);
    make_client(&by_other_pin, certificate_pin_text);
    certificate_clear(&made);
    unlink(file);
    free((void *)(uintptr_t)file);
    return 0;
}

static int drop_all(void **state)
{
    (void)state;
    tls_server_free(&good);
    tls_client_free(&by_pin);
    tls_client_free(&by_other_pin);
    return 0;
}

static void begin_with(int mode, struct tls_client *client)
{
    backend.tls.mode = mode;
    target.tls = client;
    begin();
}

static void offer_starttls(void)
{
    say("220 one\r\n");
    heard();
    say("250-one\r\n250-DSN\r\n250 STARTTLS\r\n");
}

static void starttls_then_ehlo_anew(void **state)
{
    (void)state;
    begin_with(TLS_MODE_REQUIRE, by_pin);
    offer_starttls();
    assert_string_equal(heard(), "STARTTLS\r\n");
    say("220 go\r\n");
    assert_true(secure_peer(good));
    assert_string_equal(heard(), "EHLO mx.test\r\n");
    say("250-one\r\n250 SIZE 99\r\n");
    assert_string_equal(heard(), "QUIT\r\n");
    say("221 bye\r\n");
    expect_trouble(HEALTH_FINE, "");
    assert_int_equal(probe.offers.keywords, KEYWORD_SIZE); /* what was said in the clear is forgotten */
}

static void implicit_tls_before_the_greeting(void **state)
{
    (void)state;
    begin_with(TLS_MODE_IMPLICIT, by_pin);
    assert_true(secure_peer(good));
    say("220 one\r\n");
    assert_string_equal(heard(), "EHLO mx.test\r\n");
    say("250 one\r\n");
    assert_string_equal(heard(), "QUIT\r\n");
    hang_up();
    settle();
    expect_trouble(HEALTH_FINE, "");
}

static void many_lines_in_one_record(void **state)
{
    (void)state;
    begin_with(TLS_MODE_IMPLICIT, by_pin);
    assert_true(secure_peer(good));
    say("220-one\r\n220-two\r\n220-three\r\n220 four\r\n");
    assert_string_equal(heard(), "EHLO mx.test\r\n");
}

static void where_tls_is_required(void **state)
{
    (void)state;
    begin_with(TLS_MODE_REQUIRE, by_pin);
    say("220 one\r\n");
    say("250 DSN\r\n");
    expect_trouble(HEALTH_NO_TLS, "no STARTTLS is offered");
    hang_up();
    begin_with(TLS_MODE_REQUIRE, by_pin);
    offer_starttls();
    say("454 4.7.0 no certificate\r\n");
    expect_trouble(HEALTH_NO_TLS, "454 4.7.0 no certificate");
}

static void where_tls_may_be(void **state)
{
    (void)state;
    begin_with(TLS_MODE_MAY, by_pin);
    say("220 one\r\n");
    say("250-one\r\n250 DSN\r\n");
    assert_string_equal(heard(), "EHLO mx.test\r\nQUIT\r\n");
    hang_up();
    settle();
    expect_trouble(HEALTH_FINE, "");
    begin_with(TLS_MODE_MAY, by_pin);
    offer_starttls();
    heard();
    say("454 4.7.0 no certificate\r\n");
    assert_string_equal(heard(), "QUIT\r\n");
    say("221 bye\r\n");
    expect_trouble(HEALTH_FINE, "");
    assert_int_equal(probe.offers.keywords, KEYWORD_DSN | KEYWORD_STARTTLS);
}

static void another_certificate_is_a_trouble(void **state)
{
    static const int modes[] = {TLS_MODE_MAY, TLS_MODE_REQUIRE};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        begin_with(modes[i], by_other_pin);
        offer_starttls();
        assert_string_equal(heard(), "STARTTLS\r\n");
        say("220 go\r\n");
        secure_peer(good);
        assert_true(probe_is_over(&probe));
        assert_int_equal(probe.trouble, HEALTH_NO_TLS);
        assert_non_null(strstr(probe.why, "not pinned"));
        hang_up();
    }
}

/* L6: nothing that came in the clear is heard in TLS. */
static void words_behind_the_220_are_a_trouble(void **state)
{
    (void)state;
    begin_with(TLS_MODE_REQUIRE, by_pin);
    offer_starttls();
    say("220 go\r\n250 and more\r\n");
    expect_trouble(HEALTH_NO_TLS, "it spoke before TLS began");
}

static void a_handshake_that_hangs_ends(void **state)
{
    (void)state;
    begin_with(TLS_MODE_IMPLICIT, by_pin);
    let_pass(TIMEOUT_MS - 1);
    assert_false(probe_is_over(&probe));
    let_pass(1);
    expect_trouble(HEALTH_NO_TLS, "timeout");
}

static void a_handshake_of_babble_fails(void **state)
{
    (void)state;
    begin_with(TLS_MODE_IMPLICIT, by_pin);
    say("220 one.test ESMTP, and no TLS at all\r\n");
    assert_true(probe_is_over(&probe));
    assert_int_equal(probe.trouble, HEALTH_NO_TLS);
    hang_up();
    begin_with(TLS_MODE_IMPLICIT, by_pin);
    hang_up();
    settle();
    assert_true(probe_is_over(&probe));
    assert_int_equal(probe.trouble, HEALTH_NO_TLS);
    assert_string_not_equal(probe.why, "");
}

static void a_handshake_can_be_stopped(void **state)
{
    (void)state;
    begin_with(TLS_MODE_IMPLICIT, by_pin);
    probe_stop(&probe);
    assert_true(probe_is_over(&probe));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(starttls_then_ehlo_anew),
        TEST(implicit_tls_before_the_greeting),
        TEST(many_lines_in_one_record),
        TEST(where_tls_is_required),
        TEST(where_tls_may_be),
        TEST(another_certificate_is_a_trouble),
        TEST(words_behind_the_220_are_a_trouble),
        TEST(a_handshake_that_hangs_ends),
        TEST(a_handshake_of_babble_fails),
        TEST(a_handshake_can_be_stopped),
    };
    open_rig();
    int failed = cmocka_run_group_tests(tests, make_all, drop_all);
    close_rig();
    return failed;
}
