/* SPDX-License-Identifier: ISC
 *
 * Proves that options of tls { } that do not go together are refused at their place, and that the rest is filled as it
 * stands.
 */
#include <stddef.h>

#include "common/tls_client.h"
#include "common/tls_server.h"

#include "tests/unit/config_fixture.h"

struct both {
    struct tls_server_options server;
    struct tls_client_options client;
};

/* The same blocks under names of their own, side by side. */
static struct block outer, server_block, client_block;
static struct option rows[3];
static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};

static void put_together(void)
{
    server_block = tls_server_block;
    client_block = tls_client_block;
    server_block.name = "server";
    client_block.name = "client";
    rows[0] = (struct option){"server", OPTION_BLOCK, offsetof(struct both, server), .block = &server_block};
    rows[1] = (struct option){"client", OPTION_BLOCK, offsetof(struct both, client), .block = &client_block};
    outer = (struct block){.size = sizeof(struct both), .groups = groups};
}

#define PIN    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define COLONS "01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF"

/* clang-format off */
static const struct {
    const char *text, *why;
} refused[] = {
    {"server { mode = may }", "c:1: server: mode: needs a certificate: say certificate = /path/to/fullchain.pem"},
    {"server { mode = may\n certificate = mx.pem }", "c:2: server: certificate: mx.pem is no absolute path: begin it with /"},
    {"server { certificate = /mx.pem }", "c:1: server: certificate: would not be used, since mode is none where it is not set: say mode = may"},
    {"server { mode = may certificate = { /a.pem, /b.pem }\n key = /a.key }", "c:2: server: key: there are 1 keys for 2 certificates: name as many, in the same order, or none when each is in its certificate's file"},
    {"server { mode = may certificate = /a.pem\n key = a.key }", "c:2: server: key: a.key is no absolute path: begin it with /"},
    {"server { mode = require certificate = /a.pem\n require_from = 192.0.2.0/24 }", "c:2: server: require_from: goes with mode = may only: take it out, everybody must use TLS here"},
    {"server {\n require_from = 192.0.2.0/24 }", "c:2: server: require_from: goes with mode = may only: take it out, or set mode = may"},
    {"server { mode = may certificate = /a.pem\n client_ca = /ca.pem }", "c:2: server: client_ca: clients are not asked for a certificate: say ask_client_certificate = yes"},
    {"server { mode = may certificate = /a.pem min_version = 1.3\n ciphers = ALL }", "c:2: server: ciphers: are those of TLS 1.2, which min_version excludes: take one out"},
    {"client { verify = ca }", "c:1: client: verify: nothing would be verified, since mode is none where it is not set: say mode = require"},
    {"client { mode = may verify = pin }", "c:1: client: verify: pin needs at least one: say pin = SHA-256 of the server's key"},
    {"client { mode = may\n pin = " PIN " }", "c:2: client: pin: goes with verify = pin only: say so, or take it out"},
    {"client { mode = may verify = pin\n pin = { " PIN ", " PIN "0 } }", "c:2: client: pin: " PIN "0 is no SHA-256: 64 hex digits, colons between them as you like"},
    {"client { mode = may\n ca = /ca.pem }", "c:2: client: ca: goes with verify = ca and name only: say so, or take it out"},
};
/* clang-format on */

static void what_does_not_go_together_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        expect_error(&outer, refused[i].text, refused[i].why);
}

static void without_a_block_there_is_no_tls(void **state)
{
    struct config *config = load_ok(&outer, "");
    const struct both *both = config_root(config);
    (void)state;
    assert_int_equal(both->server.mode, TLS_MODE_NONE);
    assert_int_equal(both->client.mode, TLS_MODE_NONE);
    assert_int_equal(both->server.handshake_timeout_ms, 30000);
    assert_int_equal(both->client.handshake_timeout_ms, 30000);
    config_free(&config);
}

static void what_goes_together_is_filled(void **state)
{
    struct config *config =
        load_ok(&outer, "server { mode = may certificate = { /a.pem, /b.pem } key = { /a.key, /b.key }\n"
                        "  min_version = 1.2 ciphers = \"DEFAULT:@SECLEVEL=1\" client_ca = /ca.pem\n"
                        "  ask_client_certificate = yes require_from = { 192.0.2.0/24, 2001:db8::/32 } }\n"
                        "client { mode = require verify = pin pin = { " PIN ", \"" COLONS "\" } }\n");
    const struct both *both = config_root(config);
    (void)state;
    assert_int_equal(both->server.mode, TLS_MODE_MAY);
    assert_int_equal(both->server.certificates.count, 2);
    assert_string_equal(both->server.keys.items[1], "/b.key");
    assert_int_equal(both->server.min_version, TLS_VERSION_1_2);
    assert_string_equal(both->server.ciphers, "DEFAULT:@SECLEVEL=1");
    assert_true(both->server.ask_client);
    assert_string_equal(both->server.client_ca, "/ca.pem");
    assert_int_equal(both->server.require_from.count, 2);
    assert_int_equal(both->client.mode, TLS_MODE_REQUIRE);
    assert_int_equal(both->client.verify, TLS_VERIFY_PIN);
    assert_int_equal(both->client.pins.count, 2);
    config_free(&config);
}

static void a_mode_that_is_none_by_choice_may_leave_the_rest(void **state)
{
    struct config *config = load_ok(&outer, "server { mode = none certificate = /a.pem }\n"
                                            "client { mode = none verify = pin pin = " PIN " }\n");
    (void)state;
    config_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test_case(what_does_not_go_together_is_refused),
        config_test_case(without_a_block_there_is_no_tls),
        config_test_case(what_goes_together_is_filled),
        config_test_case(a_mode_that_is_none_by_choice_may_leave_the_rest),
    };
    put_together();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
