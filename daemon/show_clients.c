/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "daemon/deed.h"
#include "daemon/show_internal.h"

/* A client, over all of its sessions that are under way. */
struct client {
    struct ipaddr address; /* family 0: by a Unix socket */
    int64_t sessions, held, errors, messages, oldest_ms;
    int32_t score; /* the highest */
    uint32_t standing;
};

static int by_address(const void *a, const void *b)
{
    const struct client *one = a, *other = b;
    if (one->address.family != other->address.family)
        return one->address.family < other->address.family ? -1 : 1;
    return memcmp(one->address.bytes, other->address.bytes, sizeof(one->address.bytes));
}

static int descending(int64_t a, int64_t b)
{
    return a == b ? 0 : a > b ? -1 : 1;
}

static int most_sessions_first(const void *a, const void *b)
{
    const struct client *one = a, *other = b;
    int order = descending(one->sessions, other->sessions);
    return order != 0 ? order : by_address(a, b);
}

static int worst_first(const void *a, const void *b)
{
    const struct client *one = a, *other = b;
    int order = descending(one->score, other->score);
    if (order == 0)
        order = descending(one->held, other->held);
    if (order == 0)
        order = descending(one->errors, other->errors);
    return order != 0 ? order : most_sessions_first(a, b);
}

static struct client client_of(const struct show *show, const struct slot_facts *facts)
{
    return (struct client){
        .address = facts->client,
        .sessions = 1,
        .held = facts->held,
        .errors = facts->session_errors,
        .messages = facts->session_messages,
        .oldest_ms = show_age(show, facts->session_since_ms),
        .score = facts->score,
        .standing = facts->standing,
    };
}

static void add(struct client *to, const struct client *one)
{
    to->sessions++;
    to->held += one->held;
    to->errors += one->errors;
    to->messages += one->messages;
    if (one->oldest_ms > to->oldest_ms)
        to->oldest_ms = one->oldest_ms;
    if (one->score > to->score)
        to->score = one->score;
    if (one->standing != STANDING_UNKNOWN)
        to->standing = one->standing;
}

static size_t collect(const struct show *show, struct client *clients)
{
    size_t count = 0;
    struct slot_facts facts;
    for (int slot = 0; slot < show->view.house->roster.size; slot++)
        if (show_read_session(show, slot, &facts))
            clients[count++] = client_of(show, &facts);
    return count;
}

static size_t merge(struct client *clients, size_t count)
{
    size_t kept = 0;
    qsort(clients, count, sizeof(*clients), by_address);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && by_address(&clients[kept - 1], &clients[i]) == 0)
            add(&clients[kept - 1], &clients[i]);
        else
            clients[kept++] = clients[i];
    }
    return kept;
}

static void say(struct show *show, const struct client *client)
{
    char address[IPADDR_TEXT_MAX] = "local";
    struct buffer *to = show_record(show, "client");
    if (client->address.family != 0)
        ipaddr_print(&client->address, address);
    control_string(to, "client", address);
    control_number(to, "sessions", client->sessions);
    control_number(to, "held", client->held);
    control_number(to, "score", client->score);
    control_number(to, "errors", client->errors);
    control_number(to, "messages", client->messages);
    control_string(to, "standing", standing_name((enum standing)client->standing));
    control_number(to, "oldest_ms", client->oldest_ms);
    control_end(to);
}

static bool understand(struct show *show, bool *worst_out)
{
    const struct control_request *request = &show->request;
    *worst_out = request->count > 0;
    if (request->count == 0 || slice_equal(request->arguments[0], slice_of("--worst")))
        return true;
    deed_error(&show->out, "there is no such order of clients", "posternctl clients --worst");
    return false;
}

bool show_clients(struct show *show)
{
    bool worst;
    if (!understand(show, &worst))
        return false;
    struct client *clients = calloc((size_t)show->view.house->roster.size, sizeof(*clients));
    if (clients == NULL) {
        deed_error(&show->out, "no memory for so many slots", NULL);
        return false;
    }
    size_t count = merge(clients, collect(show, clients));
    qsort(clients, count, sizeof(*clients), worst ? worst_first : most_sessions_first);
    for (size_t i = 0; i < count; i++)
        say(show, &clients[i]);
    free(clients);
    return true;
}
