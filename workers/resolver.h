/* SPDX-License-Identifier: ISC
 *
 * resolver - which name servers are asked, and how long for: options of the configuration, or /etc/resolv.conf.
 *
 * The master settles it before any fork: a worker may open no file. Only addresses count; what of resolv.conf is not
 * a `nameserver` with one is left alone (search, options, ..). Nothing there: 127.0.0.1, as in the C library.
 */
#ifndef POSTERN_WORKERS_RESOLVER_H
#define POSTERN_WORKERS_RESOLVER_H

#include "common/config.h"

enum { RESOLVER_SERVERS_MAX = 3 };
#define RESOLVER_FILE "/etc/resolv.conf"

struct resolver_options {
    struct endpoint_list servers; /* none: those of RESOLVER_FILE */
    int64_t try_ms;               /* for an answer to one try */
    int64_t deadline_ms;          /* that a session waits for DNS, all told */
};
extern const struct option resolver_option_rows[];
bool resolver_options_check(struct config *config, const void *root, const struct resolver_options *options);

struct resolver {
    struct endpoint servers[RESOLVER_SERVERS_MAX]; /* ENDPOINT_IP */
    int count;
    int64_t try_ms, deadline_ms;
};

/* From the options, and where they name none from `path` (RESOLVER_FILE). */
void resolver_settle(struct resolver *out, const struct resolver_options *options, const char *path);
/* One line of it; true: another server was found and there was room. Pure. */
bool resolver_take_line(struct resolver *out, struct slice line);

#endif
