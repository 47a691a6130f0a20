/* SPDX-License-Identifier: ISC
 *
 * service - what the workers of one listener work by: the filled configuration, constant for a worker's life.
 *
 * daemon/main.c puts it together after loading; the master hands it through as an opaque pointer.
 */
#ifndef POSTERN_WORKERS_SERVICE_H
#define POSTERN_WORKERS_SERVICE_H

#include "common/config.h"
#include "common/scoreboard_options.h"
#include "common/store_options.h"
#include "common/tls_client.h"
#include "common/tls_server.h"
#include "workers/auth_options.h"
#include "workers/backend.h"
#include "workers/policy.h"
#include "workers/resolver.h"

/* Of a listener's block: how the session with the outside is held. */
struct session_options {
    const struct backend *backend;
    const struct policy *policy;
    int64_t command_timeout_ms; /* for a whole command line (RFC 5321 section 4.5.3.2.7) */
    int64_t data_timeout_ms;    /* for a message's data, beyond what min_data_rate gives */
    int64_t min_data_rate;      /* octets a second; 0 = any */
    int64_t stress_timeout_ms;  /* 0 = none */
    int64_t tarpit_share;       /* percent of the workers that may hold somebody */
    int64_t message_timeout_ms; /* for a message's data as a whole */
    int64_t message_size_limit; /* octets; 0 = inside's alone */
    int64_t max_recipients;     /* of one transaction */
    int64_t max_errors;         /* of a session: then 421 */
    int64_t max_commands;       /* of a session without a message accepted since: then 421 */
    int64_t sessions_per_worker;
    bool received;               /* add a Received line */
    bool authentication_results; /* .. and what checks found; remove what claims to be that */
    const char *authserv_id;     /* under which name; NULL: hostname */
    bool received_spf;           /* add what SPF found as Received-SPF, too */
    /* Load balancers, and other gates, that tell who the client is. */
    struct network_list proxy_from, xclient_from, xforward_from;
    struct tls_server_options tls;
    struct auth_options auth;
};

struct prepared;

struct service {
    const char *hostname;
    const char *listener; /* its title */
    const struct session_options *session;
    const struct scoreboard_options *scoreboard;
    const struct store_options *store; /* its directory NULL: there is none */
    const struct resolver *resolver;
    const struct prepared *prepared; /* of the policy's checks (prepared.h) */
    struct tls_server *tls;          /* NULL: none */
    struct tls_client *inside_tls;   /* NULL: none */
};

/* L11: refuses a listener whose inside server would take all the world for its own hosts. For a listener block's check;
 * `listener` is the filled block. */
bool service_check(struct config *config, const void *listener, const struct session_options *options);

extern const struct option session_option_rows[]; /* fills struct session_options */

#endif
