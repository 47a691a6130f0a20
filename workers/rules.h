/* SPDX-License-Identifier: ISC
 *
 * rules - how one client is dealt with: what a policy says for all, and client NETWORK { } in it for some.
 *
 * Of networks that hold the client's address the longest prefix counts, alone; what it leaves open is as for everybody.
 * Whoever has no address (a Unix socket) is everybody.
 */
#ifndef POSTERN_WORKERS_RULES_H
#define POSTERN_WORKERS_RULES_H

#include "common/config.h"
#include "workers/policy.h"

struct session_options;

/* Values, for the life of a session. */
struct rules {
    bool mends;                                 /* what stands alone in a message is mended, not refused (L3) */
    bool is_never_held;                         /* by a delay, whatever checks say */
    bool requires_tls;                          /* beside the listener's own tls { } */
    bool unlimited;                             /* no limit of the policy applies */
    uint32_t withheld;                          /* enum keyword: neither offered nor understood */
    int64_t message_size_limit, max_recipients; /* as in struct session_options */
};

struct rules rules_for(const struct session_options *options, const struct endpoint *client);

/* The policy's own rows: bare_lf, withhold, client { }; they fill struct client_options. */
extern const struct option rules_option_rows[];
bool rules_check_names(struct config *config, const void *filled, const struct text_list *names); /* of withhold */
/* Does a client { } of the policy ask for TLS? Its title, or NULL. */
const char *rules_who_needs_tls(const struct client_options *options);

#endif
