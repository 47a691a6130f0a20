/* SPDX-License-Identifier: ISC
 *
 * tls_tickets: a session that one worker began is taken up by another one, as long as its key is there, and neither
 * forgets nor forges what was known of the client.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/clock.h"

#include "tests/unit/tls_rig.h"

static struct {
    char directory[PATH_MAX];
    struct made ca, mx, client, other_ca;
    char *ca_file, *mx_file, *other_ca_file;
    struct ticket_keys *keys; /* shared by all processes */
} all;

static int make_all(void **state)
{
    (void)state;
    rig_make_directory(all.directory);
    all.ca = certificate_make((struct wish){.common_name = "Test CA", .is_ca = true});
    all.other_ca = certificate_make((struct wish){.common_name = "Other CA", .is_ca = true});
    all.mx = certificate_make((struct wish){.names = "DNS:mx.example.org", .signer = &all.ca});
    all.client = certificate_make((struct wish){.common_name = "friend", .signer = &all.ca});
    all.ca_file = certificate_write(&all.ca, all.directory, "ca.pem", false);
    all.other_ca_file = certificate_write(&all.other_ca, all.directory, "other.pem", false);
    all.mx_file = certificate_write(&all.mx, all.directory, "mx.pem", true);
    log_to_function(rig_note_line);
    return 0;
}

static int clear_all(void **state)
{
    (void)state;
    certificate_clear(&all.ca);
    certificate_clear(&all.other_ca);
    certificate_clear(&all.mx);
    certificate_clear(&all.client);
    free(all.ca_file);
    free(all.other_ca_file);
    free(all.mx_file);
    rig_remove_directory(all.directory);
    return 0;
}

static int new_keys(void **state)
{
    (void)state;
    all.keys = mmap(NULL, sizeof(*all.keys), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(all.keys, MAP_FAILED);
    assert_true(ticket_keys_rotate(all.keys));
    return 0;
}

static int drop_keys(void **state)
{
    (void)state;
    return munmap(all.keys, sizeof(*all.keys));
}

/* -- a worker: a process that serves one connection and tells what it saw -- */

struct told {
    bool done;
    struct tls_facts facts;
};

struct worker {
    pid_t pid;
    int session, report;
};

static enum tls_step finish(struct tls *tls, int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    enum tls_step step = TLS_WANTS_READ;
    int64_t deadline = clock_deadline(10000);
    while (step_is_open(step = tls_handshake(tls)) && clock_poll(&ready, 1, deadline) > 0)
        continue;
    return step;
}

static void serve(struct tls_server *server, int session, int report)
{
    struct told told = {0};
    struct tls *tls = tls_server_begin(server);
    tls_attach(tls, session);
    told.done = finish(tls, session) == TLS_DONE && tls_say(tls, "220") == TLS_DONE;
    tls_describe(tls, &told.facts);
    told.facts.version = told.facts.cipher = NULL;
    tls_free(&tls);
    tls_server_free(&server);
    _exit(write(report, &told, sizeof(told)) == (ssize_t)sizeof(told) ? 0 : 1);
}

static struct worker start_worker(struct tls_server *server)
{
    int session[2], report[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, session), 0);
    assert_int_equal(pipe(report), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(session[0]);
        close(report[0]);
        if (all.keys != NULL)
            tls_server_use_tickets(server, all.keys);
        serve(server, session[1], report[1]);
    }
    close(session[1]);
    close(report[1]);
    return (struct worker){pid, session[0], report[0]};
}

static struct told end_worker(struct worker *worker)
{
    struct told told;
    int status;
    assert_int_equal(read(worker->report, &told, sizeof(told)), sizeof(told));
    assert_int_equal(waitpid(worker->pid, &status, 0), worker->pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(worker->session);
    close(worker->report);
    return told;
}

/* -- a client that resumes -- */

/* One connection to a new worker, offering *session and getting its successor. */
static struct told visit(struct tls_server *server, int version, SSL_SESSION **session, bool shows_certificate)
{
    char heard[8];
    size_t got;
    struct pollfd ready;
    struct worker worker = start_worker(server);
    struct tls_client *client = client_of(TLS_VERIFY_NONE, NULL);
    struct tls *tls = tls_client_begin(client, "mx.example.org");
    SSL_set_max_proto_version(tls->ssl, version);
    SSL_clear_options(tls->ssl, SSL_OP_NO_TICKET);
    if (*session != NULL)
        assert_int_equal(SSL_set_session(tls->ssl, *session), 1);
    if (shows_certificate) {
        assert_int_equal(SSL_use_certificate(tls->ssl, all.client.certificate), 1);
        assert_int_equal(SSL_use_PrivateKey(tls->ssl, all.client.key), 1);
    }
    tls_attach(tls, worker.session);
    assert_int_equal(finish(tls, worker.session), TLS_DONE);
    ready = (struct pollfd){.fd = worker.session, .events = POLLIN};
    while (step_is_open(tls_read(tls, heard, sizeof(heard), &got)))
        assert_int_equal(clock_poll(&ready, 1, clock_deadline(10000)), 1);
    struct told told = end_worker(&worker);
    assert_true(told.done);
    assert_int_equal(SSL_session_reused(tls->ssl), told.facts.resumed);
    SSL_SESSION_free(*session);
    *session = SSL_get1_session(tls->ssl);
    tls_say_goodbye(tls); /* or OpenSSL takes the session for a bad one */
    tls_free(&tls);
    tls_client_free(&client);
    return told;
}

typedef void version_function(int version);

static void in_both_versions(version_function *test)
{
    test(TLS1_2_VERSION);
    test(TLS1_3_VERSION);
}

/* A ticket of TLS 1.3 should not be shown twice: who shows one gets another (RFC 8446 appendix C.4). */
static bool is_ticket_of(const SSL_SESSION *session, const unsigned char *ticket, size_t size)
{
    const unsigned char *own;
    size_t own_size;
    SSL_SESSION_get0_ticket(session, &own, &own_size);
    return own_size == size && memcmp(own, ticket, size) == 0;
}

static void resume_anywhere(int version)
{
    struct tls_server *server = server_of((const char *[]){all.mx_file}, 1);
    SSL_SESSION *session = NULL;
    assert_false(visit(server, version, &session, false).facts.resumed);
    for (int i = 0; i < 3; i++) {
        unsigned char ticket[2048];
        const unsigned char *shown;
        size_t size;
        SSL_SESSION_get0_ticket(session, &shown, &size);
        assert_in_range(size, 1, sizeof(ticket));
        memcpy(ticket, shown, size);
        struct told told = visit(server, version, &session, false);
        assert_true(told.facts.resumed);
        assert_string_equal(told.facts.server_name, "mx.example.org");
        assert_int_equal(is_ticket_of(session, ticket, size), version == TLS1_2_VERSION);
    }
    SSL_SESSION_free(session);
    tls_server_free(&server);
}

static void another_worker_takes_it_up(void **state)
{
    (void)state;
    in_both_versions(resume_anywhere);
}

/* Twice a key may have come since the ticket was sealed; each visit gets a ticket of the newest one. */
static void resume_after_rotations(int version)
{
    struct tls_server *server = server_of((const char *[]){all.mx_file}, 1);
    for (int rotations = 1; rotations <= 3; rotations++) {
        SSL_SESSION *session = NULL;
        assert_false(visit(server, version, &session, false).facts.resumed);
        for (int i = 0; i < rotations; i++)
            assert_true(ticket_keys_rotate(all.keys));
        assert_int_equal(visit(server, version, &session, false).facts.resumed, rotations < TICKET_KEYS_MAX);
        assert_true(visit(server, version, &session, false).facts.resumed);
        assert_true(ticket_keys_rotate(all.keys));
        assert_true(ticket_keys_rotate(all.keys));
        assert_true(visit(server, version, &session, false).facts.resumed); /* it was renewed on the way */
        SSL_SESSION_free(session);
    }
    tls_server_free(&server);
}

static void two_rotations_are_survived_three_are_not(void **state)
{
    (void)state;
    in_both_versions(resume_after_rotations);
}

static void never_resume(int version)
{
    struct tls_server *server = server_of((const char *[]){all.mx_file}, 1);
    SSL_SESSION *session = NULL;
    assert_false(visit(server, version, &session, false).facts.resumed);
    assert_false(SSL_SESSION_has_ticket(session));
    assert_false(visit(server, version, &session, false).facts.resumed);
    SSL_SESSION_free(session);
    tls_server_free(&server);
}

static void without_keys_there_are_no_tickets(void **state)
{
    struct ticket_keys *none = NULL, *kept = all.keys;
    (void)state;
    all.keys = none;
    in_both_versions(never_resume);
    all.keys = kept;
    memset(all.keys, 0, sizeof(*all.keys)); /* none was made yet */
    in_both_versions(never_resume);
}

static struct tls_server *asking_server(const char *ca)
{
    struct tls_fault fault;
    struct tls_server_options options = {
        .mode = TLS_MODE_MAY, .certificates = {(const char *[]){all.mx_file}, 1}, .ask_client = true, .client_ca = ca};
    struct tls_server *server = tls_server_new(&options, &fault);
    assert_non_null(server);
    return server;
}

static void expect_friend(const struct told *told, bool verified)
{
    assert_true(told->facts.peer_given);
    assert_int_equal(told->facts.peer_verified, verified);
    assert_string_equal(told->facts.peer_name, "friend");
}

static void remember_the_client(int version)
{
    struct tls_server *server = asking_server(all.ca_file), *stricter = asking_server(all.other_ca_file);
    SSL_SESSION *session = NULL;
    struct told told = visit(server, version, &session, true);
    expect_friend(&told, true);
    told = visit(server, version, &session, false);
    assert_true(told.facts.resumed);
    expect_friend(&told, true);
    told = visit(stricter, version, &session, true); /* as after a reload with another client_ca */
    assert_false(told.facts.resumed);
    expect_friend(&told, false);
    told = visit(stricter, version, &session, true);
    assert_true(told.facts.resumed);
    expect_friend(&told, false); /* a resumption makes nobody better */
    SSL_SESSION_free(session);
    tls_server_free(&server);
    tls_server_free(&stricter);
}

static void a_clients_certificate_is_neither_forgotten_nor_forged(void **state)
{
    (void)state;
    in_both_versions(remember_the_client);
}

static void ask_who_was_never_asked(int version)
{
    struct tls_server *before = server_of((const char *[]){all.mx_file}, 1), *asking = asking_server(NULL);
    SSL_SESSION *session = NULL;
    assert_false(visit(before, version, &session, true).facts.peer_given);
    struct told told = visit(asking, version, &session, true); /* as after a reload with ask_client_certificate = yes */
    assert_false(told.facts.resumed);
    expect_friend(&told, false);
    told = visit(before, version, &session, true);
    assert_false(told.facts.resumed || told.facts.peer_given); /* and back */
    SSL_SESSION_free(session);
    tls_server_free(&before);
    tls_server_free(&asking);
}

static void a_ticket_is_no_way_round_being_asked(void **state)
{
    (void)state;
    in_both_versions(ask_who_was_never_asked);
}

static struct tls_server *server_with(const char *ciphers)
{
    struct tls_fault fault;
    struct tls_server_options options = {
        .mode = TLS_MODE_MAY, .certificates = {(const char *[]){all.mx_file}, 1}, .ciphers = ciphers};
    struct tls_server *server = tls_server_new(&options, &fault);
    assert_non_null(server);
    return server;
}

static void a_cipher_that_is_forbidden_now_is_not_resumed(void **state)
{
    struct tls_server *before = server_with("DEFAULT"), *stricter = server_with("DEFAULT:-AESGCM:-CHACHA20");
    SSL_SESSION *session = NULL;
    (void)state;
    assert_false(visit(before, TLS1_2_VERSION, &session, false).facts.resumed);
    assert_false(visit(stricter, TLS1_2_VERSION, &session, false).facts.resumed);
    SSL_SESSION_free(session);
    tls_server_free(&before);
    tls_server_free(&stricter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(another_worker_takes_it_up, new_keys, drop_keys),
        cmocka_unit_test_setup_teardown(two_rotations_are_survived_three_are_not, new_keys, drop_keys),
        cmocka_unit_test_setup_teardown(without_keys_there_are_no_tickets, new_keys, drop_keys),
        cmocka_unit_test_setup_teardown(a_clients_certificate_is_neither_forgotten_nor_forged, new_keys, drop_keys),
        cmocka_unit_test_setup_teardown(a_ticket_is_no_way_round_being_asked, new_keys, drop_keys),
        cmocka_unit_test_setup_teardown(a_cipher_that_is_forbidden_now_is_not_resumed, new_keys, drop_keys),
    };
    return cmocka_run_group_tests(tests, make_all, clear_all);
}
