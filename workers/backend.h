/* SPDX-License-Identifier: ISC
 *
 * backend - the configuration of a named group of inside servers.
 */
#ifndef POSTERN_WORKERS_BACKEND_H
#define POSTERN_WORKERS_BACKEND_H

#include "common/config.h"
#include "common/tls_client.h"
#include "workers/proxy_header.h"

struct server {
    const char *name;
    struct endpoint address;
    const char *tls_name; /* in its certificate; NULL: not set */
    int64_t max_sessions; /* that the gate has with it at the same time; 0: no bound */
    int heard_slot; /* its place in the scoreboard's regions `heard` and `health`; given by backend_number_servers */
};
bool server_has_place(const struct server *server);
bool server_is_among(uint64_t places, const struct server *server); /* bits by place */

enum pass_client { PASS_CLIENT_XCLIENT, PASS_CLIENT_PROXY_V1, PASS_CLIENT_PROXY_V2, PASS_CLIENT_NONE };
enum connect_when { CONNECT_AT_MAIL, CONNECT_AT_GREETING };

struct backend {
    const char *name;
    int pass_client;
    int connect;
    struct block_list servers; /* struct server, tried in order */
    int64_t connect_timeout_ms, greeting_timeout_ms, command_timeout_ms, data_timeout_ms, block_timeout_ms,
        final_timeout_ms;
    int64_t max_sessions_wait_ms;
    struct tls_client_options tls;
};

/* Of the header that goes before all else; PROXY_NONE: clients are passed on otherwise, or not at all. */
enum proxy_version backend_proxy_version(const struct backend *backend);

/* A server's place in the scoreboard, or -1: none. */
typedef int backend_place(void *context, const char *backend, const struct server *server);

/* Gives every server its place; how many servers there are. Before any process is forked. `place` NULL: one after the
 * other. */
int backend_number_servers(const struct block_list *backends, backend_place *place, void *context);

extern const struct block backend_block; /* titled; fills struct backend */

#endif
