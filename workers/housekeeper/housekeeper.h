/* SPDX-License-Identifier: ISC
 *
 * housekeeper - the one unprivileged process that does what is periodic: rotates the keys of session tickets, watches
 * files, asks each inside server for its health and keywords, tests DNS lists, keeps the history.
 *
 * housekeeper_main is a housekeeper_function (common/worker_setup.h): one loop with one wait in it, for the lifeline,
 * the watched files, all probes and the next thing that is due. It may die at any time: nothing but freshness is lost,
 * and the master makes another, which goes on from what stands on the scoreboard and in the queue of inotify.
 *
 * Not one probe after the other in code that waits, as workers do it, with all else as guests of those waits: a dozen
 * servers that hang for probe_timeout would make everybody's health minutes old, just when it is wanted. And not a
 * process for each probe: unprivileged processes here cannot fork. So a probe is a state machine (probe.h), 64 at most,
 * each bounded in time and octets.
 */
#ifndef POSTERN_WORKERS_HOUSEKEEPER_HOUSEKEEPER_H
#define POSTERN_WORKERS_HOUSEKEEPER_HOUSEKEEPER_H

#include "common/tls_client.h"
#include "common/worker_setup.h"
#include "workers/backend.h"
#include "workers/resolver.h"

/* Options at the top level of postern.conf. */
struct housekeeper_options {
    int64_t ticket_key_lifetime_ms; /* 6h; a key opens tickets for TICKET_KEYS_MAX times as long */
    int64_t probe_interval_ms;      /* 30s, spread a little; 0: no probes */
    int64_t probe_timeout_ms;       /* a probe as a whole */
    int64_t dnsbl_test_interval_ms; /* 30m, spread a little; 0: no tests */
};

extern const struct option housekeeper_option_rows[]; /* fills struct housekeeper_options */

/* What it works by. */
struct housekeeping {
    const struct housekeeper_options *options;
    const char *hostname;              /* for EHLO */
    const struct block_list *backends; /* struct backend */
    struct tls_client *const *tls;     /* for each backend; NULL where its mode is none, NULL where all are */
    const struct block_list *policies; /* struct policy */
    const struct resolver *resolver;
    const struct store_options *store; /* its directory NULL: there is none */
};

_Noreturn void housekeeper_main(const struct housekeeper_setup *setup);

#endif
