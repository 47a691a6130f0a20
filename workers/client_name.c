/* SPDX-License-Identifier: ISC */
#include "workers/client_name.h"

#include <stdio.h>

#include "workers/lookups.h"
#include "workers/smtp/attributes.h"

void client_name_ask(struct lookups *l, const struct ipaddr *address)
{
    struct client_name *known = &l->client_name;
    char name[DNS_NAME_MAX + 1];
    if (known->state != CLIENT_NAME_NOT_ASKED || !dns_reverse_name(name, address, NULL))
        return;
    known->state = CLIENT_NAME_ASKED;
    known->address = *address;
    known->pointer = lookups_ask(l, LOOKUP_SESSION, DNS_PTR, name);
}

/* PTR was answered: where do its names lead? */
static void ask_addresses(struct lookups *l, struct client_name *known)
{
    enum dns_type type = known->address.family == 4 ? DNS_A : DNS_AAAA;
    if (known->count > 0)
        return;
    for (int i = 0; i < known->pointer->count && known->count < CLIENT_NAMES_MAX; i++) {
        const char *name = known->pointer->records[i].name;
        if (!dns_name_is_host(slice_of(name)))
            continue;
        known->candidates[known->count++] =
            (struct client_name_candidate){name, lookups_ask(l, LOOKUP_SESSION, type, name)};
    }
}

static bool leads_back(const struct client_name *known, const struct lookup *addresses)
{
    for (int i = 0; i < addresses->count; i++)
        if (ipaddr_equal(&addresses->records[i].address, &known->address))
            return true;
    return false;
}

static void conclude(struct client_name *known)
{
    bool failed = known->pointer->status == DNS_FAILED;
    for (int i = 0; i < known->count && known->name == NULL; i++) {
        const struct client_name_candidate *candidate = &known->candidates[i];
        failed = failed || candidate->addresses->status == DNS_FAILED;
        if (leads_back(known, candidate->addresses))
            known->name = candidate->name;
    }
    if (known->count > 0)
        known->reverse_name = known->name != NULL ? known->name : known->candidates[0].name;
    known->state = known->name != NULL ? CLIENT_NAME_CONFIRMED
                   : failed            ? CLIENT_NAME_FAILED
                   : known->count > 0  ? CLIENT_NAME_UNCONFIRMED
                                       : CLIENT_NAME_NONE;
}

void client_name_go_on(struct lookups *l)
{
    struct client_name *known = &l->client_name;
    if (known->state != CLIENT_NAME_ASKED || known->pointer->status == DNS_ASKED)
        return;
    ask_addresses(l, known);
    for (int i = 0; i < known->count; i++)
        if (known->candidates[i].addresses->status == DNS_ASKED)
            return;
    conclude(known);
}

const struct client_name *client_name_hear(struct lookups *l)
{
    struct client_name *known = &l->client_name;
    if (known->state != CLIENT_NAME_ASKED)
        return known;
    lookups_await(l, known->pointer);
    ask_addresses(l, known);
    for (int i = 0; i < known->count; i++)
        lookups_await(l, known->candidates[i].addresses);
    conclude(known);
    return known;
}

void client_name_take(struct lookups *l, const struct attribute_value *name, const struct attribute_value *reverse_name)
{
    if (name->state != ATTRIBUTE_KNOWN)
        return;
    l->client_name =
        (struct client_name){.state = CLIENT_NAME_CONFIRMED,
                             .name = name->text,
                             .reverse_name = reverse_name->state == ATTRIBUTE_KNOWN ? reverse_name->text : name->text};
}

static void say_one(const struct client_name *known, const char *name, struct attribute_value *to)
{
    bool is_open = to->state == ATTRIBUTE_NOT_SAID || to->state == ATTRIBUTE_TEMPUNAVAIL;
    if (is_open && name == NULL)
        to->state = known->state == CLIENT_NAME_FAILED ? ATTRIBUTE_TEMPUNAVAIL : ATTRIBUTE_UNAVAILABLE;
    if (!is_open || name == NULL)
        return;
    to->state = ATTRIBUTE_KNOWN;
    snprintf(to->text, sizeof(to->text), "%s", name);
}

void client_name_say(const struct client_name *known, struct attribute_value *name,
                     struct attribute_value *reverse_name)
{
    bool is_heard = known->state != CLIENT_NAME_NOT_ASKED && known->state != CLIENT_NAME_ASKED;
    if (!is_heard || name->state == ATTRIBUTE_KNOWN)
        return;
    say_one(known, known->name, name);
    say_one(known, known->reverse_name, reverse_name);
}
