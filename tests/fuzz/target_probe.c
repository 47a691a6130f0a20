/* SPDX-License-Identifier: ISC
 *
 * The housekeeper's look at an inside server that says anything. The input: an octet for how it is set up, one for how
 * large the pieces are in which words come, then the server's words, a '|' between what it says at a time: the first at
 * the connection's beginning, the next ones whenever something was asked. Whatever it says, the probe asks only what it
 * may, in this order, begins when it was greeted, finds no server well that it has not asked, and is over in time.
 */
#include <poll.h>
#include <string.h>

#include "common/net.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/wire.h"
#include "workers/housekeeper/probe.h"

enum { TIMEOUT_MS = 5000, SAID_MAX = 1024 };

static const char HEADER[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"; /* version 2, LOCAL */
static const char HELLO[] = "EHLO gate.test\r\n", OLD_HELLO[] = "HELO gate.test\r\n", TLS[] = "STARTTLS\r\n",
                  QUIT[] = "QUIT\r\n";

static struct {
    struct wire *wire;
    struct slice rest, saying;
    size_t piece;
    char said[SAID_MAX]; /* by the probe */
    size_t said_size;
    char first[4]; /* octets of the server's */
    size_t first_size;
    bool is_away, leaves, is_due;
} server;

static void nothing(struct wire *wire)
{
    (void)wire;
}

static void taken(struct wire *wire, struct slice octets)
{
    (void)wire;
    for (size_t i = 0; i < octets.size && server.first_size < sizeof server.first; i++)
        server.first[server.first_size++] = octets.at[i];
}

static void wrote(struct wire *wire, struct slice octets)
{
    (void)wire;
    law(octets.size <= sizeof server.said - server.said_size, "a probe that speaks without end");
    memcpy(server.said + server.said_size, octets.at, octets.size);
    server.said_size += octets.size;
    server.is_due = true;
}

static const struct wire_owner owner = {taken, wrote, nothing, nothing, nothing};

int __wrap_net_connect_begin(const struct endpoint *to);
bool __wrap_net_connected(int fd);

int __wrap_net_connect_begin(const struct endpoint *to)
{
    (void)to;
    server.wire = wire_open(&owner, NULL);
    return wire_fd(server.wire);
}

bool __wrap_net_connected(int fd)
{
    (void)fd;
    return !server.is_away;
}

/* Up to the next '|'. */
static struct slice take_words(struct slice *rest)
{
    const char *bar = rest->size > 0 ? memchr(rest->at, '|', rest->size) : NULL;
    struct slice words = law_take(rest, bar != NULL ? (size_t)(bar - rest->at) : rest->size);
    law_take(rest, 1);
    return words;
}

/* The server does something, or time passes. */
static void go_on(const struct probe *probe)
{
    if (server.is_due && server.saying.size == 0) {
        server.saying = take_words(&server.rest);
        server.is_due = false;
    }
    if (server.saying.size > 0)
        wire_send(server.wire, law_take(&server.saying, server.piece));
    else if (server.leaves && server.rest.size == 0 && !server.wire->fin)
        wire_end(server.wire);
    else
        wire_move_time(probe->deadline_ms);
}

static bool take(struct slice *said, const char *words, size_t size)
{
    if (said->size < size || memcmp(said->at, words, size) != 0)
        return false;
    law_take(said, size);
    return true;
}

enum asked { NOTHING, FOR_HELLO, ALL };

/* What it asked, in the one order that there is. */
static enum asked check_said(const struct backend *backend, bool has_header)
{
    struct slice said = slice_make(server.said, server.said_size);
    if (said.size > 0 && has_header)
        law(take(&said, HEADER, sizeof HEADER - 1), "no PROXY header first");
    bool hello = take(&said, HELLO, sizeof HELLO - 1);
    law(!hello || memcmp(server.first, "220", 3) == 0, "EHLO to who did not greet");
    bool old = hello && take(&said, OLD_HELLO, sizeof OLD_HELLO - 1);
    law(!old || !has_header, "HELO behind a header that may not have been understood");
    bool tls = hello && take(&said, TLS, sizeof TLS - 1);
    law(!tls || (backend->tls.mode != TLS_MODE_NONE && !old), "STARTTLS, which is not wanted or was not offered");
    bool quit = hello && take(&said, QUIT, sizeof QUIT - 1);
    law(said.size == 0, "something else is asked: %.*s", SLICE_ARGS(said));
    return quit ? ALL : hello ? FOR_HELLO : NOTHING;
}

FUZZ
{
    static char name[] = "one";
    static struct probe probe;
    unsigned char how = law_take_octet(&input);
    struct server one = {.name = name};
    struct backend backend = {.pass_client = (how & 4) != 0 ? PASS_CLIENT_PROXY_V2 : PASS_CLIENT_NONE};
    backend.tls.mode = (how & 3) == 1 ? TLS_MODE_MAY : (how & 3) == 2 ? TLS_MODE_REQUIRE : TLS_MODE_NONE;
    const struct probe_target target = {&backend, &one, NULL, "gate.test"};
    struct wait wait = {0};
    memset(&server, 0, sizeof server);
    server.piece = law_take_octet(&input) + 1u;
    server.is_away = (how & 8) != 0;
    server.leaves = (how & 16) != 0;
    server.is_due = true;
    server.rest = input;
    wire_begin(NULL);
    probe_begin(&probe, &target, &wait, TIMEOUT_MS);
    int64_t latest = probe.deadline_ms;
    for (probe_step(&probe); !probe_is_over(&probe); probe_step(&probe)) {
        law(probe_poll(&probe).fd == wire_fd(server.wire), "it waits for something else");
        go_on(&probe);
    }
    enum asked asked = check_said(&backend, (how & 4) != 0);
    bool is_well = probe.trouble == HEALTH_FINE;
    law(wire_now() <= latest && wire_open_count() == 0, "late, or left open");
    law(is_well || asked != ALL, "QUIT was said, and there is trouble: %s", probe.why);
    law(!is_well || asked != NOTHING, "a server is well that was asked nothing");
    law(!is_well || backend.tls.mode != TLS_MODE_REQUIRE, "a server without TLS is well, where that is required");
    law(memchr(probe.why, '\0', sizeof probe.why) != NULL && (probe.why[0] == '\0') == is_well, "why? %s", probe.why);
}
