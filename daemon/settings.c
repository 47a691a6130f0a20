/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "common/scoreboard.h"

#include "workers/backend.h"
#include "workers/policy.h"

#include "daemon/settings.h"

static bool check_listener(struct config *config, const void *filled)
{
    const struct listener_block *listener = filled;
    return listen_check_options(config, filled, &listener->listen) &&
           pool_check_options(config, filled, &listener->pool) && service_check(config, filled, &listener->session);
}

static const struct option_group LISTENER_GROUPS[] = {
    {listen_option_rows, offsetof(struct listener_block, listen)},
    {pool_option_rows, offsetof(struct listener_block, pool)},
    {session_option_rows, offsetof(struct listener_block, session)},
    {NULL, 0},
};

static const struct block LISTENER_BLOCK = {
    .name = "listener",
    .meaning = "Addresses where connections are taken, the workers that take them, and how a session is held.",
    .size = sizeof(struct listener_block),
    .titled = true,
    .needed = true,
    .groups = LISTENER_GROUPS,
    .title_offset = offsetof(struct listener_block, name),
    .check = check_listener,
};

/* Would a connection to `to` arrive at a listener that is bound to `at`? A wildcard takes its family's loopback;
 * whether another address is this host's is not known here. */
static bool takes(const struct endpoint *at, const struct endpoint *to)
{
    static const struct ipaddr none;
    struct ipaddr any = none;
    any.family = at->address.family;
    if (endpoint_equal(at, to))
        return true;
    return at->kind == ENDPOINT_IP && to->kind == ENDPOINT_IP && at->port == to->port &&
           ipaddr_equal(&at->address, &any) && to->address.family == any.family && ipaddr_is_loopback(&to->address);
}

static bool listens_at(const struct root_options *root, const struct endpoint *address)
{
    for (size_t i = 0; i < root->listeners.count; i++) {
        const struct listener_block *listener = block_at(&root->listeners, i);
        for (size_t j = 0; j < listener->listen.addresses.count; j++) {
            if (takes(&listener->listen.addresses.items[j], address))
                return true;
        }
    }
    return false;
}

/* A gate in front of itself would pass each connection on to itself until none is left. */
static bool check_loops(struct config *config, const struct root_options *root)
{
    for (size_t i = 0; i < root->backends.count; i++) {
        const struct backend *backend = block_at(&root->backends, i);
        for (size_t j = 0; j < backend->servers.count; j++) {
            const struct server *server = block_at(&backend->servers, j);
            if (listens_at(root, &server->address))
                return config_refuse(config, server, "address",
                                     "is where this gate itself listens: write the inside server's own address");
        }
    }
    return true;
}

/* How often it is an address of a listener, up to and with this one. */
static int count_address(const struct root_options *root, size_t last, const struct endpoint *address)
{
    int found = 0;
    for (size_t i = 0; i <= last; i++) {
        const struct listener_block *listener = block_at(&root->listeners, i);
        for (size_t j = 0; j < listener->listen.addresses.count; j++)
            found += endpoint_equal(&listener->listen.addresses.items[j], address);
    }
    return found;
}

static bool check_addresses(struct config *config, const struct root_options *root)
{
    for (size_t i = 0; i < root->listeners.count; i++) {
        const struct listener_block *listener = block_at(&root->listeners, i);
        for (size_t j = 0; j < listener->listen.addresses.count; j++) {
            char text[ENDPOINT_TEXT_MAX];
            if (count_address(root, i, &listener->listen.addresses.items[j]) == 1)
                continue;
            endpoint_print(&listener->listen.addresses.items[j], text);
            return config_refuse(config, listener, "address", "%s is there twice; an address has one listener", text);
        }
    }
    return true;
}

/* A greylist without a memory would be one that an administrator relies on. */
static bool check_store(struct config *config, const struct root_options *root)
{
    const void *filled;
    for (size_t i = 0; i < root->policies.count && root->store.directory == NULL; i++) {
        const char *option = policy_needs_store(block_at(&root->policies, i), &filled);
        if (option != NULL)
            return config_refuse(config, filled, option,
                                 "needs the memory on disk, and there is none; say where it lies: "
                                 "store { directory = /var/lib/postern/memory }");
    }
    return true;
}

/* Half of the slots: the workers of a reload need their own beside those that were there before. */
static bool check_root(struct config *config, const void *filled)
{
    const struct root_options *root = filled;
    int64_t slots = 0;
    for (size_t i = 0; i < root->listeners.count; i++)
        slots += ((const struct listener_block *)block_at(&root->listeners, i))->pool.max_workers;
    if (slots > SCOREBOARD_SLOTS_MAX / 2)
        return config_refuse(config, filled, "listener", "all max_workers together are %lld, at most %d are possible",
                             (long long)slots, SCOREBOARD_SLOTS_MAX / 2);
    return check_addresses(config, root) && check_loops(config, root) && check_store(config, root) &&
           resolver_options_check(config, filled, &root->resolver);
}

static struct option block_row(const struct block *block, size_t offset)
{
    return (struct option){
        .name = block->name, .type = OPTION_BLOCK, .offset = offset, .meaning = block->meaning, .block = block};
}

void settings_assemble(struct settings_block *root)
{
    *root = (struct settings_block){0};
    root->rows[0] = (struct option){
        .name = "hostname",
        .type = OPTION_HOSTNAME,
        .offset = offsetof(struct root_options, hostname),
        .meaning = "This gate's own name: in the banner, in EHLO inside and in Received. Must be in DNS.",
        .required = true,
    };
    root->rows[1] = block_row(&LISTENER_BLOCK, offsetof(struct root_options, listeners));
    root->rows[2] = block_row(&backend_block, offsetof(struct root_options, backends));
    root->rows[3] = block_row(policy_block(), offsetof(struct root_options, policies));
    root->rows[4] = block_row(&scoreboard_block, offsetof(struct root_options, scoreboard));
    root->rows[5] = block_row(&store_block, offsetof(struct root_options, store));
    root->groups[0] = (struct option_group){root->rows, 0};
    root->groups[1] = (struct option_group){process_option_rows, offsetof(struct root_options, process)};
    root->groups[2] = (struct option_group){housekeeper_option_rows, offsetof(struct root_options, housekeeper)};
    root->groups[3] = (struct option_group){resolver_option_rows, offsetof(struct root_options, resolver)};
    root->block = (struct block){.size = sizeof(struct root_options), .groups = root->groups, .check = check_root};
}
