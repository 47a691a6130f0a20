/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config.h"
#include "common/log.h"
#include "common/scoreboard.h"
#include "workers/heard.h"
#include "workers/prepared.h"
#include "workers/serve.h"
#include "workers/service.h"

#include "tests/fuzz/law.h"
#include "tests/fuzz/subject.h"
#include "tests/lib/root_block.h"

/* -- the configuration: loaded once, changed as a script wants it -- */

static const char text[] =
    "hostname = mx.test\n"
    "listener mx { backend = one policy = inbound auth { mode = may plaintext = yes }\n"
    "    xclient_from = 198.51.100.7 xforward_from = 198.51.100.7 }\n"
    "policy inbound { recipient { relay_domains = { \"*\" } } }\n"
    "policy client { recipient { relay_domains = { \"*\" } } scripted { says = \"connect reject\" } }\n"
    "policy sender { recipient { relay_domains = { \"*\" } } scripted { says = \"mail defer if=a\" } }\n"
    "backend one { server s1 { address = 192.0.2.1:25 } }\n"
    "backend two { server s1 { address = 192.0.2.1:25 max_sessions = 1 } server s2 { address = 192.0.2.2:25 } }\n";

static const struct root *root;
static _Atomic uint32_t seats[SCOREBOARD_SEATS_MAX];
static struct scoreboard board; /* in plain memory: nothing of it is left to the next session */
static struct slot slot;
static struct heard heard[SCOREBOARD_SERVERS_MAX];
static struct health health[SCOREBOARD_SERVERS_MAX];
static _Atomic uint32_t tags[1], seats[SCOREBOARD_SEATS_MAX];
static _Atomic uint64_t berths[BERTHS_PROBES + 1];
static _Alignas(4096) _Atomic uint64_t reputations[TABLE_WAYS];

static struct session memory;
static struct wait waits;
static struct service service;
static struct session_options options;
static struct backend backend;
static struct policy policy;
static struct prepared *prepared; /* the same for all policies: no list is in any */

static const char SECRET[] = "\xA7of-an-earlier-session\xA7"; /* where a session's memory was before it */

static struct session spoiled; /* what a session begins with, full of it */

static void spoil(void)
{
    char *at = (char *)&spoiled;
    for (size_t i = 0; i < sizeof spoiled; i++)
        at[i] = SECRET[i % (sizeof SECRET - 1)];
}

static void check_log(enum level level, const char *line)
{
    (void)level;
    for (const char *at = line; *at != '\0'; at++)
        law(*at >= ' ' && *at <= '~', "a control character or 8-bit octet in the log: %s", line);
}

static uint64_t no_mark(const char *const *files, int count)
{
    (void)files, (void)count;
    return 0;
}

void subject_prepare(void)
{
    char directory[] = "/tmp/postern-fuzz-XXXXXX", path[64], why[400];
    static const struct text_list none;
    if (mkdtemp(directory) == NULL)
        abort();
    snprintf(path, sizeof path, "%s/postern.conf", directory);
    umask(077);
    FILE *file = fopen(path, "we");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
    static struct config *config; /* as long as the process */
    config = config_load_with(path, root_block(), &none, why, sizeof why);
    unlink(path);
    rmdir(directory);
    law(config != NULL, "the configuration: %s", why);
    root = config_root(config);
    struct prepared_fault fault;
    prepared = prepared_new(block_at(&root->policies, 0), NULL, no_mark, &fault);
    law(prepared != NULL, "what checks have made of their options");
    backend_number_servers(&root->backends, NULL, NULL);
    board = (struct scoreboard){.slot_count = 1, .tags = tags, .heard = heard, .health = health, .own = &slot};
    board.seats = seats;
    board.berths = berths;
    board.slots = (unsigned char *)&slot;
    board.seats = seats;
    board.reputations = table_at(reputations, sizeof reputations);
    board.orders = calloc(1, orders_bytes(1));
    spoil();
    log_to_function(check_log);
    log_set_level(LEVEL_INFO);
}

/* Not a PROXY header where XCLIENT may name another client: what it should say then nobody here knows. */
static enum pass_client pass_client_of(const struct script *script)
{
    if (script_has(script, 'x'))
        return PASS_CLIENT_XCLIENT;
    if (script_has(script, '1') && !script_has(script, 'X'))
        return PASS_CLIENT_PROXY_V1;
    return script_has(script, '2') && !script_has(script, 'X') ? PASS_CLIENT_PROXY_V2 : PASS_CLIENT_NONE;
}

static void configure(const struct script *script)
{
    const struct root_listener *listener = block_at(&root->listeners, 0);
    options = listener->session;
    backend = *(const struct backend *)block_at(&root->backends, script_has(script, '+') ? 1 : 0);
    int which = script_has(script, 'w') ? 1 : script_has(script, 'W') ? 2 : 0;
    policy = *(const struct policy *)block_at(&root->policies, (size_t)which);
    options.backend = &backend;
    options.policy = &policy;
    options.received = script_has(script, 'r');
    options.message_size_limit = script_has(script, 's') ? 200 : 0;
    options.max_errors = script_has(script, 'e') ? 3 : 20;
    options.auth.mode = script_has(script, 'A')   ? AUTH_MODE_REQUIRE
                        : script_has(script, 'a') ? AUTH_MODE_MAY
                                                  : AUTH_MODE_NONE;
    if (!script_has(script, 'X'))
        options.xclient_from.count = options.xforward_from.count = 0;
    policy.clients.bare_lf = script_has(script, 'n') ? BARE_LF_NORMALISE : BARE_LF_REJECT;
    backend.connect = script_has(script, 'g') ? CONNECT_AT_GREETING : CONNECT_AT_MAIL;
    backend.pass_client = (int)pass_client_of(script);
    service = (struct service){.hostname = root->hostname,
                               .listener = listener->name,
                               .session = &options,
                               .scoreboard = &root->scoreboard,
                               .prepared = prepared};
}

static void tell_witness(const struct script *script, struct witness *witness)
{
    static const char v1[] = "PROXY TCP4 198.51.100.7 192.0.2.25 4321 25\r\n";
    static const char v2[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\xc0\0\x02\x19\x10\xe1\0\x19";
    witness->mends = script_has(script, 'n');
    witness->waits = script_has(script, 'w') || script_has(script, 'W');
    witness->refuses_all = script_has(script, 'w') && !script_has(script, 'X'); /* who may vouch for a login */
    witness->received = script_has(script, 'r');
    witness->size_limit = script_has(script, 's') ? 200 : script_has(script, 'S') ? 300 : 0;
    witness->by_xclient = backend.pass_client == PASS_CLIENT_XCLIENT;
    witness->address = slice_of(script_has(script, 'X') ? "XCLIENT" : " ADDR=198.51.100.7");
    if (backend.pass_client == PASS_CLIENT_PROXY_V1)
        witness->proxy = slice_make(v1, sizeof v1 - 1);
    if (backend.pass_client == PASS_CLIENT_PROXY_V2)
        witness->proxy = slice_make(v2, sizeof v2 - 1);
}

static void remember_keywords(void)
{
    const struct extensions known = {.keywords = KEYWORD_SIZE | KEYWORD_8BITMIME | KEYWORD_SMTPUTF8 | KEYWORD_DSN |
                                                 KEYWORD_CHUNKING | KEYWORD_BINARYMIME | KEYWORD_AUTH_PLAIN |
                                                 KEYWORD_AUTH_LOGIN | KEYWORD_AUTH_CRAM_MD5,
                                     .numbers = {[NUMBER_SIZE] = 10000000}};
    for (size_t i = 0; i < backend.servers.count; i++)
        heard_remember(&board, block_at(&backend.servers, i), &known);
}

void subject_begin(const struct script *script, struct witness *witness)
{
    configure(script);
    tell_witness(script, witness);
    memset(heard, 0, sizeof heard);
    memset(reputations, 0, sizeof reputations);
    slot = (struct slot){0};
    waits = (struct wait){0};
    memcpy(&memory, &spoiled, sizeof memory);
    if (script_has(script, 'k'))
        remember_keywords();
}

void subject_serve(int outside_fd)
{
    static const struct endpoint peer = {ENDPOINT_IP, {.family = 4, .bytes = {198, 51, 100, 7}}, 4321, ""};
    static const struct endpoint local = {ENDPOINT_IP, {.family = 4, .bytes = {192, 0, 2, 25}}, 25, ""};
    const struct session_setup setup = {
        .service = &service, .board = &board, .wait = &waits, .pressure_read = -1, .pressure_write = -1};
    serve_session(&memory, &setup, outside_fd, &peer, &local);
    for (int i = 0; i < WAIT_GUESTS_MAX; i++)
        law(waits.guests[i] == NULL, "a guest of the wait is left");
}

bool subject_tells(const char *said, size_t size)
{
    return memmem(said, size, SECRET, sizeof SECRET - 1) != NULL;
}

bool subject_is_spoiled(const struct script *script)
{
    return memchr(script->memory, SECRET[0], script->size) != NULL;
}
