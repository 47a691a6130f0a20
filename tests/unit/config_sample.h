/* SPDX-License-Identifier: ISC
 *
 * config_sample - a small configuration with a row of every type and a block of every kind, for the tests of config. */
#ifndef POSTERN_TESTS_UNIT_CONFIG_SAMPLE_H
#define POSTERN_TESTS_UNIT_CONFIG_SAMPLE_H

#include "common/config.h"

struct sample_tls {
    int mode;
    const char *certificate;
};
struct sample_list {
    const char *name;
    int64_t score;
};
struct sample_check {
    int mode;
    struct network_list allow;
    struct rate_list rates;
    unsigned keys;
    struct block_list lists;
};
struct sample_policy {
    const char *name;
    const void *check; /* struct sample_check */
};
struct sample_backend {
    const char *name;
    struct endpoint address;
    int connect;
};
struct sample_session {
    const struct sample_backend *backend;
    int64_t max_errors;
};
struct sample_listener {
    const char *name;
    struct endpoint_list address;
    struct sample_tls tls;
    const struct sample_policy *policy;
    struct sample_session session;
};
struct sample {
    struct sample_tls outgoing; /* first: it has the root's address */
    const char *hostname;
    const char *banner;
    const char *spool;
    int64_t workers, limit, timeout;
    bool debug;
    struct text_list words;
    struct score_steps steps;
    struct block_list listeners, backends, policies;
};

/* clang-format off */
static bool check_sample_tls(struct config *config, const void *filled)
{
    const struct sample_tls *tls = filled;
    return tls->mode == 0 || tls->certificate != NULL ||
           config_refuse(config, filled, "mode", "needs a certificate");
}
static const struct option sample_tls_rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct sample_tls, mode), "none", "none|may|require", "Whether TLS is spoken.", false, NULL},
    {"certificate", OPTION_PATH, offsetof(struct sample_tls, certificate), NULL, NULL, "The chain and nothing else.", false, NULL},
    {.type = OPTION_END}};
static const struct option_group sample_tls_groups[] = {{sample_tls_rows, 0}, {NULL, 0}};
static const struct block sample_tls_block = {.name = "tls", .size = sizeof(struct sample_tls), .groups = sample_tls_groups, .check = check_sample_tls};
static const struct block sample_outgoing_block = {.name = "outgoing", .size = sizeof(struct sample_tls), .groups = sample_tls_groups, .check = check_sample_tls};

static const struct option sample_list_rows[] = {
    {"score", OPTION_COUNT, offsetof(struct sample_list, score), NULL, "1..100", "Points.", true, NULL},
    {.type = OPTION_END}};
static const struct option_group sample_list_groups[] = {{sample_list_rows, 0}, {NULL, 0}};
static const struct block sample_list_block = {.name = "list", .size = sizeof(struct sample_list), .titled = true, .title_offset = offsetof(struct sample_list, name), .groups = sample_list_groups};

static const struct option sample_check_rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct sample_check, mode), "enforce", "off|watch|enforce", "Whether it counts.", false, NULL},
    {"allow", OPTION_NETWORKS, offsetof(struct sample_check, allow), "127.0.0.0/8, ::1", NULL, "Friends.", false, NULL},
    {"rate", OPTION_RATES, offsetof(struct sample_check, rates), "30/1m, 10M/1d", NULL, "So many in so long.", false, NULL},
    {"keys", OPTION_CHOICES, offsetof(struct sample_check, keys), "client", "client|sender|login", "For whom.", false, NULL},
    {"list", OPTION_BLOCK, offsetof(struct sample_check, lists), NULL, NULL, "A list.", false, &sample_list_block},
    {.type = OPTION_END}};
static const struct option_group sample_check_groups[] = {{sample_check_rows, 0}, {NULL, 0}};
static const struct block sample_check_block = {.name = "dnsbl", .size = sizeof(struct sample_check), .groups = sample_check_groups};

static const struct option sample_policy_rows[] = {
    {"dnsbl", OPTION_BLOCK_AT, offsetof(struct sample_policy, check), NULL, NULL, NULL, false, &sample_check_block},
    {.type = OPTION_END}};
static const struct option_group sample_policy_groups[] = {{sample_policy_rows, 0}, {NULL, 0}};
static const struct block sample_policy_block = {.name = "policy", .size = sizeof(struct sample_policy), .titled = true, .title_offset = offsetof(struct sample_policy, name), .groups = sample_policy_groups};

static const struct option sample_backend_rows[] = {
    {"address", OPTION_ENDPOINT, offsetof(struct sample_backend, address), NULL, NULL, "Where it is.", true, NULL},
    {"connect", OPTION_CHOICE, offsetof(struct sample_backend, connect), "mail", "mail|greeting", "When it is opened.", false, NULL},
    {.type = OPTION_END}};
static const struct option_group sample_backend_groups[] = {{sample_backend_rows, 0}, {NULL, 0}};
static const struct block sample_backend_block = {.name = "backend", .size = sizeof(struct sample_backend), .titled = true, .title_offset = offsetof(struct sample_backend, name), .groups = sample_backend_groups};

static const struct option sample_session_rows[] = {
    {"backend", OPTION_REFERENCE, offsetof(struct sample_session, backend), NULL, "backend", "Where the mail goes.", true, NULL},
    {"max_errors", OPTION_COUNT, offsetof(struct sample_session, max_errors), "20", "1..1000", "Errors of one session before it ends.", false, NULL},
    {.type = OPTION_END}};
static const struct option sample_listener_rows[] = {
    {"address", OPTION_ENDPOINTS, offsetof(struct sample_listener, address), NULL, NULL, "What is listened on.", true, NULL},
    {"tls", OPTION_BLOCK, offsetof(struct sample_listener, tls), NULL, NULL, "TLS with the client.", false, &sample_tls_block},
    {"policy", OPTION_REFERENCE, offsetof(struct sample_listener, policy), NULL, "policy", "What is refused.", false, NULL},
    {.type = OPTION_END}};
static const struct option_group sample_listener_groups[] = {
    {sample_listener_rows, 0}, {sample_session_rows, offsetof(struct sample_listener, session)}, {NULL, 0}};
static const struct block sample_listener_block = {.name = "listener", .meaning = "A bound address and what is done there.", .size = sizeof(struct sample_listener), .titled = true, .needed = true, .title_offset = offsetof(struct sample_listener, name), .groups = sample_listener_groups};

static bool check_sample(struct config *config, const void *filled)
{
    const struct sample *s = filled;
    return s->workers >= (int64_t)s->listeners.count ||
           config_refuse(config, filled, "workers", "%d is less than one for each of %zu listeners", (int)s->workers, s->listeners.count);
}
static const struct option sample_rows[] = {
    {"hostname", OPTION_HOSTNAME, offsetof(struct sample, hostname), NULL, NULL, "Banner, EHLO and Received.", true, NULL},
    {"banner", OPTION_TEXT, offsetof(struct sample, banner), "ESMTP", NULL, "What follows the host name in the greeting, and as this is a long explanation it has to be wrapped over several lines.", false, NULL},
    {"spool", OPTION_PATH, offsetof(struct sample, spool), NULL, NULL, "A directory.", false, NULL},
    {"workers", OPTION_COUNT, offsetof(struct sample, workers), "10", "1..5000", "How many.", false, NULL},
    {"limit", OPTION_SIZE, offsetof(struct sample, limit), "25M", "1K..2G", "Of a message.", false, NULL},
    {"timeout", OPTION_TIME, offsetof(struct sample, timeout), "5m", "100ms..1h", "Of a command.", false, NULL},
    {"debug", OPTION_FLAG, offsetof(struct sample, debug), "no", NULL, "More in the log.", false, NULL},
    {"words", OPTION_TEXTS, offsetof(struct sample, words), "a, b c", NULL, "Some words.", false, NULL},
    {"steps", OPTION_STEPS, offsetof(struct sample, steps), "2:500ms, 5:10s", "100ms..1h", "Longer and longer.", false, NULL},
    {"outgoing", OPTION_BLOCK, offsetof(struct sample, outgoing), NULL, NULL, NULL, false, &sample_outgoing_block},
    {"listener", OPTION_BLOCK, offsetof(struct sample, listeners), NULL, NULL, NULL, false, &sample_listener_block},
    {"backend", OPTION_BLOCK, offsetof(struct sample, backends), NULL, NULL, NULL, false, &sample_backend_block},
    {"policy", OPTION_BLOCK, offsetof(struct sample, policies), NULL, NULL, NULL, false, &sample_policy_block},
    {.type = OPTION_END}};
static const struct option_group sample_groups[] = {{sample_rows, 0}, {NULL, 0}};
static const struct block sample_block = {.meaning = "All of it.", .size = sizeof(struct sample), .groups = sample_groups, .check = check_sample};
/* clang-format on */

/* Line 1 is free for what a test wants to say. */
#define SAMPLE_REST                                                                                                    \
    "\nlistener mx { address = 127.0.0.1:25 backend = postfix }\n"                                                     \
    "backend postfix { address = 127.0.0.1:10025 }\n"
#define SAMPLE "hostname = mx.example.org" SAMPLE_REST

#endif
