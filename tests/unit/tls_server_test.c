/* SPDX-License-Identifier: ISC
 *
 * tls_server: the certificate that fits a name and a client's means, clients' certificates, staples, what cannot be
 * loaded and what is merely odd.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/tls_staple.h"

#include "tests/unit/tls_rig.h"

/* Made once: RSA keys take their time. */
static struct {
    char directory[PATH_MAX];
    struct made ca, ec, rsa, two, wild, old, foreign_ca, foreign;
    char *ca_file, *ec_file, *rsa_file, *two_file, *wild_file, *old_file;
} all;

static int make_all(void **state)
{
    (void)state;
    rig_make_directory(all.directory);
    all.ca = certificate_make((struct wish){.common_name = "Test CA", .is_ca = true});
    all.ec = certificate_make((struct wish){.names = "DNS:mx.example.org", .signer = &all.ca});
    all.rsa =
        certificate_make((struct wish){.kind = CERTIFICATE_RSA, .names = "DNS:MX.example.org", .signer = &all.ca});
    all.two = certificate_make((struct wish){
        .common_name = "two", .names = "DNS:a.example.net,DNS:b.example.net,DNS:x.example.com", .signer = &all.ca});
    all.wild = certificate_make((struct wish){.names = "DNS:*.example.com", .signer = &all.ca});
    all.old = certificate_make((struct wish){.names = "DNS:old.example.org", .days = -2, .signer = &all.ca});
    all.foreign_ca = certificate_make((struct wish){.common_name = "Foreign CA", .is_ca = true});
    all.foreign = certificate_make((struct wish){.common_name = "stranger", .signer = &all.foreign_ca});
    all.ca_file = certificate_write(&all.ca, all.directory, "ca.pem", false);
    all.ec_file = certificate_write(&all.ec, all.directory, "ec.pem", true);
    all.rsa_file = certificate_write(&all.rsa, all.directory, "rsa.pem", true);
    all.two_file = certificate_write(&all.two, all.directory, "two.pem", true);
    all.wild_file = certificate_write(&all.wild, all.directory, "wild.pem", true);
    all.old_file = certificate_write(&all.old, all.directory, "old.pem", true);
    log_to_function(rig_note_line);
    return 0;
}

static int clear_all(void **state)
{
    struct made *made[] = {&all.ca, &all.ec, &all.rsa, &all.two, &all.wild, &all.old, &all.foreign_ca, &all.foreign};
    char *files[] = {all.ca_file, all.ec_file, all.rsa_file, all.two_file, all.wild_file, all.old_file};
    (void)state;
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
        certificate_clear(made[i]);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        free(files[i]);
    rig_remove_directory(all.directory);
    return 0;
}

/* -- which certificate -- */

static int64_t serial_shown(struct tls_server *server, const char *name, const char *signatures, int version)
{
    struct tls_client *client = client_of(TLS_VERIFY_NONE, NULL);
    struct ends e;
    ends_open(&e, tls_server_begin(server), tls_client_begin(client, name));
    SSL_set_max_proto_version(e.client->ssl, version);
    if (signatures != NULL)
        assert_int_equal(SSL_set1_sigalgs_list(e.client->ssl, signatures), 1);
    ends_shake_hands(&e);
    assert_int_equal(e.client_step, TLS_DONE);
    int64_t serial = ASN1_INTEGER_get(X509_get0_serialNumber(SSL_get0_peer_certificate(e.client->ssl)));
    ends_close(&e);
    tls_client_free(&client);
    return serial;
}

static int64_t serial_of(const struct made *made)
{
    return ASN1_INTEGER_get(X509_get0_serialNumber(made->certificate));
}

static void the_certificate_fits_the_name(void **state)
{
    struct tls_server *server = server_of((const char *[]){all.ec_file, all.wild_file, all.two_file}, 3);
    const struct {
        const char *name;
        const struct made *shown;
    } cases[] = {
        {"mx.example.org", &all.ec},
        {"MX.Example.ORG", &all.ec},
        {"a.example.net", &all.two},
        {"b.example.net", &all.two},
        {"y.example.com", &all.wild},
        {"Y.EXAMPLE.com", &all.wild},
        {"x.example.com", &all.two}, /* exact before wildcard, wherever it stands */
        {"z.y.example.com", &all.ec},
        {"q.example.net", &all.ec},
        {"example.com", &all.ec},
        {"unknown.example", &all.ec},
        {NULL, &all.ec},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(serial_shown(server, cases[i].name, NULL, TLS1_3_VERSION), serial_of(cases[i].shown));
        assert_int_equal(serial_shown(server, cases[i].name, NULL, TLS1_2_VERSION), serial_of(cases[i].shown));
    }
    tls_server_free(&server);
}

static void the_certificate_fits_the_client(void **state)
{
    static const char RSA_ONLY[] = "RSA-PSS+SHA256:RSA+SHA256", EC_ONLY[] = "ECDSA+SHA256";
    struct tls_server *server = server_of((const char *[]){all.two_file, all.ec_file, all.rsa_file}, 3);
    (void)state;
    rig_log.count = 0;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        assert_int_equal(serial_shown(server, "mx.example.org", RSA_ONLY, version), serial_of(&all.rsa));
        assert_int_equal(serial_shown(server, "mx.example.org", EC_ONLY, version), serial_of(&all.ec));
    }
    assert_int_equal(rig_log.count, 0);
    tls_server_free(&server);
}

static void one_that_is_never_used_is_named(void **state)
{
    (void)state;
    rig_log.count = 0;
    struct tls_server *server = server_of((const char *[]){all.ec_file, all.rsa_file, all.ec_file}, 3);
    assert_int_equal(rig_log.count, 1);
    assert_non_null(strstr(rig_log.text, "event=certificate"));
    assert_non_null(strstr(rig_log.text, "ec.pem why=\"never used"));
    tls_server_free(&server);
}

/* -- certificates of clients -- */

static void ask_for(struct tls_server **server, const char *ca)
{
    struct tls_fault fault;
    struct tls_server_options options = {
        .mode = TLS_MODE_MAY, .certificates = {(const char *[]){all.ec_file}, 1}, .ask_client = true, .client_ca = ca};
    *server = tls_server_new(&options, &fault);
    assert_non_null(*server);
}

static void show_to(struct tls_server *server, const struct made *made, int version, struct tls_facts *facts_out)
{
    struct tls_client *client = client_of(TLS_VERIFY_NONE, NULL);
    struct ends e;
    ends_open(&e, tls_server_begin(server), tls_client_begin(client, NULL));
    SSL_set_max_proto_version(e.client->ssl, version);
    if (made != NULL) {
        assert_int_equal(SSL_use_certificate(e.client->ssl, made->certificate), 1);
        assert_int_equal(SSL_use_PrivateKey(e.client->ssl, made->key), 1);
    }
    ends_shake_hands(&e);
    assert_int_equal(e.server_step, TLS_DONE);
    assert_int_equal(e.client_step, TLS_DONE);
    ends_talk(&e);
    tls_describe(e.server, facts_out);
    ends_close(&e);
    tls_client_free(&client);
}

static void clients_certificates_are_told_and_never_refused(void **state)
{
    struct tls_server *server;
    struct tls_facts facts;
    (void)state;
    ask_for(&server, all.ca_file);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        show_to(server, NULL, version, &facts);
        assert_false(facts.peer_given || facts.peer_verified);
        show_to(server, &all.two, version, &facts);
        assert_true(facts.peer_given && facts.peer_verified);
        assert_string_equal(facts.peer_name, "two");
        show_to(server, &all.foreign, version, &facts);
        assert_true(facts.peer_given);
        assert_false(facts.peer_verified);
        assert_string_equal(facts.peer_name, "stranger");
        show_to(server, &all.old, version, &facts);
        assert_true(facts.peer_given);
        assert_false(facts.peer_verified);
    }
    tls_server_free(&server);
}

/* Everything that one end has said, to the other one, which does a step after each `size` octets. */
static void pass_on(int from, int to, size_t size, struct tls *hears, enum tls_step *step)
{
    char octets[4096];
    ssize_t got;
    while ((got = recv(from, octets, size, MSG_DONTWAIT)) > 0) {
        assert_int_equal(send(to, octets, (size_t)got, 0), got);
        if (step_is_open(*step))
            *step = tls_handshake(hears);
    }
}

/* The same, by a network that delivers octet by octet what the client says. */
static void show_slowly_to(struct tls_server *server, const struct made *made, struct tls_facts *facts_out)
{
    struct tls_client *client = client_of(TLS_VERIFY_NONE, NULL);
    struct tls *outside = tls_client_begin(client, NULL), *own = tls_server_begin(server);
    enum tls_step outside_step = TLS_WANTS_READ, own_step = TLS_WANTS_READ;
    int left[2], right[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, left), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, right), 0);
    tls_attach(outside, left[0]);
    tls_attach(own, right[0]);
    assert_int_equal(SSL_use_certificate(outside->ssl, made->certificate), 1);
    assert_int_equal(SSL_use_PrivateKey(outside->ssl, made->key), 1);
    outside_step = tls_handshake(outside);
    for (int i = 0; i < RIG_ROUNDS_MAX && step_is_open(own_step); i++) {
        pass_on(left[1], right[1], 1, own, &own_step);
        pass_on(right[1], left[1], 4096, outside, &outside_step);
    }
    if (own_step != TLS_DONE)
        fail_msg("the client is refused: %s", tls_why(own));
    tls_describe(own, facts_out);
    tls_free(&outside);
    tls_free(&own);
    tls_client_free(&client);
    for (int i = 0; i < 2; i++) {
        close(left[i]);
        close(right[i]);
    }
}

/* A signature that does not fit leaves a word in OpenSSL's queue, which must not be taken for the handshake's. */
static void forged_certificates_are_told_and_not_refused(void **state)
{
    struct tls_server *server;
    struct tls_facts facts;
    struct made ca = certificate_make((struct wish){.common_name = "Test CA", .is_ca = true});
    struct made forged = certificate_make((struct wish){.common_name = "two", .signer = &ca});
    (void)state;
    ask_for(&server, all.ca_file);
    show_to(server, &forged, TLS1_2_VERSION, &facts);
    assert_true(facts.peer_given && !facts.peer_verified);
    show_to(server, &forged, TLS1_3_VERSION, &facts);
    assert_true(facts.peer_given && !facts.peer_verified);
    show_slowly_to(server, &all.two, &facts);
    assert_true(facts.peer_given && facts.peer_verified);
    show_slowly_to(server, &forged, &facts);
    assert_true(facts.peer_given && !facts.peer_verified);
    tls_server_free(&server);
    certificate_clear(&forged);
    certificate_clear(&ca);
}

static void without_a_ca_none_is_verified(void **state)
{
    struct tls_server *server;
    struct tls_facts facts;
    (void)state;
    ask_for(&server, NULL);
    show_to(server, &all.two, TLS1_3_VERSION, &facts);
    assert_true(facts.peer_given);
    assert_false(facts.peer_verified);
    tls_server_free(&server);
}

static void names_from_the_network_are_printable(void **state)
{
    struct made odd = certificate_make((struct wish){.common_name = "a\xc3\xbc\r\nb \x7f", .signer = &all.ca});
    struct tls_server *server;
    struct tls_facts facts;
    (void)state;
    ask_for(&server, all.ca_file);
    show_to(server, &odd, TLS1_3_VERSION, &facts);
    assert_string_equal(facts.peer_name, "a????b ?");
    tls_server_free(&server);
    certificate_clear(&odd);
}

/* -- staples -- */

static bool is_stapled(struct tls_server *server)
{
    struct tls_client *client = client_of(TLS_VERIFY_NONE, NULL);
    struct ends e;
    const unsigned char *response;
    ends_open(&e, tls_server_begin(server), tls_client_begin(client, "mx.example.org"));
    SSL_set_tlsext_status_type(e.client->ssl, TLSEXT_STATUSTYPE_ocsp);
    ends_shake_hands(&e);
    assert_int_equal(e.client_step, TLS_DONE);
    bool stapled = SSL_get_tlsext_status_ocsp_resp(e.client->ssl, &response) > 0;
    ends_close(&e);
    tls_client_free(&client);
    return stapled;
}

static void a_good_staple_is_sent(void **state)
{
    (void)state;
    rig_log.count = 0;
    staple_write(all.ec_file, (struct staple_wish){.of = &all.ec, .next_update_seconds = 3600});
    struct tls_server *server = server_of((const char *[]){all.two_file, all.ec_file}, 2);
    assert_int_equal(rig_log.count, 0);
    assert_true(is_stapled(server));
    tls_server_free(&server);
}

static void bad_staples_are_named_and_not_sent(void **state)
{
    const struct {
        struct staple_wish wish;
        const char *why;
    } cases[] = {
        {{.of = &all.ec, .next_update_seconds = -3600}, "it has expired"},
        {{.of = &all.two, .next_update_seconds = 3600}, "it is not for this certificate"},
        {{.of = &all.ec, .next_update_seconds = 3600, .unsuccessful = true}, "it is no successful response"},
        {{.of = &all.ec, .next_update_seconds = 3600, .status = V_OCSP_CERTSTATUS_UNKNOWN}, "revoked or unknown"},
    };
    (void)state;
    for (size_t i = 0; i <= sizeof(cases) / sizeof(cases[0]); i++) {
        bool last = i == sizeof(cases) / sizeof(cases[0]);
        rig_log.count = 0;
        if (last)
            free(text_write(all.directory, "ec.pem.ocsp", "no DER"));
        else
            staple_write(all.ec_file, cases[i].wish);
        struct tls_server *server = server_of((const char *[]){all.ec_file}, 1);
        assert_int_equal(rig_log.count, 1);
        assert_non_null(strstr(rig_log.text, last ? "it is no OCSP response" : cases[i].why));
        assert_non_null(strstr(rig_log.text, "ec.pem.ocsp"));
        assert_false(is_stapled(server));
        tls_server_free(&server);
    }
}

static void a_staple_past_its_time_is_not_sent(void **state)
{
    struct tls_staple staple = {.der = (unsigned char *)(uintptr_t) "x", .size = 1, .until = 1000};
    (void)state;
    assert_true(tls_staple_is_fresh(&staple, 1000));
    assert_false(tls_staple_is_fresh(&staple, 1001));
    staple.der = NULL;
    assert_false(tls_staple_is_fresh(&staple, 1000));
}

static int remove_staple(void **state)
{
    char path[PATH_MAX];
    (void)state;
    snprintf(path, sizeof(path), "%s.ocsp", all.ec_file);
    unlink(path);
    return 0;
}

/* -- what cannot be loaded -- */

struct bad_files {
    const char *certificate, *key; /* key NULL: not set */
    const char *option, *text;
};

static void expect_fault(const struct bad_files *bad)
{
    struct tls_fault fault;
    struct tls_server_options options = {
        .mode = TLS_MODE_MAY, .certificates = {&bad->certificate, 1}, .keys = {&bad->key, bad->key != NULL ? 1 : 0}};
    struct tls_server *server = tls_server_new(&options, &fault);
    assert_null(server);
    assert_string_equal(fault.option, bad->option);
    if (strstr(fault.text, bad->text) == NULL)
        fail_msg("'%s' does not say '%s'", fault.text, bad->text);
}

static void faults_name_option_file_and_way_out(void **state)
{
    char *bare = certificate_write(&all.ec, all.directory, "bare.pem", false);
    char *other = key_write(&all.two, all.directory, "other.key", NULL);
    char *locked = key_write(&all.ec, all.directory, "locked.key", "secret");
    char *prose = text_write(all.directory, "prose.txt", "no PEM at all\n");
    char *broken =
        text_write(all.directory, "broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    const struct bad_files cases[] = {
        {"/nowhere/mx.pem", NULL, "certificate", "/nowhere/mx.pem cannot be read: No such file or directory"},
        {all.directory, NULL, "certificate", "cannot be read: Is a directory"},
        {prose, NULL, "certificate", "prose.txt has no certificate in it"},
        {broken, NULL, "certificate", "broken.pem: its first certificate cannot be read"},
        {bare, NULL, "certificate", "bare.pem has no private key in it (PEM): say `key`"},
        {bare, "/nowhere/mx.key", "key", "/nowhere/mx.key cannot be read: No such file"},
        {bare, prose, "key", "prose.txt has no private key in it"},
        {bare, other, "key", "other.key does not fit the first certificate in"},
        {bare, locked, "key", "locked.key is encrypted: it must have no passphrase"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_fault(&cases[i]);
    free(bare);
    free(other);
    free(locked);
    free(prose);
    free(broken);
}

static void other_options_are_checked_too(void **state)
{
    struct tls_fault fault;
    const char *files[] = {all.ec_file};
    struct tls_server_options options = {.mode = TLS_MODE_MAY, .certificates = {files, 1}, .ciphers = "NO-SUCH"};
    (void)state;
    assert_null(tls_server_new(&options, &fault));
    assert_string_equal(fault.option, "ciphers");
    options.ciphers = NULL;
    options.ask_client = true;
    options.client_ca = "/nowhere/ca.pem";
    assert_null(tls_server_new(&options, &fault));
    assert_string_equal(fault.option, "client_ca");
    options.mode = TLS_MODE_NONE;
    assert_null(tls_server_new(&options, &fault));
    assert_null(fault.option);
}

static void what_is_odd_is_used_and_named(void **state)
{
    struct tls_expiry expiry;
    struct tls_facts facts;
    (void)state;
    rig_log.count = 0;
    struct tls_server *server = server_of((const char *[]){all.ec_file, all.old_file}, 2);
    assert_int_equal(rig_log.count, 1);
    assert_non_null(strstr(rig_log.text, "old.pem why=\"the certificate has expired"));
    show_to(server, NULL, TLS1_3_VERSION, &facts);
    assert_true(tls_server_expiry(server, &expiry));
    assert_string_equal(expiry.file, all.old_file);
    assert_true(expiry.not_after < clock_wall() && expiry.not_after > clock_wall() - 3 * 24 * 3600);
    tls_server_free(&server);
    assert_false(tls_server_expiry(NULL, &expiry));
    assert_int_equal(chmod(all.ec_file, 0644), 0);
    server = server_of((const char *[]){all.ec_file}, 1);
    assert_int_equal(rig_log.count, 2);
    assert_non_null(strstr(rig_log.text, "everybody on this host may read"));
    assert_int_equal(chmod(all.ec_file, 0600), 0);
    tls_server_free(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_certificate_fits_the_name),
        cmocka_unit_test(the_certificate_fits_the_client),
        cmocka_unit_test(one_that_is_never_used_is_named),
        cmocka_unit_test(clients_certificates_are_told_and_never_refused),
        cmocka_unit_test(forged_certificates_are_told_and_not_refused),
        cmocka_unit_test(without_a_ca_none_is_verified),
        cmocka_unit_test(names_from_the_network_are_printable),
        cmocka_unit_test_teardown(a_good_staple_is_sent, remove_staple),
        cmocka_unit_test_teardown(bad_staples_are_named_and_not_sent, remove_staple),
        cmocka_unit_test(a_staple_past_its_time_is_not_sent),
        cmocka_unit_test(faults_name_option_file_and_way_out),
        cmocka_unit_test(other_options_are_checked_too),
        cmocka_unit_test(what_is_odd_is_used_and_named),
    };
    return cmocka_run_group_tests(tests, make_all, clear_all);
}
