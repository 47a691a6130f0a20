/* SPDX-License-Identifier: ISC
 *
 * tls_rig - both ends of a connection in one process: each does a step in turn, so that nothing waits. Tests reach into
 * tls->ssl for what real clients do and ours does not. Cmocka's headers come before this one.
 */
#ifndef POSTERN_TESTS_UNIT_TLS_RIG_H
#define POSTERN_TESTS_UNIT_TLS_RIG_H

#include <dirent.h>
#include <sys/socket.h>

#include "common/log.h"
#include "common/tls_client.h"
#include "common/tls_internal.h"
#include "common/tls_server.h"

#include "tests/unit/tls_certificates.h"

enum { RIG_ROUNDS_MAX = 50 };

struct ends {
    struct tls *server, *client;
    int server_fd, client_fd;
    enum tls_step server_step, client_step;
};

/* Takes both. */
static inline void ends_open(struct ends *e, struct tls *server, struct tls *client)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_non_null(server);
    assert_non_null(client);
    *e = (struct ends){server, client, fds[0], fds[1], TLS_WANTS_READ, TLS_WANTS_READ};
    tls_attach(server, e->server_fd);
    tls_attach(client, e->client_fd);
}

static inline bool step_is_open(enum tls_step step)
{
    return step == TLS_WANTS_READ || step == TLS_WANTS_WRITE;
}

static inline void ends_shake_hands(struct ends *e)
{
    for (int i = 0; i < RIG_ROUNDS_MAX && (step_is_open(e->client_step) || step_is_open(e->server_step)); i++) {
        if (step_is_open(e->client_step))
            e->client_step = tls_handshake(e->client);
        if (step_is_open(e->server_step))
            e->server_step = tls_handshake(e->server);
    }
}

static inline void ends_close(struct ends *e)
{
    tls_free(&e->server);
    tls_free(&e->client);
    close(e->server_fd);
    close(e->client_fd);
}

static inline enum tls_step tls_say(struct tls *tls, const char *text)
{
    size_t put;
    struct iovec piece = {(void *)(uintptr_t)text, strlen(text)};
    return tls_write(tls, &piece, 1, &put);
}

/* A word there and one back. */
static inline void ends_talk(struct ends *e)
{
    char heard[16];
    size_t got;
    assert_int_equal(tls_say(e->client, "EHLO"), TLS_DONE);
    assert_int_equal(tls_peek(e->server), TLS_DONE);
    assert_int_equal(tls_read(e->server, heard, sizeof(heard), &got), TLS_DONE);
    assert_int_equal(got, 4);
    assert_memory_equal(heard, "EHLO", 4);
    assert_int_equal(tls_say(e->server, "250"), TLS_DONE);
    assert_int_equal(tls_read(e->client, heard, sizeof(heard), &got), TLS_DONE);
    assert_int_equal(got, 3);
    assert_int_equal(tls_read(e->client, heard, sizeof(heard), &got), TLS_WANTS_READ);
}

static inline struct tls_server *server_of(const char *const *files, size_t count)
{
    struct tls_fault fault;
    struct tls_server_options options = {.mode = TLS_MODE_MAY, .certificates = {files, count}};
    struct tls_server *server = tls_server_new(&options, &fault);
    if (server == NULL)
        fail_msg("%s: %s", fault.option, fault.text);
    return server;
}

static inline struct tls_client *client_of(enum tls_verify verify, const char *ca)
{
    struct tls_fault fault;
    struct tls_client_options options = {.mode = TLS_MODE_REQUIRE, .verify = (int)verify, .ca = ca};
    struct tls_client *client = tls_client_new(&options, &fault);
    if (client == NULL)
        fail_msg("%s: %s", fault.option, fault.text);
    return client;
}

/* A directory of the test's own; files in it are removed with it. */
static inline void rig_make_directory(char path[PATH_MAX])
{
    const char *base = getenv("TMPDIR");
    snprintf(path, PATH_MAX, "%s/postern-tls-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(path));
}

static inline void rig_remove_directory(const char *path)
{
    char file[PATH_MAX];
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof(file), "%.2000s/%.255s", path, entry->d_name);
        unlink(file);
    }
    closedir(directory);
    assert_int_equal(rmdir(path), 0);
}

/* The last line of the log, and how many there were. */
static struct {
    char text[RECORD_MAX];
    int count;
} rig_log;

static inline void rig_note_line(enum level level, const char *line)
{
    (void)level;
    snprintf(rig_log.text, sizeof(rig_log.text), "%s", line);
    rig_log.count++;
}

#endif
