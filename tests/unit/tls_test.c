/* SPDX-License-Identifier: ISC
 *
 * tls: handshakes in both versions, what is said of them, and how a connection ends.
 */
#include <errno.h>
#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/tls_rig.h"

static struct {
    char directory[PATH_MAX];
    struct made ec;
    char *ec_file;
} all;

static int make_all(void **state)
{
    (void)state;
    rig_make_directory(all.directory);
    all.ec = certificate_make((struct wish){.names = "DNS:mx.example.org"});
    all.ec_file = certificate_write(&all.ec, all.directory, "ec.pem", true);
    return 0;
}

static int clear_all(void **state)
{
    (void)state;
    certificate_clear(&all.ec);
    free(all.ec_file);
    rig_remove_directory(all.directory);
    return 0;
}

/* -- handshakes -- */

static void both_versions_are_spoken(void **state)
{
    static const struct {
        int number;
        const char *name;
    } versions[] = {{TLS1_2_VERSION, "TLSv1.2"}, {TLS1_3_VERSION, "TLSv1.3"}};
    struct tls_server *server = server_of((const char *[]){all.ec_file}, 1);
    struct tls_client *client = client_of(TLS_VERIFY_NONE, NULL);
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct ends e;
        struct tls_facts facts;
        ends_open(&e, tls_server_begin(server), tls_client_begin(client, "mx.example.org"));
        SSL_set_max_proto_version(e.client->ssl, versions[i].number);
        assert_false(tls_is_established(e.server));
        ends_shake_hands(&e);
        assert_true(tls_is_established(e.server) && tls_is_established(e.client));
        ends_talk(&e);
        tls_describe(e.server, &facts);
        assert_string_equal(facts.version, versions[i].name);
        assert_true(facts.bits >= 128 && facts.cipher[0] != '\0');
        assert_string_equal(facts.server_name, "mx.example.org");
        assert_false(facts.resumed || facts.peer_given || facts.peer_verified);
        tls_describe(e.client, &facts);
        assert_true(facts.peer_given);
        assert_false(facts.peer_verified); /* verify = none looks at nothing */
        assert_string_equal(facts.peer_name, "mx.example.org");
        assert_int_equal(strlen(facts.peer_fingerprint), 64);
        ends_close(&e);
    }
    tls_server_free(&server);
    tls_client_free(&client);
}

static void old_versions_are_refused(void **state)
{
    struct tls_fault fault;
    struct tls_server_options options = {
        .mode = TLS_MODE_MAY, .certificates = {(const char *[]){all.ec_file}, 1}, .min_version = TLS_VERSION_1_3};
    struct tls_server *server = tls_server_new(&options, &fault);
    struct tls_client *client = client_of(TLS_VERIFY_NONE, NULL);
    struct ends e;
    (void)state;
    ends_open(&e, tls_server_begin(server), tls_client_begin(client, NULL));
    SSL_set_max_proto_version(e.client->ssl, TLS1_2_VERSION);
    ends_shake_hands(&e);
    assert_int_equal(e.server_step, TLS_FAILED);
    assert_string_equal(tls_why(e.server), "no TLS version in common");
    assert_int_equal(e.client_step, TLS_FAILED);
    assert_string_equal(tls_why(e.client), "no TLS version in common, says the peer");
    ends_close(&e);
    tls_server_free(&server);
    tls_client_free(&client);
}

static void nothing_fits(void **state)
{
    struct tls_server *server = server_of((const char *[]){all.ec_file}, 1);
    struct tls_client *client = client_of(TLS_VERIFY_NONE, NULL);
    struct ends e;
    (void)state;
    ends_open(&e, tls_server_begin(server), tls_client_begin(client, NULL));
    SSL_set_max_proto_version(e.client->ssl, TLS1_2_VERSION);
    SSL_set_cipher_list(e.client->ssl, "aRSA");
    ends_shake_hands(&e);
    assert_int_equal(e.server_step, TLS_FAILED);
    assert_string_equal(tls_why(e.server), "no cipher in common");
    assert_int_equal(tls_handshake(e.server), TLS_FAILED); /* and stays so */
    ends_close(&e);
    tls_server_free(&server);
    tls_client_free(&client);
}

/* -- how it ends -- */

static void meet(struct ends *e, struct tls_server *server, struct tls_client *client)
{
    ends_open(e, tls_server_begin(server), tls_client_begin(client, NULL));
    ends_shake_hands(e);
    assert_int_equal(e->server_step, TLS_DONE);
    assert_int_equal(e->client_step, TLS_DONE);
}

static void a_goodbye_and_a_bare_fin_are_the_end(void **state)
{
    struct tls_server *server = server_of((const char *[]){all.ec_file}, 1);
    struct tls_client *client = client_of(TLS_VERIFY_NONE, NULL);
    char heard[16];
    size_t got;
    (void)state;
    for (int bare = 0; bare < 2; bare++) {
        struct ends e;
        meet(&e, server, client);
        assert_int_equal(tls_say(e.client, "QUIT"), TLS_DONE);
        if (bare == 0)
            tls_say_goodbye(e.client);
        else
            shutdown(e.client_fd, SHUT_WR);
        assert_int_equal(tls_read(e.server, heard, sizeof(heard), &got), TLS_DONE); /* what came before counts */
        assert_int_equal(tls_peek(e.server), TLS_END);
        assert_int_equal(tls_read(e.server, heard, sizeof(heard), &got), TLS_END);
        assert_int_equal(tls_say(e.server, "221"), TLS_DONE); /* the other direction goes on */
        assert_int_equal(tls_read(e.server, heard, sizeof(heard), &got), TLS_END);
        ends_close(&e);
    }
    tls_server_free(&server);
    tls_client_free(&client);
}

static void octets_that_are_no_tls_end_both_directions(void **state)
{
    struct tls_server *server = server_of((const char *[]){all.ec_file}, 1);
    struct tls_client *client = client_of(TLS_VERIFY_NONE, NULL);
    struct ends e;
    char heard[16];
    size_t got;
    (void)state;
    meet(&e, server, client);
    assert_int_equal(write(e.client_fd, "QUIT\r\n", 6), 6);
    assert_int_equal(tls_peek(e.server), TLS_FAILED);
    assert_int_equal(errno, EPROTO);
    assert_int_equal(tls_read(e.server, heard, sizeof(heard), &got), TLS_FAILED);
    assert_int_equal(tls_say(e.server, "221"), TLS_FAILED);
    assert_true(tls_why(e.server)[0] != '\0');
    tls_say_goodbye(e.server); /* is not said, and does no harm */
    ends_close(&e);
    tls_server_free(&server);
    tls_client_free(&client);
}

static void a_peer_that_is_gone_raises_no_signal(void **state)
{
    struct tls_server *server = server_of((const char *[]){all.ec_file}, 1);
    struct tls_client *client = client_of(TLS_VERIFY_NONE, NULL);
    struct ends e;
    (void)state;
    meet(&e, server, client);
    close(e.client_fd);
    assert_int_equal(tls_say(e.server, "221"), TLS_FAILED);
    assert_int_equal(errno, EPIPE);
    assert_string_equal(tls_why(e.server), "Broken pipe");
    tls_say_goodbye(e.server);
    e.client_fd = dup(e.server_fd);
    ends_close(&e);
    tls_server_free(&server);
    tls_client_free(&client);
}

static void who_hangs_up_within_the_handshake_failed(void **state)
{
    struct tls_server *server = server_of((const char *[]){all.ec_file}, 1);
    struct tls_client *client = client_of(TLS_VERIFY_NONE, NULL);
    struct ends e;
    (void)state;
    ends_open(&e, tls_server_begin(server), tls_client_begin(client, NULL));
    assert_int_equal(tls_handshake(e.client), TLS_WANTS_READ);
    assert_int_equal(tls_handshake(e.server), TLS_WANTS_READ);
    shutdown(e.client_fd, SHUT_WR);
    assert_int_equal(tls_handshake(e.server), TLS_FAILED);
    assert_string_equal(tls_why(e.server), "the peer hung up during the handshake");
    ends_close(&e);
    tls_server_free(&server);
    tls_client_free(&client);
}

static void renegotiation_is_refused(void **state)
{
    struct tls_server *server = server_of((const char *[]){all.ec_file}, 1);
    struct tls_client *client = client_of(TLS_VERIFY_NONE, NULL);
    struct ends e;
    char heard[16];
    size_t got;
    (void)state;
    ends_open(&e, tls_server_begin(server), tls_client_begin(client, NULL));
    SSL_set_max_proto_version(e.client->ssl, TLS1_2_VERSION);
    SSL_clear_options(e.client->ssl, SSL_OP_NO_RENEGOTIATION);
    ends_shake_hands(&e);
    assert_int_equal(SSL_renegotiate(e.client->ssl), 1);
    SSL_do_handshake(e.client->ssl);
    assert_int_equal(tls_read(e.server, heard, sizeof(heard), &got), TLS_WANTS_READ); /* a warning goes out */
    assert_int_equal(SSL_do_handshake(e.client->ssl), -1);
    assert_int_equal(SSL_get_error(e.client->ssl, -1), SSL_ERROR_SSL);
    ERR_clear_error();
    ends_close(&e);
    tls_server_free(&server);
    tls_client_free(&client);
}

static void update_keys(struct ends *e, int times)
{
    for (int i = 0; i < times; i++) {
        assert_int_equal(SSL_key_update(e->client->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(e->client->ssl), 1);
    }
}

static void records_without_data_are_taken_one_by_one(void **state)
{
    struct tls_server *server = server_of((const char *[]){all.ec_file}, 1);
    struct tls_client *client = client_of(TLS_VERIFY_NONE, NULL);
    struct ends e;
    char heard[16];
    size_t got;
    (void)state;
    meet(&e, server, client);
    update_keys(&e, 10);
    assert_int_equal(tls_read(e.server, heard, sizeof(heard), &got), TLS_WANTS_READ);
    assert_int_equal(recv(e.server_fd, heard, 1, MSG_PEEK | MSG_DONTWAIT), 1); /* and who waits looks at the time */
    assert_int_equal(tls_say(e.client, "NOOP"), TLS_DONE);
    assert_int_equal(tls_peek(e.server), TLS_DONE); /* a look goes through some of them */
    update_keys(&e, 100);
    assert_int_equal(tls_read(e.server, heard, sizeof(heard), &got), TLS_DONE);
    assert_int_equal(tls_peek(e.server), TLS_WANTS_READ); /* but not through all */
    assert_int_equal(recv(e.server_fd, heard, 1, MSG_PEEK | MSG_DONTWAIT), 1);
    ends_close(&e);
    tls_server_free(&server);
    tls_client_free(&client);
}

/* OpenSSL's client passes over a HelloRequest in a handshake without asking anybody, however many there are. */
static void a_handshake_that_brings_nothing_is_left_in_between(void **state)
{
    static const char hello_request[] = {0x16, 3, 3, 0, 4, 0, 0, 0, 0};
    char flood[1000 * sizeof(hello_request)];
    struct tls_server *server = server_of((const char *[]){all.ec_file}, 1);
    struct tls_client *client = client_of(TLS_VERIFY_NONE, NULL);
    struct ends e;
    (void)state;
    for (size_t i = 0; i < sizeof(flood); i += sizeof(hello_request))
        memcpy(flood + i, hello_request, sizeof(hello_request));
    ends_open(&e, tls_server_begin(server), tls_client_begin(client, NULL));
    assert_int_equal(tls_handshake(e.client), TLS_WANTS_READ);
    assert_int_equal(send(e.server_fd, flood, sizeof(flood), 0), sizeof(flood));
    assert_int_equal(tls_handshake(e.client), TLS_WANTS_READ);
    assert_int_equal(recv(e.client_fd, flood, 1, MSG_PEEK | MSG_DONTWAIT), 1); /* and who waits looks at the time */
    ends_close(&e);
    tls_server_free(&server);
    tls_client_free(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_versions_are_spoken),
        cmocka_unit_test(old_versions_are_refused),
        cmocka_unit_test(nothing_fits),
        cmocka_unit_test(a_goodbye_and_a_bare_fin_are_the_end),
        cmocka_unit_test(octets_that_are_no_tls_end_both_directions),
        cmocka_unit_test(a_peer_that_is_gone_raises_no_signal),
        cmocka_unit_test(who_hangs_up_within_the_handshake_failed),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(records_without_data_are_taken_one_by_one),
        cmocka_unit_test(a_handshake_that_brings_nothing_is_left_in_between),
    };
    return cmocka_run_group_tests(tests, make_all, clear_all);
}
