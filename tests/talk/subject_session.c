/* SPDX-License-Identifier: ISC
 *
 * The real session, as a worker would call it, with a configuration put together as daemon/main.c does it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"
#include "common/must.h"
#include "common/scoreboard.h"
#include "workers/prepared.h"
#include "workers/service.h"
#include "workers/serve.h"

#include "tests/lib/fake_dns.h"
#include "tests/lib/fake_store.h"
#include "tests/lib/root_block.h"
#include "tests/talk/subject.h"

enum { TABLE_ENTRIES = 1024 };

static struct config *config;
static struct service service;
static struct resolver resolver;
static struct dns *dns;
static struct prepared *prepared;
static struct scoreboard board;
static struct dnslist_tests *list_tests; /* as the housekeeper sees them */
static struct wait waits;
static struct session memory; /* of one worker: session after session */
static int pressure[2];       /* the pipe */
static void (*log_sink)(const char *line);

static const char base[] = "hostname = mx.test\n"
                           "listener mx { backend = inside policy = inbound received = no }\n"
                           "policy inbound { recipient { relay_domains = { \"*\" } }\n"
                           "    client 198.51.100.0/24 { } client 198.51.100.128/25 { } client 2001:db8:5::/48 { }\n";

/* The policy's lines; $lists is where list files are. */
static void write_policy(FILE *file, const char *policy, const char *directory)
{
    static const char word[] = "$lists";
    for (const char *at; (at = strstr(policy, word)) != NULL; policy = at + sizeof word - 1)
        fprintf(file, "%.*s%s", (int)(at - policy), policy, directory);
    fputs(policy, file);
}

static bool write_list_line(const char *directory, const char *text)
{
    char path[200];
    struct slice line = slice_of(text), name = slice_take_word(&line);
    snprintf(path, sizeof path, "%s/%.*s.list", directory, SLICE_ARGS(name));
    FILE *file = fopen(path, "ae");
    if (!file)
        return false;
    fprintf(file, "%.*s\n", SLICE_ARGS(line));
    return fclose(file) == 0;
}

static bool write_configuration(const struct script *script, const char *directory, const char *path)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return false;
    fputs(base, file);
    write_policy(file, script->policy ? script->policy : "", directory);
    fprintf(file, "}\nbackend inside {\n    pass_client = none\n");
    for (int server = 1; server <= script->server_count; server++)
        fprintf(file, "    server s%d { address = unix:%s/%d }\n", server, directory, server);
    fprintf(file, "}\n");
    bool written = fclose(file) == 0;
    for (size_t i = 0; i < script->list_count; i++)
        written = write_list_line(directory, script->lists[i]) && written;
    return written;
}

/* Files do not change while a talk is held. */
static uint64_t mark(const char *const *files, int count)
{
    (void)files, (void)count;
    return 0;
}

static bool make_prepared(char *why, size_t why_size)
{
    struct prepared_fault fault;
    prepared = prepared_new(service.session->policy, NULL, mark, &fault);
    service.prepared = prepared;
    if (!prepared)
        snprintf(why, why_size, "%s: %s", fault.fault.option ? fault.fault.option : "no memory", fault.fault.text);
    return prepared != NULL;
}

/* The listener's and its backend's, as they are made before a worker is forked. */
static bool make_contexts(char *why, size_t why_size)
{
    struct tls_fault fault = {0};
    service.tls = tls_server_new(&service.session->tls, &fault);
    if (!fault.option)
        service.inside_tls = tls_client_new(&service.session->backend->tls, &fault);
    if (fault.option)
        snprintf(why, why_size, "tls.%s: %s", fault.option, fault.text);
    if (service.tls)
        tls_server_use_tickets(service.tls, board.keys);
    return !fault.option;
}

/* What earlier sessions of the talk's client would have left. */
static void remember(const struct script *script)
{
    struct endpoint client;
    const char *why;
    struct reputation known = {.good = script->reputation == REPUTATION_GOOD ? 8 * REPUTATION_ONE : 0,
                               .bad = script->reputation == REPUTATION_BAD ? 8 * REPUTATION_ONE : 0};
    struct table_counts counts = {0};
    if (script->reputation == REPUTATION_NONE || !endpoint_parse(slice_of(script_client(script)), &client, &why))
        return;
    struct network network = scoreboard_network(service.scoreboard, &client.address);
    reputation_learn(&board.reputations, scoreboard_reputation_of(&board, &network), &known, clock_wall(), &counts);
}

/* "bl.test LIST broken", or silent: what the housekeeper found of a list. */
static bool tell_list(struct slice line)
{
    char zone[DNS_NAME_MAX + 1];
    struct slice name = slice_take_word(&line);
    snprintf(zone, sizeof(zone), "%.*s", SLICE_ARGS(name));
    if (!slice_is_word(slice_take_word(&line), "LIST"))
        return false;
    bool broken = slice_is_word(slice_trim(line), "broken");
    for (unsigned kind = 1; kind <= 3; kind++) { /* of names, and of addresses */
        struct dnslist_test *test = dnslist_test_of(list_tests, dnslist_hash(zone, kind));
        must(test != NULL);
        atomic_store(&test->state, broken ? DNSLIST_BROKEN : DNSLIST_GOOD);
        atomic_store(&test->trouble, broken ? DNSLIST_ERRS : DNSLIST_SILENT);
        atomic_store(&test->answer, 0x7ffffffe);
        atomic_store(&test->failures, DNSLIST_SILENT_MANY);
    }
    return true;
}

static bool tell_dns(const struct script *script, char *why, size_t why_size)
{
    const char *wanted;
    fake_dns_clear();
    for (size_t i = 0; i < script->dns_count; i++) {
        if (tell_list(slice_of(script->dns[i])) || fake_dns_add(slice_of(script->dns[i]), &wanted))
            continue;
        snprintf(why, why_size, "dns %s: write %s", script->dns[i], wanted);
        return false;
    }
    return true;
}

static bool tell_store(const struct script *script, char *why, size_t why_size)
{
    const char *wanted;
    fake_store_clear();
    for (size_t i = 0; i < script->store_count; i++) {
        if (fake_store_add(slice_of(script->store[i]), &wanted))
            continue;
        snprintf(why, why_size, "store %s: write %s", script->store[i], wanted);
        return false;
    }
    return true;
}

bool subject_prepare(const struct script *script, const char *directory, char *why, size_t why_size)
{
    char path[200];
    struct text_list overrides = {(const char *const *)script->settings, script->setting_count};
    snprintf(path, sizeof path, "%s/postern.conf", directory);
    if (!write_configuration(script, directory, path)) {
        snprintf(why, why_size, "cannot write %s", path);
        return false;
    }
    config = config_load_with(path, root_block(), &overrides, why, why_size);
    if (!config)
        return false;
    const struct root *root = config_root(config);
    const struct root_listener *listener = block_at(&root->listeners, 0);
    service = (struct service){.hostname = root->hostname,
                               .listener = listener->name,
                               .session = &listener->session,
                               .scoreboard = &root->scoreboard,
                               .resolver = &resolver};
    resolver_settle(&resolver, &root->resolver, "/dev/null");
    dns = dns_new(&resolver, &waits);
    backend_number_servers(&root->backends, NULL, NULL);
    const struct scoreboard_size size = {HOUSE_WORKERS, TABLE_ENTRIES, TABLE_ENTRIES};
    must(scoreboard_create(&board, &size));
    list_tests = region_map(&board.regions[REGION_LIST_TESTS]);
    must(list_tests != NULL);
    orders_set_slots_end(board.orders, HOUSE_WORKERS);
    must(scoreboard_enter(&board, 0));
    scoreboard_set_tag(&board, 0, TAG_BUSY);
    subject_house(1, 0);
    must(pipe2(pressure, O_NONBLOCK | O_CLOEXEC) == 0);
    remember(script);
    return tell_dns(script, why, why_size) && tell_store(script, why, why_size) && make_prepared(why, why_size) &&
           make_contexts(why, why_size);
}

static void take_line(enum level level, const char *line)
{
    (void)level;
    log_sink(line);
}

void subject_log_to(void (*sink)(const char *line))
{
    log_sink = sink;
    log_set_level(LEVEL_DEBUG);
    log_to_function(take_line);
}

/* The session's own slot is its own business. */
void subject_house(int busy, int held)
{
    for (int slot = 1; slot < HOUSE_WORKERS; slot++) {
        uint32_t tag = slot <= held ? TAG_BUSY | TAG_HELD : TAG_BUSY;
        scoreboard_set_tag(&board, slot, slot < busy ? tag : TAG_IDLE);
    }
}

void subject_ask_for_room(void)
{
    must(write(pressure[1], "", 1) == 1);
}

int subject_room_asked_for(void)
{
    char octet;
    int count = 0;
    while (read(pressure[0], &octet, 1) == 1)
        count++;
    return count;
}

void subject_beside(int count)
{
    for (int column = 0; column < SCOREBOARD_SEATS_MAX; column++) {
        _Atomic uint32_t *seats = &board.seats[column * HOUSE_WORKERS];
        for (int slot = 1; slot < HOUSE_WORKERS; slot++)
            atomic_store(&seats[slot], slot <= count ? atomic_load(&seats[0]) : 0);
    }
}

/* The place of server 1 is the first. */
static void put_others_inside(int count, const struct berth_wish *wish)
{
    for (int slot = 1; slot < HOUSE_WORKERS; slot++) {
        struct berths berths = scoreboard_berths(&board);
        berths.own = BERTHS_PROBES + slot;
        if (slot <= count)
            berths_ask(&berths, wish);
        else
            berths_leave(&berths);
    }
}

void subject_taken(int count)
{
    put_others_inside(count, &(struct berth_wish){.max = 0, .since_ms = 1});
}

void subject_waiting(int count)
{
    put_others_inside(count, &(struct berth_wish){.max = 1, .since_ms = 1});
}

void subject_serve(int outside_fd, const char *client)
{
    static const char own[] = "192.0.2.25:25";
    struct session_setup setup = {.service = &service,
                                  .board = &board,
                                  .wait = &waits,
                                  .pool_size = HOUSE_WORKERS,
                                  .min_spare = 1,
                                  .pressure_read = pressure[0],
                                  .pressure_write = pressure[1],
                                  .dns = dns};
    struct endpoint peer, local;
    const char *why;
    must(endpoint_parse(slice_of(client), &peer, &why) && endpoint_parse(slice_of(own), &local, &why));
    serve_session(&memory, &setup, outside_fd, &peer, &local);
}

void subject_clear(void)
{
    prepared_free(&prepared);
    tls_server_free(&service.tls);
    tls_client_free(&service.inside_tls);
    scoreboard_destroy(&board);
    munmap(list_tests, sizeof(*list_tests));
    close(pressure[0]);
    close(pressure[1]);
    dns_free(&dns);
    config_free(&config);
}
