/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <stdio.h>

#include "workers/resolver.h"

enum { LINE_MAX_OCTETS = 1024 };

/* clang-format off */
const struct option resolver_option_rows[] = {
    {"resolver", OPTION_RESOLVERS, offsetof(struct resolver_options, servers), NULL, NULL,
     "The name servers that are asked: { 127.0.0.1, [::1] }; at most three, tried in this order. One "
     "that caches, on this machine, is needed. Not set: those of /etc/resolv.conf, as they are at a start or reload."},
    {"resolver_timeout", OPTION_TIME, offsetof(struct resolver_options, try_ms), "2s", "100ms..30s",
     "How long one try may take before the next one is made."},
    {"resolver_deadline", OPTION_TIME, offsetof(struct resolver_options, deadline_ms), "10s", "100ms..5m",
     "How long a session waits for DNS, all told, until inside has accepted a message, and each transaction a tenth of "
     "that more; what is not known by then is unsure (on_unsure)."},
    {0},
};
/* clang-format on */

bool resolver_options_check(struct config *config, const void *root, const struct resolver_options *options)
{
    if (options->servers.count == 0 && config_is_set(config, root, "resolver"))
        return config_refuse(config, root, "resolver",
                             "an empty list: nobody could be asked; name a server, or leave the option out");
    if (options->servers.count > RESOLVER_SERVERS_MAX)
        return config_refuse(config, root, "resolver", "%zu servers; at most %d are asked", options->servers.count,
                             RESOLVER_SERVERS_MAX);
    return true;
}

static bool add(struct resolver *out, const struct endpoint *server)
{
    if (out->count == RESOLVER_SERVERS_MAX)
        return false;
    out->servers[out->count++] = *server;
    return true;
}

bool resolver_take_line(struct resolver *out, struct slice line)
{
    struct endpoint server = {.kind = ENDPOINT_IP, .port = RESOLVER_PORT};
    if (!slice_is_word(slice_take_word(&line), "nameserver"))
        return false;
    return ipaddr_parse(slice_take_word(&line), &server.address) && add(out, &server);
}

static void read_file(struct resolver *out, const char *path)
{
    char line[LINE_MAX_OCTETS];
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        struct slice all = slice_of(line);
        if (all.size > 0 && all.at[all.size - 1] == '\n')
            all.size--;
        resolver_take_line(out, all);
    }
    if (file != NULL)
        fclose(file);
}

void resolver_settle(struct resolver *out, const struct resolver_options *options, const char *path)
{
    static const struct endpoint own = {.kind = ENDPOINT_IP, .address = {4, {127, 0, 0, 1}}, .port = RESOLVER_PORT};
    *out = (struct resolver){.try_ms = options->try_ms, .deadline_ms = options->deadline_ms};
    for (size_t i = 0; i < options->servers.count; i++)
        add(out, &options->servers.items[i]);
    if (options->servers.count == 0)
        read_file(out, path);
    if (out->count == 0)
        add(out, &own);
}
