/* SPDX-License-Identifier: ISC
 *
 * tls_client: whom each kind of verification takes, whom it refuses, and that the reason says what to do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/tls_rig.h"

static struct {
    char directory[PATH_MAX];
    struct made ca, good, old, foreign;
    char *ca_file, *good_file, *old_file, *foreign_file;
    char good_pin[65], old_pin[65];
} all;

static int make_all(void **state)
{
    (void)state;
    rig_make_directory(all.directory);
    all.ca = certificate_make((struct wish){.common_name = "Test CA", .is_ca = true});
    all.good = certificate_make(
        (struct wish){.common_name = "mx", .names = "DNS:mx.example.org,IP:127.0.0.1", .signer = &all.ca});
    all.old = certificate_make((struct wish){.names = "DNS:old.example.org", .days = -2, .signer = &all.ca});
    all.foreign = certificate_make((struct wish){.names = "DNS:mx.example.org"});
    all.ca_file = certificate_write(&all.ca, all.directory, "ca.pem", false);
    all.good_file = certificate_write(&all.good, all.directory, "good.pem", true);
    all.old_file = certificate_write(&all.old, all.directory, "old.pem", true);
    all.foreign_file = certificate_write(&all.foreign, all.directory, "foreign.pem", true);
    certificate_pin(&all.good, all.good_pin);
    certificate_pin(&all.old, all.old_pin);
    log_to_function(rig_note_line);
    return 0;
}

static int clear_all(void **state)
{
    (void)state;
    certificate_clear(&all.ca);
    certificate_clear(&all.good);
    certificate_clear(&all.old);
    certificate_clear(&all.foreign);
    free(all.ca_file);
    free(all.good_file);
    free(all.old_file);
    free(all.foreign_file);
    rig_remove_directory(all.directory);
    return 0;
}

struct trial {
    const char *server_file;
    enum tls_verify verify;
    const char *name; /* tls_name */
    const char *pins[2];
    const char *why; /* NULL: it is taken */
};

static struct tls_client *client_for(const struct trial *trial)
{
    struct tls_fault fault;
    size_t count = trial->pins[0] == NULL ? 0 : trial->pins[1] == NULL ? 1 : 2;
    bool by_ca = trial->verify == TLS_VERIFY_CA || trial->verify == TLS_VERIFY_NAME;
    struct tls_client_options options = {.mode = TLS_MODE_REQUIRE,
                                         .verify = (int)trial->verify,
                                         .ca = by_ca ? all.ca_file : NULL,
                                         .pins = {trial->pins, count}};
    struct tls_client *client = tls_client_new(&options, &fault);
    if (client == NULL)
        fail_msg("%s: %s", fault.option, fault.text);
    return client;
}

static void judge(const struct trial *trial, const struct ends *e)
{
    struct tls_facts facts;
    if (trial->why == NULL) {
        if (e->client_step != TLS_DONE)
            fail_msg("refused: %s", tls_why(e->client));
        tls_describe(e->client, &facts);
        assert_int_equal(facts.peer_verified, trial->verify != TLS_VERIFY_NONE);
        return;
    }
    assert_int_equal(e->client_step, TLS_FAILED);
    assert_false(tls_is_established(e->client));
    if (strstr(tls_why(e->client), trial->why) == NULL)
        fail_msg("'%s' does not say '%s'", tls_why(e->client), trial->why);
}

static void try_in(const struct trial *trial, int version)
{
    struct tls_server *server = server_of(&trial->server_file, 1);
    struct tls_client *client = client_for(trial);
    struct ends e;
    ends_open(&e, tls_server_begin(server), tls_client_begin(client, trial->name));
    SSL_set_max_proto_version(e.client->ssl, version);
    ends_shake_hands(&e);
    judge(trial, &e);
    ends_close(&e);
    tls_server_free(&server);
    tls_client_free(&client);
}

static void try_all(const struct trial *trials, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        try_in(&trials[i], TLS1_2_VERSION);
        try_in(&trials[i], TLS1_3_VERSION);
    }
}

static void none_takes_all(void **state)
{
    const struct trial trials[] = {
        {.server_file = all.good_file}, {.server_file = all.foreign_file}, {.server_file = all.old_file}};
    (void)state;
    try_all(trials, sizeof(trials) / sizeof(trials[0]));
}

static void ca_takes_what_it_signed_whatever_its_name(void **state)
{
    const struct trial trials[] = {
        {all.good_file, TLS_VERIFY_CA, NULL, {NULL}, NULL},
        {all.good_file, TLS_VERIFY_CA, "other.example.org", {NULL}, NULL},
        {all.foreign_file, TLS_VERIFY_CA, "mx.example.org", {NULL}, "self-signed certificate: its CA is not in `ca`"},
        {all.old_file, TLS_VERIFY_CA, NULL, {NULL}, "certificate old.example.org: certificate has expired"},
    };
    (void)state;
    try_all(trials, sizeof(trials) / sizeof(trials[0]));
}

static void name_wants_the_name_too(void **state)
{
    const struct trial trials[] = {
        {all.good_file, TLS_VERIFY_NAME, "mx.example.org", {NULL}, NULL},
        {all.good_file, TLS_VERIFY_NAME, "MX.example.org", {NULL}, NULL},
        {all.good_file, TLS_VERIFY_NAME, "127.0.0.1", {NULL}, NULL},
        {all.good_file, TLS_VERIFY_NAME, "other.example.org", {NULL}, "mismatch: tls_name must be a name in it"},
        {all.good_file, TLS_VERIFY_NAME, "mx", {NULL}, "tls_name must be a name in it"}, /* CN does not count */
        {all.good_file, TLS_VERIFY_NAME, "127.0.0.2", {NULL}, "tls_name must be a name in it"},
        {all.foreign_file, TLS_VERIFY_NAME, "mx.example.org", {NULL}, "its CA is not in `ca`"},
        {all.good_file, TLS_VERIFY_NAME, NULL, {NULL}, "needs the server's tls_name"},
    };
    (void)state;
    try_all(trials, sizeof(trials) / sizeof(trials[0]));
}

static void pin_takes_a_key_whatever_else_it_says(void **state)
{
    char shouted[2 * 65] = "", zeros[65];
    memset(zeros, '0', 64);
    zeros[64] = '\0';
    for (size_t i = 0; i < 64; i++)
        snprintf(shouted + strlen(shouted), 3, "%s%c", i > 0 && i % 2 == 0 ? ":" : "",
                 all.good_pin[i] >= 'a' ? all.good_pin[i] - 'a' + 'A' : all.good_pin[i]);
    const struct trial trials[] = {
        {all.good_file, TLS_VERIFY_PIN, NULL, {all.good_pin, NULL}, NULL},
        {all.good_file, TLS_VERIFY_PIN, "other.example.org", {all.good_pin, NULL}, NULL},
        {all.good_file, TLS_VERIFY_PIN, NULL, {zeros, all.good_pin}, NULL},
        {all.good_file, TLS_VERIFY_PIN, NULL, {shouted, NULL}, NULL},
        {all.old_file, TLS_VERIFY_PIN, "mx.example.org", {all.old_pin, NULL}, NULL},
        {all.good_file, TLS_VERIFY_PIN, NULL, {zeros, all.old_pin}, all.good_pin}, /* the reason says the right one */
        {all.foreign_file, TLS_VERIFY_PIN, "mx.example.org", {all.good_pin, NULL}, "a key that is not pinned"},
    };
    (void)state;
    try_all(trials, sizeof(trials) / sizeof(trials[0]));
}

static void who_is_refused_learns_it(void **state)
{
    const struct trial trial = {.server_file = all.foreign_file, .verify = TLS_VERIFY_CA};
    struct tls_server *server = server_of(&trial.server_file, 1);
    struct tls_client *client = client_for(&trial);
    struct ends e;
    char heard[16];
    size_t got;
    (void)state;
    ends_open(&e, tls_server_begin(server), tls_client_begin(client, NULL));
    SSL_set_max_proto_version(e.client->ssl, TLS1_2_VERSION);
    ends_shake_hands(&e);
    assert_int_equal(e.server_step, TLS_FAILED);
    assert_string_equal(tls_why(e.server), "the peer does not know the CA of our certificate");
    assert_int_equal(tls_read(e.client, heard, sizeof(heard), &got), TLS_FAILED); /* and nothing is delivered */
    ends_close(&e);
    tls_server_free(&server);
    tls_client_free(&client);
}

static void faults_name_option_and_file(void **state)
{
    struct tls_fault fault;
    char *prose = text_write(all.directory, "prose.txt", "no PEM at all\n");
    struct tls_client_options options = {.mode = TLS_MODE_MAY, .verify = TLS_VERIFY_CA, .ca = "/nowhere/ca.pem"};
    (void)state;
    assert_null(tls_client_new(&options, &fault));
    assert_string_equal(fault.option, "ca");
    assert_non_null(strstr(fault.text, "/nowhere/ca.pem cannot be read: No such file"));
    options.ca = prose;
    assert_null(tls_client_new(&options, &fault));
    assert_non_null(strstr(fault.text, "no certificate in it can be read"));
    options.verify = TLS_VERIFY_PIN;
    options.pins = (struct text_list){(const char *[]){"abc"}, 1};
    assert_null(tls_client_new(&options, &fault));
    assert_string_equal(fault.option, "pin");
    options.mode = TLS_MODE_NONE;
    assert_null(tls_client_new(&options, &fault));
    assert_null(fault.option);
    free(prose);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_takes_all),           cmocka_unit_test(ca_takes_what_it_signed_whatever_its_name),
        cmocka_unit_test(name_wants_the_name_too),  cmocka_unit_test(pin_takes_a_key_whatever_else_it_says),
        cmocka_unit_test(who_is_refused_learns_it), cmocka_unit_test(faults_name_option_and_file),
    };
    return cmocka_run_group_tests(tests, make_all, clear_all);
}
