/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "common/scoreboard.h"
#include "workers/backend.h"

/* clang-format off */
static const struct option server_rows[] = {
    {"address", OPTION_ENDPOINT, offsetof(struct server, address), NULL, NULL,
     "Where the inside server listens.", .required = true},
    {"tls_name", OPTION_HOSTNAME, offsetof(struct server, tls_name), NULL, NULL,
     "The name in its certificate: sent to it, and compared with tls { verify = name }."},
    {"max_sessions", OPTION_COUNT, offsetof(struct server, max_sessions), "0", "0..65535",
     "How many sessions the gate has with it at the same time, the housekeeper's probes among them: of all listeners, "
     "and of workers of earlier configurations. 0: any number. Who comes when all are taken waits, in the order of "
     "coming. In another backend it is another server, and counted apart."},
    {0},
};
static const struct option_group server_groups[] = {{server_rows, 0}, {NULL, 0}};
static const struct block server_block = {
    .name = "server",
    .meaning = "One inside server. They are tried in the order of the file, those that are down last.",
    .size = sizeof(struct server),
    .titled = true,
    .needed = true,
    .groups = server_groups,
    .title_offset = offsetof(struct server, name),
};

static const struct option backend_rows[] = {
    {"pass_client", OPTION_CHOICE, offsetof(struct backend, pass_client), "xclient",
     "xclient|proxy-v1|proxy-v2|none",
     "How inside hears who the client is. xclient: by Postfix's XCLIENT command (its service there: -o "
     "smtpd_authorized_xclient_hosts=..). proxy-v1, proxy-v2: by a header of the PROXY protocol before anything else "
     "(-o smtpd_upstream_proxy_protocol=haproxy, or what postscreen, Exim and OpenSMTPD have for it). none: not at "
     "all; then the policy must say recipient { relay_domains }."},
    {"connect", OPTION_CHOICE, offsetof(struct backend, connect), "mail", "mail|greeting",
     "When the inside session is opened. mail: at the first MAIL, EHLO is answered with the keywords that inside was "
     "heard to offer lately. greeting: before the banner, as a classic synchronous proxy does."},
    {"connect_timeout", OPTION_TIME, offsetof(struct backend, connect_timeout_ms), "10s", "100ms..5m",
     "How long a connection to a server may take; then the next one is tried."},
    {"greeting_timeout", OPTION_TIME, offsetof(struct backend, greeting_timeout_ms), "1m", "100ms..1h",
     "How long a server may take to greet; then the next one is tried. Less than RFC 5321's 5m (section 4.5.3.2.1), "
     "since the client does not wait longer than that for its own answer: all servers together get 4m."},
    {"command_timeout", OPTION_TIME, offsetof(struct backend, command_timeout_ms), "5m", "100ms..1h",
     "How long a server may take to answer EHLO, XCLIENT, MAIL, RCPT or RSET."},
    {"data_timeout", OPTION_TIME, offsetof(struct backend, data_timeout_ms), "2m", "100ms..1h",
     "How long a server may take to answer DATA."},
    {"block_timeout", OPTION_TIME, offsetof(struct backend, block_timeout_ms), "3m", "100ms..1h",
     "How long a server may refuse to read a piece of a message."},
    {"final_timeout", OPTION_TIME, offsetof(struct backend, final_timeout_ms), "10m", "100ms..2h",
     "How long a server may take to answer the end of a message. Less than 10m risks messages that arrive twice "
     "(RFC 1047)."},
    {"max_sessions_wait", OPTION_TIME, offsetof(struct backend, max_sessions_wait_ms), "30s", "0s..4m",
     "How long a client waits, at the command that needs inside, while every server that is up has its max_sessions; "
     "then it is told to try again later: 451."},
    {"tls", OPTION_BLOCK, offsetof(struct backend, tls), .block = &tls_client_block},
    {"server", OPTION_BLOCK, offsetof(struct backend, servers), .block = &server_block},
    {0},
};
/* clang-format on */
static const struct option_group backend_groups[] = {{backend_rows, 0}, {NULL, 0}};

static bool check_backend(struct config *config, const void *filled)
{
    const struct backend *backend = filled;
    bool by_name = backend->tls.mode != TLS_MODE_NONE && backend->tls.verify == TLS_VERIFY_NAME;
    for (size_t i = 0; by_name && i < backend->servers.count; i++) {
        const struct server *server = block_at(&backend->servers, i);
        if (server->tls_name == NULL)
            return config_refuse(config, server, "tls_name",
                                 "has to be set, since backend %s says tls { verify = name }", backend->name);
    }
    return true;
}

const struct block backend_block = {
    .name = "backend",
    .meaning = "A named group of inside servers.",
    .size = sizeof(struct backend),
    .titled = true,
    .needed = true,
    .groups = backend_groups,
    .title_offset = offsetof(struct backend, name),
    .check = check_backend,
};

bool server_has_place(const struct server *server)
{
    return server->heard_slot >= 0 && server->heard_slot < SCOREBOARD_SERVERS_MAX;
}

bool server_is_among(uint64_t places, const struct server *server)
{
    return server_has_place(server) && (places >> server->heard_slot & 1) != 0;
}

enum proxy_version backend_proxy_version(const struct backend *backend)
{
    if (backend->pass_client == PASS_CLIENT_PROXY_V1)
        return PROXY_V1;
    return backend->pass_client == PASS_CLIENT_PROXY_V2 ? PROXY_V2 : PROXY_NONE;
}

int backend_number_servers(const struct block_list *backends, backend_place *place, void *context)
{
    int next = 0;
    for (size_t i = 0; i < backends->count; i++) {
        const struct backend *backend = block_at(backends, i);
        for (size_t j = 0; j < backend->servers.count; j++, next++) {
            /* The structs are ours until the workers are forked. */
            struct server *server = (struct server *)(uintptr_t)block_at(&backend->servers, j);
            server->heard_slot = next < SCOREBOARD_SERVERS_MAX ? next : -1;
            if (place != NULL)
                server->heard_slot = place(context, backend->name, server);
        }
    }
    return next;
}
